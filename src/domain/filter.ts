import { z } from 'zod'
import { durationMs } from './duration.ts'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { parseBitrateRange } from './filter-choice.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { durationSchema } from './scalars.ts'

const YEAR_MS = 366 * 86_400_000

const position = (description: string) => durationSchema(0, 100 * YEAR_MS, description, 60_000).optional()

const timeRange = z
  .strictObject({
    start: position('From the presentation’s beginning.'),
    end: position('From the presentation’s beginning; on-demand, and live only with `forceEnd`.'),
    liveBackoff: durationSchema(0, 300_000, 'How far behind the live edge.', 10_000).optional(),
    presentationWindow: durationSchema(60_000, YEAR_MS, 'How much is shown up to the end.', 600_000).optional(),
    forceEnd: z.boolean().default(false).meta({
      description: 'What is past `end` is not shown, also live: once it has come, the presentation ends there.',
    }),
  })
  .meta({ description: 'Which part of the time.' })

const condition = z
  .strictObject({
    property: z.enum(['type', 'name', 'language', 'codec', 'bitrate']),
    operation: z.enum(['equal', 'notEqual']).default('equal'),
    value: z.string().min(1).max(256).meta({ description: 'For a bitrate also a range: `0-1500000`, `3000000-`.' }),
  })
  .superRefine(({ property, value }, context) => {
    if (property === 'bitrate' && parseBitrateRange(value) === undefined) {
      context.addIssue({ code: 'custom', path: ['value'], message: 'must be a bitrate or a range such as 0-1500000' })
    }
    if (property === 'type' && !['video', 'audio', 'text'].includes(value)) {
      context.addIssue({ code: 'custom', path: ['value'], message: 'must be video, audio or text' })
    }
  })

const settings = {
  ...labels,
  timeRange: timeRange.optional(),
  tracks: z
    .array(z.array(condition).min(1).max(16))
    .max(16)
    .default([])
    .meta({ description: 'Conditions inside a list must all hold; any of the lists will do. None: every track.' }),
  firstQuality: z.int().min(1).optional().meta({ description: 'Bits per second of the first rendition listed.' }),
}

type Settings = { readonly timeRange?: z.output<typeof timeRange> | undefined }

function check({ timeRange: range }: Settings, context: z.RefinementCtx): void {
  if (range?.forceEnd && range.end === undefined) {
    context.addIssue({ code: 'custom', path: ['timeRange', 'forceEnd'], message: 'needs an end' })
  }
  if (range?.start === undefined || range.end === undefined || durationMs(range.end) > durationMs(range.start)) return
  context.addIssue({ code: 'custom', path: ['timeRange', 'end'], message: 'must be later than start' })
}

/** What a client states to make a filter of the account, or of one asset. */
export const filterCreateSchema = z
  .strictObject({
    ...settings,
    assetId: idSchema('asset').optional().meta({ description: 'If not given, for every asset of the account.' }),
  })
  .superRefine(check)
  .meta({
    id: 'FilterCreate',
    description: 'A new filter.',
    example: { name: 'mobile', tracks: [[{ property: 'bitrate', value: '0-1500000' }]] },
  })

/** What may change of a filter. */
export const filterPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'FilterPatch',
  description: 'A merge patch of a filter.',
  example: { firstQuality: 800_000 },
})

/** A filter. */
export const filterSchema = z
  .strictObject({
    ...envelope('filter'),
    ...owned,
    ...settings,
    assetId: idSchema('asset').optional(),
  })
  .superRefine(check)
  .meta({ id: 'Filter', description: 'Which part and which tracks of a presentation a player is shown.' })

/** A filter as it is stored and shown. */
export type Filter = z.output<typeof filterSchema>

/** A new filter, of the account or of an asset that it has. */
export function newFilter(
  given: z.output<typeof filterCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Filter> {
  return { id: newId('filter', random), accountId, ...given }
}
