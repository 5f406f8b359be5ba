import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { FfmpegBinary } from './ffmpeg-probe.ts'
import { type SpawnedProcess, type SpawnPort, spawnProcess } from './spawn-port.ts'
import { StderrTail } from './stderr-tail.ts'

/** The descriptor that the arguments of `runFfmpeg` name as output: `pipe:3`. */
export const OUTPUT_FD = 3

/** What ffmpeg is run with, to its end. */
export type FfmpegRun = {
  readonly ffmpeg: Pick<FfmpegBinary, 'path'>
  readonly args: readonly string[]
  /** Given on `pipe:0`; absent: nothing is. */
  readonly input: Uint8Array | undefined
  readonly limitMs: number
  readonly maxBytes: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly spawn?: SpawnPort | undefined
}

/**
 * Runs ffmpeg over an input that is at hand and gives what it writes to `pipe:3`. When this settles the child is gone.
 *
 * @throws AppError `FFMPEG_MISSING`; `FFMPEG_CRASHED` where it fails, takes longer than `limitMs` or writes more than `maxBytes`;
 * the signal's reason
 */
export async function runFfmpeg(run: FfmpegRun): Promise<Uint8Array> {
  const { ffmpeg, args, input, limitMs, maxBytes, clock, signal, spawn = spawnProcess } = run
  signal.throwIfAborted()
  const child = spawn(ffmpeg.path, args, 1)
  const kill = () => child.signalGroup('SIGKILL')
  const timer = clock.after(limitMs, kill)
  signal.addEventListener('abort', kill, { once: true })
  const stderr = new StderrTail()
  child.stderr.on('data', (chunk: Uint8Array) => stderr.push(chunk, clock.monotonicMs()))
  // EPIPE: how it ended says what there is to say.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  try {
    const bytes = await collected(child, maxBytes)
    const end = await child.ended
    signal.throwIfAborted()
    if (end.error) {
      const message = `ffmpeg can't be run as "${ffmpeg.path}": ${messageOf(end.error)}`
      throw new AppError('FFMPEG_MISSING', message, { cause: end.error })
    }
    if (end.code === 0) return bytes
    const words = stderr.lines().at(-1) ?? 'it said nothing'
    throw new AppError('FFMPEG_CRASHED', `ffmpeg failed (${end.signal ?? `code ${end.code}`}): ${words}`)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', kill)
    kill()
    await child.ended
  }
}

async function collected({ pipes }: SpawnedProcess, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of pipes[0] ?? []) {
    sizeBytes += (chunk as Uint8Array).byteLength
    if (sizeBytes > maxBytes) throw new AppError('FFMPEG_CRASHED', `ffmpeg wrote more than ${maxBytes} bytes.`)
    chunks.push(chunk as Uint8Array)
  }
  return Buffer.concat(chunks)
}
