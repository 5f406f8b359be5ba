import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../lib/errors.ts'
import { encoderTable } from './encoders.ts'
import type { Ladder } from './ladder.ts'

const run = promisify(execFile)
const OLDEST = [5, 1] as const
const PROBE_TIMEOUT_MS = 15_000

/** An ffmpeg that was asked what it is. `version` is its own word for it, as in `5.1.9-0+deb12u1`. */
export type FfmpegBinary = { readonly path: string; readonly version: string; readonly encoders: ReadonlySet<string> }

/** Major and minor of `ffmpeg -version`; `undefined` for a build from the development branch, which has no number. */
export function parseFfmpegVersion(text: string): {
  readonly version: string
  readonly number?: readonly [number, number]
} {
  const version = /^ffmpeg version (\S+)/m.exec(text)?.[1] ?? 'unknown'
  const digits = /^n?(\d+)\.(\d+)/.exec(version)
  return digits ? { version, number: [Number(digits[1]), Number(digits[2])] } : { version }
}

/** The names in `ffmpeg -encoders`. */
export function parseEncoderList(text: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const match of text.matchAll(/^ [VAS][F.][S.][X.][B.][D.] ([^\s=]+)/gm)) {
    if (match[1] !== undefined) names.add(match[1])
  }
  return names
}

/**
 * Asks the ffmpeg at `path` (a file, or a name looked up in `PATH`) for its version and encoders. `FFMPEG_MISSING` where
 * it can't be run, `FFMPEG_TOO_OLD` below 5.1. A development build has no number and is taken.
 */
export async function probeFfmpeg(path: string): Promise<FfmpegBinary> {
  const ask = async (argument: string) => {
    try {
      return (await run(path, ['-hide_banner', argument], { timeout: PROBE_TIMEOUT_MS, maxBuffer: 2 ** 20 })).stdout
    } catch (cause) {
      const message = `ffmpeg can't be run as "${path}": install ffmpeg 5.1 or later, or name its file in FFMPEG_PATH`
      throw new AppError('FFMPEG_MISSING', message, { cause, details: { path } })
    }
  }
  const { version, number } = parseFfmpegVersion(await ask('-version'))
  if (number && (number[0] < OLDEST[0] || (number[0] === OLDEST[0] && number[1] < OLDEST[1]))) {
    throw new AppError('FFMPEG_TOO_OLD', `ffmpeg at "${path}" is ${version}: 5.1 or later is needed`, {
      details: { path, version },
    })
  }
  return { path, version, encoders: parseEncoderList(await ask('-encoders')) }
}

/** `LADDER_INVALID` where this ffmpeg hasn't got an encoder that the ladder asks for. */
export function checkEncoders(ladder: Ladder, binary: FfmpegBinary): void {
  const wanted = [encoderTable[ladder.videoCodec][ladder.videoEncoder].name, 'aac']
  const absent = wanted.filter((name) => !binary.encoders.has(name))
  if (absent.length === 0) return
  throw new AppError(
    'LADDER_INVALID',
    `ladder ${ladder.name} needs the encoder ${absent.join(' and ')}, which ffmpeg ${binary.version} at "${binary.path}" hasn't got`,
    { details: { ladder: ladder.name, absent } },
  )
}
