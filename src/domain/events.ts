import { z } from 'zod'
import { assetMachine } from './asset.ts'
import { channelMachine } from './channel.ts'
import { inputHealthSchema } from './input-health.ts'
import { keyDeliveries, keyRefusals } from './key-refusal.ts'
import { type Id, idSchema, type Kind } from './kinds.ts'
import { programMachine } from './program.ts'
import { formatTimestamp, timestampSchema } from './scalars.ts'
import type { Machine } from './state-machine.ts'
import { streamingEndpointMachine } from './streaming-endpoint.ts'

type EventSpec<K extends Kind = Kind, D extends z.ZodType = z.ZodType> = {
  readonly subject: K
  readonly data: D
  readonly description: string
}

const event = <const K extends Kind, D extends z.ZodType>(subject: K, description: string, data: D) =>
  ({ subject, description, data }) satisfies EventSpec<K, D>

const nothing = z.strictObject({})
const text = z.string().max(1_024)
const fields = z.strictObject({ fields: z.array(z.string().max(256)).max(64).meta({ description: 'JSON pointers.' }) })

const stateChanged = <S extends string>(machine: Machine<S>) =>
  z.strictObject({
    from: z.enum(machine.states),
    to: z.enum(machine.states),
    reason: z
      .enum(['requested', 'schedule', 'idle', 'completed', 'failed', 'recovery'])
      .meta({ description: 'Who or what moved it.' }),
    operationId: idSchema('operation').optional(),
    error: z.strictObject({ code: z.string().max(64), detail: text }).optional(),
  })

const session = {
  sessionId: z.string().max(128),
  input: z.enum(['primary', 'secondary']),
  layer: z.string().max(64).meta({ description: 'Which of the encoder’s streams.', example: 'default' }),
  address: z.string().max(64),
}

const media = z.number().min(0)

const connected = z.strictObject({
  ...session,
  encoder: z.string().max(256).meta({ description: 'What the encoder calls itself.', example: 'obs-output' }),
  secure: z.boolean().meta({ description: 'Over TLS.' }),
  enhanced: z.boolean().meta({ description: 'Speaks Enhanced RTMP.' }),
})
const disconnected = z.strictObject({
  ...session,
  reason: z.enum([
    'unpublished',
    'disconnected',
    'idle',
    'replaced',
    'protocol-error',
    'stopped',
    'limit',
    'reset',
    'key-rotated',
    'address-not-allowed',
  ]),
  connectedForMs: media,
})
const rejected = z.strictObject({
  address: session.address,
  layer: session.layer.optional(),
  encoder: z.string().max(256),
  reason: z.enum(['unknown-key', 'not-running', 'address-not-allowed', 'busy', 'invalid-name', 'unavailable']),
  detail: text,
})
const heartbeat = z.strictObject({
  ...session,
  bitsPerSecond: media,
  framesPerSecond: media,
  driftMs: z.number(),
  gopMs: media.optional(),
  framesDropped: z.int().min(0).meta({ description: 'Since the encoder connected.' }),
  health: inputHealthSchema,
})
const input = z.enum(['primary', 'secondary'])

const switched = z.strictObject({
  layer: session.layer,
  from: input,
  to: input.meta({ description: 'The one that is active now.' }),
  reason: z.enum(['ended', 'silent', 'no-sound', 'no-key-frames', 'late', 'preferred']).meta({
    description:
      'What was wrong with the one before: its encoder has gone, nothing or no sound arrived, no key frames, everything too late; or that the primary is well again.',
  }),
  seamless: z.boolean().meta({
    description: 'Both carry the same coded frames: no frame is missing or repeated, and there is no discontinuity.',
  }),
})

