import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../lib/errors.ts'
import { encoderTable } from './encoders.ts'

const evenPixels = z.int().min(16).max(8192).multipleOf(2)

const rungSchema = z.strictObject({
  /** The box the picture is fitted into, for a landscape source; turned on its side for a portrait one. */
  width: evenPixels,
  height: evenPixels,
  /** Average rate, in units of 1000 bit/s. */
  bitrateKbps: z.int().min(20).max(200_000),
  /** Highest rate over the length of the rate buffer; 1.2 times the average where it is left out. */
  maxrateKbps: z.int().min(20).max(400_000).optional(),
  /** Rate buffer (VBV); a quarter of the key-frame grid at `maxrateKbps` where it is left out. */
  bufsizeKbps: z.int().min(10).max(800_000).optional(),
})

const audioSchema = z.strictObject({
  bitrateKbps: z.int().min(16).max(512).default(128),
  /** One rate and one layout whatever the source sends, so that no change of source changes the rendition. */
  sampleRateHz: z.union([z.literal(48_000), z.literal(44_100)]).default(48_000),
  channels: z.union([z.literal(1), z.literal(2)]).default(2),
})

/** A ladder: what a channel's renditions are encoded to, from the best picture to the smallest. */
export const ladderSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and hyphens, at most 32'),
    videoCodec: z.enum(['avc', 'hevc', 'av1']).default('avc'),
    videoEncoder: z.enum(['software', 'nvenc', 'qsv', 'vaapi']).default('software'),
    /** The render node of `vaapi` and `qsv`. */
    device: z.string().startsWith('/dev/').optional(),
    /** One of the encoder's own presets; the encoder's own choice where it is left out. */
    preset: z.string().optional(),
    bFrames: z.int().min(0).max(8).default(2),
    /** Frames the encoder may look ahead; each adds its duration to the latency. */
    lookaheadFrames: z.int().min(0).max(120).default(0),
    /** Trades picture quality for about 100 ms of latency (software encoders). */
    zeroLatency: z.boolean().default(false),
    rungs: z.array(rungSchema).min(1).max(12),
    audio: audioSchema.prefault({}),
  })
  .superRefine((ladder, context) => {
    const encoder = encoderTable[ladder.videoCodec][ladder.videoEncoder]
    if (ladder.preset !== undefined && !encoder.presets.includes(ladder.preset)) {
      const known = encoder.presets.length === 0 ? 'no preset' : encoder.presets.join(', ')
      context.addIssue({ code: 'custom', path: ['preset'], message: `${encoder.name} knows ${known}` })
    }
    for (const [index, rung] of ladder.rungs.entries()) {
      const above = ladder.rungs[index - 1]
      if (rung.maxrateKbps !== undefined && rung.maxrateKbps < rung.bitrateKbps) {
        context.addIssue({ code: 'custom', path: ['rungs', index, 'maxrateKbps'], message: 'below bitrateKbps' })
      }
      if (above && rung.bitrateKbps >= above.bitrateKbps) {
        context.addIssue({ code: 'custom', path: ['rungs', index, 'bitrateKbps'], message: 'not below the rung above' })
      }
      if (above && (rung.width > above.width || rung.height > above.height)) {
        context.addIssue({ code: 'custom', path: ['rungs', index], message: 'larger than the rung above' })
      }
    }
  })
  .readonly()

/** A valid ladder, every default filled in. */
export type Ladder = z.infer<typeof ladderSchema>
/** One picture of a ladder. */
export type Rung = Ladder['rungs'][number]

/** A ladder from what a file or the configuration holds. `LADDER_INVALID` names every problem at once by its key path. */
export function parseLadder(value: unknown, origin: string): Ladder {
  const result = ladderSchema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map(
    (issue) => `${issue.path.length === 0 ? '(ladder)' : issue.path.join('.')}: ${issue.message}`,
  )
  throw new AppError('LADDER_INVALID', `ladder ${origin} is not valid: ${problems.join('; ')}`, {
    details: { origin, problems },
  })
}

/** A ladder from YAML text. `LADDER_INVALID` where the text or the ladder isn't valid. */
export function parseLadderYaml(text: string, origin: string): Ladder {
  let value: unknown
  try {
    value = parse(text)
  } catch (cause) {
    throw new AppError('LADDER_INVALID', `ladder ${origin} is not YAML: ${messageOf(cause)}`, { cause })
  }
  return parseLadder(value, origin)
}

/**
 * A ladder by its name: `720p` is `720p.yaml` in the first of the folders that has one.
 *
 * @throws AppError `LADDER_INVALID` where none has it, or it can't be read
 */
export async function loadLadder(name: string, folders: readonly string[]): Promise<Ladder> {
  for (const folder of folders) {
    const text = await readIfThere(join(folder, `${name}.yaml`))
    if (text !== undefined) return parseLadderYaml(text, name)
  }
  throw new AppError('LADDER_INVALID', `there is no ladder ${name}: no ${name}.yaml in ${folders.join(' or ')}`)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new AppError('LADDER_INVALID', `ladder ${path} can't be read: ${messageOf(cause)}`, { cause })
  }
}
