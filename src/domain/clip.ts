import { z } from 'zod'
import { durationMs, parseDuration } from './duration.ts'
import { labels } from './envelope.ts'
import { idSchema } from './kinds.ts'
import { durationSchema, timestampSchema } from './scalars.ts'

const time = (description: string) =>
  z
    .union(
      [timestampSchema, durationSchema(0, Number.MAX_SAFE_INTEGER, description, 90_000)],
      'must be a time such as 2026-11-02T20:15:00Z, or a duration from the start such as PT1M30S',
    )
    .meta({ description, example: 'PT1M30S' })

const range = {
  from: time('Where it begins: a time of the recording’s wall clock, or how long after its start.').default('PT0S'),
  to: time(
    'Where it ends: a time of the recording’s wall clock, or how long after its start. As far as there is, if not given.',
  ).optional(),
  exact: z.enum(['segment', 'gop', 'frame']).default('gop').meta({
    description:
      'How exact: `segment` takes whole segments and costs least, `gop` begins and ends at the key frames around, `frame` at the very pictures, for which those up to the next key frame are encoded anew. Nothing that was asked for is missing.',
  }),
}

type Range = { readonly from: string; readonly to?: string | undefined }

/** Times of one kind can be held against each other before the recording is looked at. */
function check(value: Range, context: z.RefinementCtx): void {
  const { from, to } = value
  if (to === undefined) return
  const offsets = [parseDuration(from), parseDuration(to)]
  const [start, end] = offsets.every((offset) => offset === undefined) ? [Date.parse(from), Date.parse(to)] : offsets
  if (start === undefined || end === undefined || end > start) return
  context.addIssue({ code: 'custom', path: ['to'], message: 'must be later than from' })
}

/** What a client states to have a clip made. */
export const clipCreateSchema = z
  .strictObject({
    ...labels,
    ...range,
    storageAccountId: idSchema('storage-account').optional().meta({ description: 'The recording’s if not given.' }),
  })
  .superRefine(check)
  .meta({
    id: 'ClipCreate',
    description: 'A clip of a recording: a new asset.',
    example: { name: 'goal', from: '2026-11-02T20:15:00Z', to: '2026-11-02T20:15:40Z' },
  })

/** Of which asset a clip was made, and from where to where. */
export const clipSchema = z.strictObject({ ...range, assetId: idSchema('asset') }).meta({
  description: 'What it was cut from. That asset may be gone by now.',
})

/** Of which asset a clip was made, and from where to where. */
export type ClipOrigin = z.output<typeof clipSchema>

/** The operation that makes a clip; its subject is the new asset. */
export const CLIP_ACTION = 'asset.clip'

/** A time of a clip that a schema has let through: ms since the epoch, or from the recording's start. */
export function clipTime(text: string): { readonly wallMs: number } | { readonly offsetMs: number } {
  return parseDuration(text) === undefined ? { wallMs: Date.parse(text) } : { offsetMs: durationMs(text) }
}