/** Every event, by type: what it is about, and what it says. The one place where one is declared. */
export const eventCatalog = {
  'asset.created': event('asset', 'An asset was made.', nothing),
  'asset.deleted': event('asset', 'An asset was deleted.', nothing),
  'asset.state-changed': event('asset', 'An asset moved on in its life.', stateChanged(assetMachine)),
  'asset.text-unreadable': event(
    'asset',
    'A text file of an asset is no WebVTT or TTML: the asset is played without it.',
    z.strictObject({
      fileName: z.string().max(260),
      problem: text.meta({ description: 'What is wrong with it, and where.' }),
    }),
  ),
  'asset.updated': event('asset', 'An asset was changed.', fields),
  'channel.ad-marker-changed': event(
    'channel',
    'A break for advertisements, or another marker, was announced, ended or called off.',
    z.strictObject({
      markerId: z.string().max(128),
      kind: z.enum(['ad-break', 'splice', 'program-boundary']),
      change: z.enum(['begun', 'ended', 'cancelled']).meta({ description: '`begun`: it is known from now on.' }),
      source: z.enum(['api', 'encoder']),
      at: timestampSchema.meta({ description: 'When it begins.' }),
      plannedMs: media.optional(),
      durationMs: media.optional(),
    }),
  ),
  'channel.created': event('channel', 'A channel was made.', nothing),
  'channel.deleted': event('channel', 'A channel was deleted.', nothing),
  'channel.encoder-connected': event('channel', 'An encoder was let in.', connected),
  'channel.encoder-disconnected': event('channel', 'An encoder has gone.', disconnected),
  'channel.encoder-rejected': event('channel', 'An encoder was turned away.', rejected),
  'channel.health-changed': event(
    'channel',
    'An input became good or degraded, or for other reasons.',
    inputHealthSchema,
  ),
  'channel.ingest-heartbeat': event('channel', 'How an input is, every few seconds.', heartbeat),
  'channel.input-lost': event('channel', 'Nothing comes in any more.', z.strictObject({ input, reason: text })),
  'channel.input-returned': event('channel', 'Media comes in again.', z.strictObject({ input, awayForMs: media })),
  'channel.input-switched': event('channel', 'Viewers see the other input now, of one layer.', switched),
  'channel.key-rotated': event('channel', 'A stream key was made anew.', z.strictObject({ inputs: z.array(input) })),
  'channel.reset': event('channel', 'The live edge was dropped on request.', nothing),
  'channel.slate-ended': event('channel', 'The slate is shown no more.', z.strictObject({ shownForMs: media })),
  'channel.slate-failed': event(
    'channel',
    'There is no slate to show: gaps go on while the input is away.',
    z.strictObject({ detail: text }),
  ),
  'channel.slate-started': event(
    'channel',
    'A slate is shown in place of the input, which is away; or for the length of a break.',
    nothing,
  ),
  'channel.state-changed': event('channel', 'A channel moved on in its life.', stateChanged(channelMachine)),
  'channel.transcoder-restarted': event(
    'channel',
    'The transcoder died or stalled and was replaced.',
    z.strictObject({ reason: text, restarts: z.int().min(1).meta({ description: 'Since the channel was started.' }) }),
  ),
  'channel.updated': event('channel', 'A channel was changed.', fields),
  'content-key.created': event('content-key', 'A content key was made.', nothing),
  'content-key.deleted': event('content-key', 'A content key was deleted: nobody gets it any more.', nothing),
  'content-key.delivered': event(
    'content-key',
    'Players were given a key, or one of its periods.',
    z.strictObject({
      delivery: z.enum(keyDeliveries),
      count: z.int().min(1).meta({ description: 'Within a minute.' }),
    }),
  ),
  'content-key.delivery-refused': event(
    'content-key',
    'A player was refused a key.',
    z.strictObject({
      delivery: z.enum(keyDeliveries),
      reason: z.enum(keyRefusals),
      address: session.address,
      count: z.int().min(1).meta({ description: 'How often, from this address for this reason, within a second.' }),
    }),
  ),
  'content-key.exported': event('content-key', 'The value of a key was shown to an administrator.', nothing),
  'event-subscription.dead-letter': event(
    'event-subscription',
    'An event was given up on.',
    z.strictObject({ deadLetterId: idSchema('dead-letter'), attempts: z.int().min(1), detail: text }),
  ),
  'locator.created': event('locator', 'An asset was published.', z.strictObject({ assetId: idSchema('asset') })),
  'locator.deleted': event('locator', 'A locator was revoked.', z.strictObject({ assetId: idSchema('asset') })),
  'program.created': event('program', 'A program was made.', nothing),
  'program.deleted': event('program', 'A program was deleted; its asset stays.', nothing),
  'program.recording-degraded': event(
    'program',
    'What is recorded does not come to the disk: live goes on from memory, and what does not fit there is lost.',
    z.strictObject({ problem: text }),
  ),
  'program.recording-recovered': event('program', 'What is recorded comes to the disk again.', nothing),
  'program.segments-lost': event(
    'program',
    'Segments could not be recorded: they are gaps.',
    z.strictObject({ segments: z.int().min(1).meta({ description: 'Since this was last said.' }) }),
  ),
  'program.state-changed': event('program', 'A program moved on in its life.', stateChanged(programMachine)),
  'program.storage-failing': event(
    'program',
    'Storage does not take what is recorded: it stays on the disk of the node for now.',
    z.strictObject({ problem: text }),
  ),
  'program.storage-recovered': event('program', 'Storage takes what is recorded again.', nothing),
  'program.updated': event('program', 'A program was changed.', fields),
  'streaming-endpoint.state-changed': event(
    'streaming-endpoint',
    'A streaming endpoint moved on in its life.',
    stateChanged(streamingEndpointMachine),
  ),
} as const satisfies Readonly<Record<string, EventSpec>>

