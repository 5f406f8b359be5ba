import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type Draft, envelope, labels, lastErrorSchema, operationIdSchema, owned } from './envelope.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { addressListSchema, durationSchema } from './scalars.ts'
import { defineMachine, transition } from './state-machine.ts'

/** The life of a streaming endpoint. */
export const streamingEndpointMachine = defineMachine({
  kind: 'streaming endpoint',
  states: ['Stopped', 'Starting', 'Running', 'Stopping', 'Scaling', 'Deleting', 'Deleted'],
  initial: 'Stopped',
  operations: {
    start: { from: ['Stopped'], to: 'Starting' },
    stop: { from: ['Starting', 'Running', 'Scaling'], to: 'Stopping' },
    scale: { from: ['Running'], to: 'Scaling' },
    update: { from: ['Stopped', 'Starting', 'Running', 'Stopping', 'Scaling'], to: 'unchanged' },
    delete: { from: ['Stopped'], to: 'Deleting' },
  },
  outcomes: {
    Starting: { completed: 'Running', failed: 'Stopped' },
    Running: { failed: 'Stopped' },
    Scaling: { completed: 'Running', failed: 'Running' },
    Stopping: { completed: 'Stopped', failed: 'Stopped' },
    Deleting: { completed: 'Deleted', failed: 'Stopped' },
  },
  recovered: { Running: 'Starting', Scaling: 'Starting', Stopping: 'Stopped' },
})

const origin = z
  .string()
  .max(512)
  .regex(/^(\*|https?:\/\/[^\s/?#]+)$/, 'must be * or an origin such as https://player.example.com')

const header = z
  .string()
  .max(128)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of an HTTP header')

const settings = {
  ...labels,
  hostNames: z
    .array(
      z
        .string()
        .max(253)
        .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'must be a host name')
        .toLowerCase(),
    )
    .max(64)
    .default([])
    .meta({ description: 'Names it answers to. Empty: any.' }),
  maxCacheAge: durationSchema(
    1_000,
    31_536_000_000,
    'How long caches outside may keep media: what bounds them on expiry and revocation.',
    3_600_000,
  ).default('PT1H'),
  allowIp: addressListSchema.default([]).meta({ description: 'Who may watch. Empty: anybody.' }),
  cors: z
    .strictObject({ allowOrigins: z.array(origin).max(64).default(['*']) })
    .prefault({})
    .meta({ description: 'Which pages may play from it.' }),
  scaleUnits: z.int().min(1).max(64).default(1).meta({ description: 'Packaging workers; see `scale` while Running.' }),
  cdn: z
    .strictObject({
      originShieldHeader: header.optional().meta({ description: 'A request without it is not from the CDN.' }),
      prefetchHints: z.boolean().default(false),
    })
    .prefault({})
    .meta({ description: 'What a CDN in front needs.' }),
}

const signedUrlKeys = z
  .array(
    z.strictObject({
      id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
      secret: z.string().min(32).max(256),
    }),
  )
  .max(8)
  .default([])
  .meta({ description: 'Keys that URLs are signed with; any of them counts. None: URLs need no signature.' })

/** What a client states to make a streaming endpoint. */
export const streamingEndpointCreateSchema = z.strictObject({ ...settings, signedUrlKeys }).meta({
  id: 'StreamingEndpointCreate',
  description: 'A new streaming endpoint, Stopped.',
  example: { name: 'europe', hostNames: ['eu.media.example.com'] },
})

/** What may change of a streaming endpoint. */
export const streamingEndpointPatchSchema = patchOf(z.strictObject({ ...settings, signedUrlKeys })).meta({
  id: 'StreamingEndpointPatch',
  description: 'A merge patch of a streaming endpoint.',
  example: { maxCacheAge: 'PT10M' },
})

/** The body of `scale`. */
export const scaleSchema = z
  .strictObject({ scaleUnits: settings.scaleUnits.unwrap() })
  .meta({ id: 'StreamingEndpointScale', description: 'How many packaging workers.', example: { scaleUnits: 2 } })

const server = {
  ...envelope('streaming-endpoint'),
  ...owned,
  ...settings,
  isDefault: z.boolean().meta({ description: 'Made with the account; can’t be deleted.' }),
  state: z.enum(streamingEndpointMachine.states).exclude(['Deleted']),
  desiredState: z.enum(['Running', 'Stopped']).meta({ description: 'What it is meant to be.' }),
  operationId: operationIdSchema,
  lastError: lastErrorSchema.optional(),
}

/** A streaming endpoint as it is stored. */
export const streamingEndpointSchema = z.strictObject({ ...server, signedUrlKeys })

/** A streaming endpoint as it is shown. */
export const streamingEndpointViewSchema = z
  .strictObject({ ...server, signedUrlKeyIds: z.array(z.string()).meta({ description: 'Without their secrets.' }) })
  .meta({ id: 'StreamingEndpoint', description: 'Packages and serves what locators publish.' })

/** A streaming endpoint as it is stored. */
export type StreamingEndpoint = z.output<typeof streamingEndpointSchema>

/** A new streaming endpoint, Stopped. */
export function newStreamingEndpoint(
  given: z.output<typeof streamingEndpointCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<StreamingEndpoint> {
  const state = streamingEndpointMachine.initial
  const id = newId('streaming-endpoint', random)
  return { id, accountId, ...given, isDefault: false, state, desiredState: 'Stopped' }
}

/** The state of an endpoint that is deleted. @throws AppError `ENTITY_PROTECTED` for the default one; `STATE_CONFLICT`. */
export function deleteStreamingEndpoint(endpoint: Pick<StreamingEndpoint, 'isDefault' | 'state'>) {
  if (endpoint.isDefault) throw new AppError('ENTITY_PROTECTED', 'The default streaming endpoint can’t be deleted.')
  return transition(streamingEndpointMachine, endpoint.state, 'delete')
}
