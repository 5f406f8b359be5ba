import { z } from 'zod'
import { fileNameSchema } from './asset-file.ts'
import { closedCaptionsSchema } from './closed-captions.ts'
import { durationMs } from './duration.ts'
import { type Draft, envelope, labels, lastErrorSchema, operationIdSchema, owned } from './envelope.ts'
import { inputHealthSchema } from './input-health.ts'
import { type Id, idSchema, newGuid, newId, newSecret, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { addressListSchema, durationSchema, guidSchema, nameSchema } from './scalars.ts'
import { defineMachine } from './state-machine.ts'

/** The life of a channel. */
export const channelMachine = defineMachine({
  kind: 'channel',
  states: ['Stopped', 'Starting', 'Running', 'Stopping', 'Deleting', 'Deleted'],
  initial: 'Stopped',
  operations: {
    start: { from: ['Stopped'], to: 'Starting' },
    stop: { from: ['Starting', 'Running'], to: 'Stopping' },
    reset: { from: ['Running'], to: 'unchanged' },
    'rotate-key': { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'unchanged' },
    update: { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'unchanged' },
    configure: { from: ['Stopped'], to: 'unchanged' },
    delete: { from: ['Stopped'], to: 'Deleting' },
    'force-delete': { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'Deleting' },
  },
  outcomes: {
    Starting: { completed: 'Running', failed: 'Stopped' },
    Running: { failed: 'Starting' },
    Stopping: { completed: 'Stopped', failed: 'Stopped' },
    Deleting: { completed: 'Deleted', failed: 'Stopped' },
  },
})

/** Where a channel stands in its life. */
export type ChannelState = (typeof channelMachine.states)[number]

const input = z
  .strictObject({
    protocol: z.enum(['rtmp']).default('rtmp').meta({ description: 'RTMP, also over TLS; only changed when Stopped.' }),
    allowIp: addressListSchema
      .optional()
      .meta({ description: 'Who may publish. Not set: anybody with the key. Empty: nobody.' }),
    keyFrameInterval: durationSchema(200, 20_000, 'What the encoder is set to.', 2_000).default('PT2S'),
    takeover: z
      .enum(['refuse', 'replace'])
      .default('refuse')
      .meta({ description: 'What a second encoder with the same stream key meets.' }),
    reconnectGrace: durationSchema(
      0,
      86_400_000,
      'How long the presentation is kept moving without an encoder.',
      600_000,
    ).default('PT10M'),
    returnAfter: durationSchema(
      1_000,
      86_400_000,
      'How long the primary input has to be well before it takes over from the secondary again; longer each time where it failed soon after.',
      30_000,
    ).default('PT30S'),
  })
  .meta({ description: 'How contribution comes in.' })

const encoding = z
  .strictObject({
    kind: z.enum(['none', 'standard']).default('none').meta({
      description:
        '`none`: what the encoder sends is what viewers get. `standard`: a ladder is made. Only when Stopped.',
    }),
    preset: nameSchema.default('720p').meta({ description: 'The ladder of `standard`.', example: '720p' }),
  })
  .meta({ description: 'What is made of the input; only changed when Stopped.' })

const output = z
  .strictObject({
    segmentDuration: durationSchema(500, 30_000, 'If not given, 6 s, or 4 s at low latency.', 6_000).optional(),
    partDuration: durationSchema(100, 30_000, 'If not given, whole segments, or 0.5 s at low latency.', 500).optional(),
  })
  .meta({ description: 'How the presentation is cut; only changed when Stopped.' })

const preview = z
  .strictObject({ allowIp: addressListSchema.default([]).meta({ description: 'Who may watch. Empty: anybody.' }) })
  .meta({ description: 'Watching what comes in, before any program.' })

const slate = z
  .strictObject({
    after: durationSchema(0, 86_400_000, 'How long the input is away before the slate is shown.', 10_000).default(
      'PT10S',
    ),
    image: z
      .strictObject({
        assetId: idSchema('asset'),
        file: fileNameSchema.meta({ description: 'A PNG, JPEG or WebP of at most 16 MiB.' }),
      })
      .optional()
      .meta({ description: 'A file of an asset. If not given, a plain picture of our own.' }),
  })
  .meta({
    description:
      'A still picture and silence, coded like the input, that are shown while it is away, until its reconnectGrace is over. Not set: gaps.',
    example: { after: 'PT10S' },
  })

const settings = {
  ...labels,
  input: input.prefault({}),
  encoding: encoding.prefault({}),
  latency: z.enum(['normal', 'low']).default('normal').meta({ description: 'Only changed when Stopped.' }),
  output: output.prefault({}),
  preview: preview.prefault({}),
  slate: slate.optional(),
  adMarkerSource: z.enum(['api', 'scte35']).optional().meta({
    description: 'Whose ad markers are taken: those of the API, or those that the encoder sends. Not set: both.',
  }),
  closedCaptions: closedCaptionsSchema.optional(),
  idleStopAfter: durationSchema(60_000, 604_800_000, 'Stops a channel without input.', 3_600_000).optional(),
}

type Settings = {
  readonly latency: 'normal' | 'low'
  readonly output: { readonly segmentDuration?: string | undefined; readonly partDuration?: string | undefined }
}

/** Segment and part durations in milliseconds: 6 s whole, or 4 s in parts of 0.5 s at low latency, unless set. */
export function channelDurations({ latency, output: cut }: Settings): {
  readonly segmentDurationMs: number
  readonly partDurationMs: number | undefined
} {
  const standard = latency === 'low' ? { segment: 'PT4S', part: 'PT0.5S' } : { segment: 'PT6S', part: undefined }
  const part = cut.partDuration ?? standard.part
  return {
    segmentDurationMs: durationMs(cut.segmentDuration ?? standard.segment),
    partDurationMs: part === undefined ? undefined : durationMs(part),
  }
}

function checkDurations(value: Settings, context: z.RefinementCtx): void {
  const { segmentDurationMs, partDurationMs = 0 } = channelDurations(value)
  if (partDurationMs <= segmentDurationMs) return
  const message = 'must not be longer than a segment'
  context.addIssue({ code: 'custom', path: ['output', 'partDuration'], message })
}

const streamKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9._~-]{8,128}$/, 'must be 8 to 128 letters, digits and . _ ~ -')
  .meta({ description: 'The secret part of the publish URL.' })