type Catalog = typeof eventCatalog
/** The type of an event. */
export type EventType = keyof Catalog
/** What an event of a type says. */
export type EventData<T extends EventType> = z.output<Catalog[T]['data']>

/** Every type, in alphabetical order. */
export const eventTypes = Object.keys(eventCatalog) as EventType[]

/** An event of a type; `id` sorts as text in the order of events and never goes back. */
export type EventOf<T extends EventType> = {
  readonly id: string
  readonly type: T
  readonly time: string
  readonly accountId: Id<'account'>
  readonly subject: { readonly kind: Catalog[T]['subject']; readonly id: string; readonly name?: string | undefined }
  readonly data: EventData<T>
}
/** Any event. */
export type HeadendEvent = { [T in EventType]: EventOf<T> }[EventType]
/** An event before the log has given it its place. */
export type NewEvent<T extends EventType = EventType> = { [E in T]: Omit<EventOf<E>, 'id'> }[T]

/** `channel.state-changed` → `ChannelStateChangedEvent`. */
function componentName(type: string): string {
  return `${type.replace(/(?:^|[.-])([a-z])/g, (_match, letter: string) => letter.toUpperCase())}Event`
}

function schemaOf(type: EventType) {
  const { subject, data, description } = eventCatalog[type]
  return z
    .strictObject({
      id: z
        .string()
        .regex(/^ev_\d{16}$/)
        .meta({ description: 'Sorts by age.', example: 'ev_0000000000000042' }),
      type: z.literal(type),
      time: timestampSchema,
      accountId: idSchema('account'),
      subject: z.strictObject({
        kind: z.literal(subject),
        id: z.string().min(1).max(64),
        name: z.string().max(260).optional(),
      }),
      data: data as z.ZodType,
    })
    .meta({ id: componentName(type), description })
}

const [first, ...others] = eventTypes.map(schemaOf) as [ReturnType<typeof schemaOf>, ...ReturnType<typeof schemaOf>[]]

/** Any event, told apart by `type`. */
export const eventSchema: z.ZodType<HeadendEvent> = z
  .discriminatedUnion('type', [first, ...others])
  .meta({ id: 'Event', description: 'Something that happened.' }) as unknown as z.ZodType<HeadendEvent>

/** An event that has just happened, for the log to give it its id. */
export function newEvent<T extends EventType>(
  type: T,
  about: { readonly accountId: Id<'account'>; readonly id: string; readonly name?: string | undefined },
  data: EventData<T>,
  nowMs: number,
): NewEvent<T> {
  const { accountId, id, name } = about
  const subject = { kind: eventCatalog[type].subject, id, ...(name !== undefined && { name }) }
  // What the catalogue says of a type is what its event is made of; that it holds for any `T` is beyond what the compiler follows.
  return { type, time: formatTimestamp(nowMs), accountId, subject, data } as unknown as NewEvent<T>
}
