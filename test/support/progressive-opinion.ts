import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createFile, type ISOFile, type Movie, MP4BoxBuffer } from 'mp4box'
import { expect, vi } from 'vitest'

/** What ffprobe, ffmpeg and mp4box.js make of a file; none of them was written here. */

export type OpinionPacket = {
  readonly stream_index: number
  readonly pts: number
  readonly dts: number
  readonly duration?: number
  readonly flags: string
  readonly pos: string
  readonly data_hash: string
}
export type OpinionStream = {
  readonly codec_type: string
  readonly time_base: string
  readonly start_time: string
  readonly duration: string
  readonly nb_frames: string
}

/** Streams and packets; anything that ffprobe warns about fails the test. */
export function probe(
  path: string,
  ...args: readonly string[]
): { packets: OpinionPacket[]; streams: OpinionStream[] } {
  const fields =
    'packet=stream_index,pts,dts,duration,flags,pos,data_hash:stream=codec_type,time_base,start_time,duration,nb_frames'
  const all = ['-v', 'warning', ...args, '-show_data_hash', 'md5', '-show_entries', fields, '-of', 'json', path]
  const run = spawnSync('ffprobe', all, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  return JSON.parse(run.stdout) as { packets: OpinionPacket[]; streams: OpinionStream[] }
}

/** Times and checksums of all decoded frames of a stream: `a` or `v`, or both. */
export function frames(path: string, stream: string, ...args: readonly string[]): { time: number; sum: string }[] {
  const all = [
    '-v',
    'warning',
    ...args,
    '-i',
    path,
    '-map',
    `0:${stream}`,
    '-fps_mode',
    'passthrough',
    '-f',
    'framemd5',
    '-',
  ]
  const run = spawnSync('ffmpeg', all, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  expect(run.stderr).toBe('')
  const base = /^#tb 0: (\d+)\/(\d+)$/m.exec(run.stdout)
  const tick = Number(base?.[1]) / Number(base?.[2])
  return run.stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const fields = line.split(',').map((field) => field.trim())
      return { time: Number(fields[2]) * tick, sum: fields.at(-1) ?? '' }
    })
}

/** What mp4box.js finds in it; anything that it complains of fails the test. */
export function mp4boxReading(path: string): { file: ISOFile; info: Movie } {
  const errors: string[] = []
  const log = vi.spyOn(console, 'error').mockImplementation((...words: unknown[]) => void errors.push(words.join(' ')))
  const file: ISOFile = createFile()
  file.onError = (module: string, message: string) => errors.push(`${module}: ${message}`)
  const bytes = new Uint8Array(readFileSync(path))
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0), true)
  file.flush()
  log.mockRestore()
  expect(errors).toEqual([])
  return { file, info: file.getInfo() }
}
