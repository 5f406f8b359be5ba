import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aacConfig } from '../src/media/codecs/aac.ts'
import { avcConfig } from '../src/media/codecs/avc.ts'
import { ffmpeg } from '../test/support/ffmpeg.ts'
import { type FlvMessage, readFlvFile, writeFlvFile } from '../test/support/flv-file.ts'
import { longMovieFile } from '../test/support/long-movie.ts'
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

/** A second of the loop as a plain MP4. */
export async function fileOfOneSecond(): Promise<string> {
  const loop = await loopFile()
  const args = ['-t', '1', '-c', 'copy', '-movflags', '+faststart', '-f', 'mp4']
  return cached('second.mp4', [loop, ...args].join(' '), async (file) => void (await ffmpeg('-i', loop, ...args, file)))
}

const BYTES_PER_HOUR = 10e9 / 3
/** `ftyp`, and the head of the `mdat`. */
const LEADING_BYTES = 4_096
/** H.264, as x264 writes it of a small picture. */
const AVC = '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800'
const AAC = [0x11, 0x90]

/** A movie of hours at 60 frames a second: a header, and media that is a hole in the file. */
export async function longMovie(hours: number): Promise<string> {
  const video = avcConfig(new Uint8Array(Buffer.from(AVC, 'hex')))
  const audio = aacConfig(Uint8Array.from(AAC))
  return cached(`${hours}-hours.mp4`, 'long movie, 1', async (path) => {
    const sizeBytes = Math.floor(hours * BYTES_PER_HOUR)
    const { header, ...movie } = longMovieFile({ hours, sizeBytes, video, audio, moov: 'last' })
    const file = await open(path, 'w')
    try {
      const leading = await movie.read({ first: 0, last: LEADING_BYTES - 1 }, new AbortController().signal)
      await file.write(leading, 0, leading.byteLength, 0)
      await file.write(header, 0, header.byteLength, sizeBytes - header.byteLength)
    } finally {
      await file.close()
    }
  })
}
