import { readFileSync } from 'node:fs'
import { type Encoder, ffmpeg, publishFile, run } from './ffmpeg.ts'
import { readFlvFile } from './flv-file.ts'
import type { Headend, LogLine } from './headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, type ListedSegment } from './playlist.ts'
import {
  brokenAggregate,
  fatalAttacks,
  type HostileAttack,
  type HostileTarget,
  mediaWithoutPublish,
  oneByteAtATime,
  randomBytesAtEveryStage,
  wholePublish,
} from './rtmp-hostile.ts'
import { until } from './until.ts'

/** Asks the server's own runtime to collect all garbage, by the inspector that it was started with (`--inspect=0`). */
export async function collectGarbage(headend: Headend): Promise<void> {
  const url = /Debugger listening on (ws:\S+)/.exec(headend.output())?.[1]
  if (!url) throw new Error('the server was started without --inspect=0')
  const socket = new WebSocket(url)
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true })
      socket.addEventListener('error', reject, { once: true })
    })
    for (const id of [1, 2]) {
      const answered = new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }))
      socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
      await answered
    }
  } finally {
    socket.close()
  }
}

/** Resident memory of a process, in bytes, as the kernel counts it. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1_024
}

/** An attack, how many connections it opens, and the offence that each of them is to be named for. */
export type Assault = { readonly attack: HostileAttack; readonly connections: number; readonly offence: string }

function fatal(name: string, offence: string, connections = 1): Assault {
  const attack = fatalAttacks[name]
  if (!attack) throw new Error(`there is no attack ${name}`)
  return { attack, connections, offence }
}

/** Every hostile input with the one name that it is to have in the log. (An empty video message has none: encoders send it to keep alive.) */
export const assaults: Readonly<Record<string, Assault>> = {
  emptySetChunkSize: fatal('emptySetChunkSize', 'control'),
  chunkSizeZero: fatal('chunkSizeZero', 'control'),
  chunkSizeAllOnes: fatal('chunkSizeAllOnes', 'control'),
  connectWithoutTcUrl: fatal('connectWithoutTcUrl', 'command'),
  connectWithNullObject: fatal('connectWithNullObject', 'command'),
  publishWithoutName: fatal('publishWithoutName', 'command', 3),
  unknownAmfType: fatal('unknownAmfType', 'command', 4),
  deepAmf: fatal('deepAmf', 'command', 3),
  announceMuch: fatal('announceMuch', 'message-size'),
  announceMuchPublished: fatal('announceMuchPublished', 'message-size'),
  announceLessPublished: fatal('announceLessPublished', 'chunk-streams'),
  playerThatInjects: fatal('playerThatInjects', 'command'),
  brokenAggregate: { attack: brokenAggregate, connections: 1, offence: 'aggregate' },
  mediaWithoutPublish: { attack: mediaWithoutPublish, connections: 1, offence: 'stray-media' },
}

/** Lines that name an offence. */
export function offences(lines: readonly LogLine[]): LogLine[] {
  return lines.filter(({ msg }) => msg === 'rtmp offence')
}

/** Random bytes at every stage by each of the seeds, and a good publish that comes byte by byte. */
export async function harass(target: HostileTarget, file: string, seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) await randomBytesAtEveryStage(target, seed)
  const messages = readFlvFile(readFileSync(file))
    .slice(0, 8)
    .map(({ messageType, timestampMs, payload }) => ({ type: messageType, timestampMs, payload }))
  await oneByteAtATime(target, wholePublish(target, messages))
}

/** What a stream consists of: the hash of every coded frame, in order. */
export async function frameHashes(file: string, stream: 'v' | 'a'): Promise<string[]> {
  const filter = stream === 'v' ? ['-bsf:v', 'h264_mp4toannexb'] : []
  const args = ['-v', 'error', '-i', file, '-map', `0:${stream}`, '-c', 'copy', ...filter, '-f', 'framemd5', '-']
  const { code, stdout, stderr } = await run('ffmpeg', args)
  if (code !== 0) throw new Error(stderr)
  const lines = stdout.split('\n').filter((line) => /^\d/.test(line))
  return lines.map((line) => line.split(',')[5]?.trim() ?? '')
}

/** Makes a file of moving numbers and a tone, H.264 with B-frames and AAC. */
export function makeSource(file: string, seconds: number): Promise<string> {
  return ffmpeg(
    ...['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0'],
    ...['-pix_fmt', 'yuv420p', '-b:v', '400k', '-c:a', 'aac', '-ac', '2', '-b:a', '64k', file],
  )
}

/** A good encoder and a viewer that keeps every segment as it comes. */
export class GoodStream {
  readonly encoder: Encoder
  readonly #hlsUrl: string
  readonly #segments = { v: new Map<string, Uint8Array>(), a: new Map<string, Uint8Array>() }
  readonly #inits = { v: '', a: '' }
  readonly #watched: Promise<void>
  #over = false

  constructor(publishUrl: string, hlsUrl: string, file: string) {
    this.#hlsUrl = hlsUrl
    this.encoder = publishFile(publishUrl, file)
    this.#watched = this.#watch()
  }

  /** Resolves when a segment of each kind has come. */
  async playing(): Promise<void> {
    const isPlaying = () => this.#segments.v.size > 0 && this.#segments.a.size > 0
    await until(isPlaying, 30_000, () => this.#pause())
  }

  /** Waits for the encoder to come to its end and for the viewer to have seen `seconds`; gives what the viewer has. */
  async collected(seconds: number): Promise<{ readonly v: Uint8Array; readonly a: Uint8Array }> {
    await this.encoder.finished
    const endMs = performance.now() + 20_000
    while ((await this.#listedSeconds()) < seconds - 0.1 && performance.now() < endMs) await this.#pause()
    this.#over = true
    await this.#watched
    await this.#look()
    const joined = async (kind: 'v' | 'a') =>
      Buffer.concat([await fetchBytes(this.#inits[kind]), ...this.#segments[kind].values()])
    return { v: await joined('v'), a: await joined('a') }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 250))
  }

  async #watch(): Promise<void> {
    while (!this.#over) {
      await this.#look()
      await this.#pause()
    }
  }

  async #playlists(): Promise<{ readonly v: readonly ListedSegment[]; readonly a: readonly ListedSegment[] }> {
    const master = await fetchMaster(this.#hlsUrl)
    const of = async (url: string | undefined) => (await fetchMedia(url ?? '')).segments.filter(({ gap }) => !gap)
    return { v: await of(master.variants[0]?.url), a: await of(master.audio[0]) }
  }

  async #listedSeconds(): Promise<number> {
    const { v, a } = await this.#playlists()
    const seconds = [v, a].map((list) => list.reduce((sum, { duration }) => sum + duration, 0))
    return Math.min(...seconds)
  }

  async #look(): Promise<void> {
    // Before the first segment there is no playlist yet.
    const lists = await this.#playlists().catch(() => ({ v: [], a: [] }))
    for (const kind of ['v', 'a'] as const) {
      for (const { url, initUrl } of lists[kind]) {
        this.#inits[kind] = initUrl ?? ''
        if (!this.#segments[kind].has(url)) this.#segments[kind].set(url, await fetchBytes(url))
      }
    }
  }
}
