import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ffmpeg } from '../test/support/ffmpeg.ts'
import { type FlvMessage, readFlvFile, writeFlvFile } from '../test/support/flv-file.ts'
import { repeatLoop } from './replay.ts'

/** A whole number of GOPs, and of AAC frames at 48 kHz. */
export const LOOP_MS = 16_000

/**
 * What an encoder would send: 720p30, H.264 with B-frames at about 3 Mbit/s, a key frame every two seconds, AAC 128 kbit/s.
 * The noise is what makes a synthetic picture cost its bits.
 */
const ENCODE = [
  ...['-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=30,noise=alls=18:allf=t'],
  ...['-f', 'lavfi', '-i', 'anoisesrc=amplitude=0.3:color=pink:sample_rate=48000'],
  ...['-t', String(LOOP_MS / 1_000 + 3), '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-pix_fmt', 'yuv420p'],
  ...['-g', '60', '-keyint_min', '60', '-sc_threshold', '0', '-b:v', '3000k', '-maxrate', '3000k', '-bufsize', '3000k'],
  ...['-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-f', 'flv'],
]

/** Made once for each recipe and kept in the system's temporary folder, whole or not at all. */
async function cached(name: string, recipe: string, make: (file: string) => Promise<void>): Promise<string> {
  const folder = join(tmpdir(), 'headend-load-tests')
  mkdirSync(folder, { recursive: true })
  const digest = createHash('sha256').update(recipe).digest('hex').slice(0, 12)
  const file = join(folder, `${digest}-${name}`)
  if (existsSync(file)) return file
  const unfinished = join(folder, `${digest}-${process.pid}-${name}`)
  await make(unfinished)
  renameSync(unfinished, file)
  return file
}

/** The path of an FLV file that is longer than `LOOP_MS` by more than a GOP, so that so much of it can be played in a loop. */
export function loopFile(): Promise<string> {
  return cached('loop.flv', ENCODE.join(' '), async (file) => void (await ffmpeg(...ENCODE, file)))
}

export function readLoop(file: string): FlvMessage[] {
  return readFlvFile(readFileSync(file))
}

/** The loop often enough for `seconds`, as one FLV file with running timestamps. */
export async function longFile(seconds: number): Promise<string> {
  const loop = await loopFile()
  const times = Math.ceil((seconds * 1_000) / LOOP_MS)
  return cached(`${times}-loops.flv`, ENCODE.join(' '), async (file) => {
    writeFileSync(file, writeFlvFile(repeatLoop(readLoop(loop), LOOP_MS, times)))
  })
}

/** The same as fragmented MP4 with a fragment for each frame, as the live transcoder's children are fed. */
export async function fragmentedFile(flvFile: string): Promise<string> {
  const flags = ['-movflags', '+frag_every_frame+empty_moov+default_base_moof+skip_sidx', '-use_editlist', '0']
  const args = ['-copyts', '-c', 'copy', '-video_track_timescale', '90000', '-f', 'mp4', ...flags]
  return cached('fragmented.mp4', [flvFile, ...args].join(' '), async (file) => {
    await ffmpeg('-i', flvFile, ...args, '-avoid_negative_ts', 'disabled', file)
  })
}

/** The same as a plain MP4, its index in front. */
export async function plainFile(flvFile: string): Promise<string> {
  const args = ['-c', 'copy', '-movflags', '+faststart', '-f', 'mp4']
  return cached('plain.mp4', [flvFile, ...args].join(' '), async (file) => {
    await ffmpeg('-i', flvFile, ...args, file)
  })
}
