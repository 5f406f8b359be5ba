import { z } from 'zod'
import { type Draft, envelope, labels, lastErrorSchema, operationIdSchema, owned } from './envelope.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { addressListSchema, durationSchema, hostNameSchema, nameSchema, originSchema } from './scalars.ts'
import { defineMachine } from './state-machine.ts'
import { fieldError } from './validation.ts'

/** The life of a streaming endpoint. */
export const streamingEndpointMachine = defineMachine({
  kind: 'streaming endpoint',
  states: ['Stopped', 'Starting', 'Running', 'Stopping', 'Scaling'],
  initial: 'Stopped',
  operations: {
    start: { from: ['Stopped'], to: 'Starting' },
    stop: { from: ['Starting', 'Running', 'Scaling'], to: 'Stopping' },
    scale: { from: ['Running', 'Scaling'], to: 'Scaling' },
    update: { from: ['Stopped', 'Starting', 'Running', 'Stopping', 'Scaling'], to: 'unchanged' },
  },
  outcomes: {
    Starting: { completed: 'Running', failed: 'Stopped' },
    Running: { failed: 'Starting' },
    Stopping: { completed: 'Stopped', failed: 'Stopped' },
    Scaling: { completed: 'Running', failed: 'Running' },
  },
})

const YEAR_MS = 365 * 86_400_000
/** 365 days, as long as what never changes may be kept at most by custom. */
const DEFAULT_CACHE_AGE = 'PT8760H'

const settings = {
  ...labels,
  hostNames: z.array(hostNameSchema).max(64).default([]).meta({
    description:
      'Hosts under which it answers for the account; none: under any that no other endpoint of the account has.',
  }),
  maxCacheAge: durationSchema(0, YEAR_MS, 'How long caches outside may keep anything at most.', 600_000).default(
    DEFAULT_CACHE_AGE,
  ),
  allowIp: addressListSchema.default([]).meta({ description: 'Who may watch; empty: anybody.' }),
  cors: z
    .strictObject({ allowedOrigins: z.array(originSchema).max(64) })
    .optional()
    .meta({ description: 'Pages that may play it; if not given, every page.' }),
}

const keyName = { name: nameSchema }
const keySecret = z
  .string()
  .regex(/^[A-Za-z0-9+/=_-]{16,256}$/, 'must be 16 to 256 characters of base64')
  .meta({ description: 'What URLs are signed with (HMAC-SHA-256), as UTF-8 text. Never shown.' })
const MAX_SIGNING_KEYS = 4
const aboutKeys = 'Where there are any, it answers only for URLs that one of them has signed and that have not expired.'

/** What may change of a streaming endpoint. A signing key that is named without its secret keeps the one it has. */
export const streamingEndpointPatchSchema = patchOf(
  z.strictObject({
    ...settings,
    signedUrlKeys: z
      .array(z.strictObject({ ...keyName, secret: keySecret.optional() }))
      .max(MAX_SIGNING_KEYS)
      .optional()
      .meta({ description: `${aboutKeys} Name a key without its secret to keep it.` }),
  }),
).meta({
  id: 'StreamingEndpointPatch',
  description: 'A merge patch of a streaming endpoint.',
  example: { description: 'Viewers in Europe', maxCacheAge: 'PT10M' },
})

const MAX_SCALE_UNITS = 64
const scaleUnits = z.int().min(0).max(MAX_SCALE_UNITS)

/** How many threads an endpoint asks for. */
export const scaleSchema = z
  .strictObject({ scaleUnits: scaleUnits.meta({ description: 'Threads; 0: all that the node has for it.' }) })
  .meta({ id: 'Scale', example: { scaleUnits: 2 } })

const shown = {
  ...envelope('streaming-endpoint'),
  ...owned,
  ...settings,
  scaleUnits: scaleUnits.default(0).meta({
    description:
      'Threads that it asks for; 0: all that the node has for it. All endpoints share the threads: as many as those that run ask for together, within what the node has (`origin.threads`).',
  }),
  isDefault: z.boolean().meta({ description: 'Made with the account.' }),
  state: z.enum(streamingEndpointMachine.states),
  desiredState: z.enum(['Running', 'Stopped']).meta({ description: 'What it is meant to be.' }),
  operationId: operationIdSchema,
  lastError: lastErrorSchema.optional(),
}

/** A streaming endpoint as it is stored. */
export const streamingEndpointSchema = z.strictObject({
  ...shown,
  signedUrlKeys: z
    .array(z.strictObject({ ...keyName, secret: keySecret }))
    .max(MAX_SIGNING_KEYS)
    .refine((keys) => new Set(keys.map(({ name }) => name)).size === keys.length, 'each key has a name of its own')
    .default([]),
})

/** A streaming endpoint as it is shown: without secrets. */
export const streamingEndpointViewSchema = z
  .strictObject({
    ...shown,
    signedUrlKeys: z.array(z.strictObject(keyName)).meta({ description: aboutKeys }),
  })
  .meta({ id: 'StreamingEndpoint', description: 'Packages and serves what locators publish, while it is Running.' })

/** A streaming endpoint as it is stored. */
export type StreamingEndpoint = z.output<typeof streamingEndpointSchema>

/** A streaming endpoint without its secrets. */
export function showStreamingEndpoint(endpoint: StreamingEndpoint): z.output<typeof streamingEndpointViewSchema> {
  return { ...endpoint, signedUrlKeys: endpoint.signedUrlKeys.map(({ name }) => ({ name })) }
}

/**
 * A patch with the secrets of the signing keys that it names alone.
 *
 * @throws AppError `ENTITY_INVALID` for a key that there is none of.
 */
export function withSigningSecrets(
  patch: z.output<typeof streamingEndpointPatchSchema>,
  { signedUrlKeys: known }: Pick<StreamingEndpoint, 'signedUrlKeys'>,
): z.output<typeof streamingEndpointPatchSchema> {
  if (!patch.signedUrlKeys) return patch
  const signedUrlKeys = patch.signedUrlKeys.map(({ name, secret }, at) => {
    const kept = secret ?? known.find((key) => key.name === name)?.secret
    if (kept !== undefined) return { name, secret: kept }
    throw fieldError('ENTITY_INVALID', [{ pointer: `/signedUrlKeys/${at}/secret`, detail: 'a new key needs a secret' }])
  })
  return { ...patch, signedUrlKeys }
}

/** The streaming endpoint that an account is made with: Stopped, and meant to run. */
export function defaultStreamingEndpoint(accountId: Id<'account'>, random: RandomBytes): Draft<StreamingEndpoint> {
  return {
    id: newId('streaming-endpoint', random),
    accountId,
    name: 'default',
    tags: {},
    hostNames: [],
    maxCacheAge: DEFAULT_CACHE_AGE,
    allowIp: [],
    signedUrlKeys: [],
    scaleUnits: 0,
    isDefault: true,
    state: streamingEndpointMachine.initial,
    desiredState: 'Running',
  }
}