const ingestInput = z.enum(['primary', 'secondary'])
/** Which of a channel's two inputs. */
export type IngestInput = z.output<typeof ingestInput>

/** What a client states to make a channel. */
export const channelCreateSchema = z
  .strictObject({
    ...settings,
    streamKeys: z
      .strictObject({ primary: streamKeySchema.optional(), secondary: streamKeySchema.optional() })
      .prefault({})
      .meta({ description: 'Keys of one’s own; made if not given. Later only changed by rotate-key.' }),
  })
  .superRefine(checkDurations)
  .meta({
    id: 'ChannelCreate',
    description: 'A new channel, Stopped.',
    example: { name: 'main', encoding: { kind: 'standard', preset: '720p' }, latency: 'low' },
  })

/** What may change of a channel; some of it only while it is Stopped. */
export const channelPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'ChannelPatch',
  description: 'A merge patch of a channel. Input protocol, encoding, latency and output change only when Stopped.',
  example: { input: { allowIp: ['192.0.2.0/24'] } },
})

/** The body of `rotate-key`. */
export const rotateKeySchema = z
  .strictObject({ input: ingestInput.optional().meta({ description: 'If not given, both.' }) })
  .meta({ id: 'ChannelRotateKey', description: 'Which key to make anew.', example: { input: 'primary' } })

/** The body of `stop`. */
export const channelStopSchema = z
  .strictObject({ removeProgramsOnStop: z.boolean().default(false) })
  .meta({ id: 'ChannelStop', description: 'Whether programs are stopped and deleted first; their assets stay.' })

const server = {
  ...envelope('channel'),
  ...owned,
  ...settings,
  previewLocatorId: guidSchema.meta({ description: 'Under which the preview is served.' }),
  state: z.enum(channelMachine.states).exclude(['Deleted']),
  desiredState: z.enum(['Running', 'Stopped']).meta({ description: 'What the channel is meant to be.' }),
  operationId: operationIdSchema,
  lastError: lastErrorSchema.optional(),
}

/** A channel as it is stored. */
export const channelSchema = z
  .strictObject({ ...server, streamKeys: z.strictObject({ primary: streamKeySchema, secondary: streamKeySchema }) })
  .superRefine(checkDurations)

const ingestView = z.strictObject({
  input: ingestInput,
  url: z.string().meta({ description: 'Where the encoder connects.', example: 'rtmp://media.example.com/live' }),
  secureUrl: z.string().optional().meta({ description: 'The same over TLS.' }),
  streamKey: streamKeySchema.optional().meta({ description: 'Only shown to who may read it.' }),
  active: z
    .boolean()
    .optional()
    .meta({ description: 'While an encoder publishes by it: whether viewers see it. The other one stands by.' }),
  health: inputHealthSchema.optional().meta({ description: 'Of this input, while an encoder publishes by it.' }),
})

/** A channel as it is shown. */
export const channelViewSchema = z
  .strictObject({
    ...server,
    ingest: z.array(ingestView).max(2),
    previewUrl: z.string().optional().meta({ description: 'Where what comes in is watched, while Running.' }),
    health: inputHealthSchema.optional().meta({ description: 'Of all input, while Running.' }),
  })
  .meta({ id: 'Channel', description: 'Takes contribution in and makes a presentation of it.' })

/** A channel as it is stored. */
export type Channel = z.output<typeof channelSchema>
/** A channel as it is shown. */
export type ChannelView = z.output<typeof channelViewSchema>

const STREAM_KEY_BYTES = 18

/** A new stream key: 144 random bits as base64url. */
export function newStreamKey(random: RandomBytes): string {
  return newSecret(STREAM_KEY_BYTES, random)
}

/** A new channel, Stopped, with its keys and the locator of its preview. */
export function newChannel(
  given: z.output<typeof channelCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Channel> {
  const { primary = newStreamKey(random), secondary = newStreamKey(random) } = given.streamKeys
  return {
    id: newId('channel', random),
    accountId,
    ...given,
    // Beside the locators of assets, which can be chosen: a preview can't be published over.
    previewLocatorId: newGuid(random, 8),
    streamKeys: { primary, secondary },
    state: channelMachine.initial,
    desiredState: 'Stopped',
  }
}
