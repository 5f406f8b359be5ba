import { z } from 'zod'
import { type Draft, envelope, labels, lastErrorSchema, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { nameSchema } from './scalars.ts'
import { defineMachine } from './state-machine.ts'

/** The life of a media stream. An upload is open while it is Idle, and becomes media when it is complete. */
export const mediaStreamMachine = defineMachine({
  kind: 'media stream',
  states: ['Idle', 'Live', 'Processing', 'OnDemand', 'Deleted'],
  initial: 'Idle',
  operations: {
    ingestAsset: { from: ['Idle'], to: 'Processing' },
    startUpload: { from: ['Idle'], to: 'unchanged' },
    completeUpload: { from: ['Idle'], to: 'Processing' },
    startRtmpIngest: { from: ['Idle'], to: 'Live' },
    stopRtmpIngest: { from: ['Live'], to: 'Processing' },
    update: { from: ['Idle', 'Live', 'Processing', 'OnDemand'], to: 'unchanged' },
    delete: { from: ['Idle', 'OnDemand'], to: 'Deleted' },
  },
  outcomes: {
    Live: { failed: 'Idle' },
    Processing: { completed: 'OnDemand', failed: 'Idle' },
  },
})

const output = z.strictObject({
  enabled: z.boolean().default(true),
  protection: idSchema('delivery-policy').optional(),
  overlay: z
    .strictObject({ assetId: idSchema('asset'), fileName: z.string().min(1).max(260) })
    .optional()
    .meta({ description: 'A picture laid over the video.' }),
  relay: z
    .strictObject({
      url: z
        .string()
        .max(2_048)
        .regex(/^rtmps?:\/\/[^\s]+$/, 'must be an rtmp or rtmps URL'),
    })
    .optional()
    .meta({ description: 'Where it is sent on to.' }),
})

const settings = {
  ...labels,
  outputs: z
    .record(nameSchema, output)
    .refine((outputs) => Object.keys(outputs).length <= 16, 'there may be at most 16 outputs')
    .default({}),
}

/** What a client states to make a media stream. */
export const mediaStreamCreateSchema = z.strictObject(settings).meta({
  id: 'MediaStreamCreate',
  description: 'A new media stream, Idle.',
  example: { name: 'trailer', outputs: { main: { enabled: true } } },
})

/** What may change of a media stream. */
export const mediaStreamPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'MediaStreamPatch',
  description: 'A merge patch of a media stream; `null` removes an output.',
  example: { outputs: { main: { enabled: false } } },
})

/** A media stream: one thing to be streamed, whether it comes live, as a file or from an asset. */
export const mediaStreamSchema = z
  .strictObject({
    ...envelope('media-stream'),
    ...owned,
    ...settings,
    assetId: idSchema('asset').optional().meta({ description: 'Where its media is kept.' }),
    streamState: z.enum(mediaStreamMachine.states).exclude(['Deleted']),
    lastError: lastErrorSchema.optional(),
  })
  .meta({ id: 'MediaStream', description: 'One thing to be streamed, whether live, a file or an asset.' })

/** A media stream as it is stored and shown. */
export type MediaStream = z.output<typeof mediaStreamSchema>

/** A new media stream, Idle. */
export function newMediaStream(
  given: z.output<typeof mediaStreamCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<MediaStream> {
  const streamState = mediaStreamMachine.initial
  return { id: newId('media-stream', random), accountId, ...given, streamState }
}
