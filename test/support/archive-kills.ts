import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ApiUser } from './api.ts'
import { type Encoder, ffmpeg, publishFile, run } from './ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from './headend.ts'
import { fetchBytes, fetchMedia, type ListedSegment, playingVariant, until } from './playlist.ts'

const LOCATOR = '7d1c2c1e-5a4f-4f0e-9a52-0c8f5a1b2c3d'
const SEGMENT_SECONDS = 0.5
const POLL_MS = 100
const RECONNECT_MS = 100

/** An encoder that comes back as often as it is thrown out. */
class StubbornEncoder {
  readonly #url: string
  readonly #file: string
  #current: Encoder | undefined
  #isOver = false
  readonly #done: Promise<void>

  constructor(url: string, file: string) {
    this.#url = url
    this.#file = file
    this.#done = this.#publish()
  }

  async #publish(): Promise<void> {
    while (!this.#isOver) {
      this.#current = publishFile(this.#url, this.#file, '-stream_loop', '-1')
      await this.#current.finished
      if (!this.#isOver) await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#current?.stop()
    await this.#done
  }
}

type Known = { readonly what: string; readonly discontinuitySequence: number }

/**
 * Reads one media playlist again and again as a player does, and holds it against all that it said before: no number stands for
 * something else, nothing goes back, no URL has two contents.
 */
class PlayerModel {
  readonly problems: string[] = []
  readonly #url: string
  readonly #known = new Map<number, Known>()
  readonly #digests = new Map<string, string>()
  #first = 0
  #end = 0
  #isOver = false
  #done: Promise<void> | undefined

  constructor(url: string) {
    this.#url = url
  }

  get segments(): number {
    return this.#digests.size
  }

  start(): void {
    this.#done = this.#poll()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      // The server is away half of the time.
      await this.look().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** One reading; rejects where the server does not answer. */
  async look(): Promise<readonly ListedSegment[]> {
    const { segments, mediaSequence } = await fetchMedia(this.#url)
    if (mediaSequence < this.#first) this.problems.push(`the playlist went back to ${mediaSequence}`)
    const end = mediaSequence + segments.length
    if (end < this.#end) this.problems.push(`the playlist ended at ${this.#end} and now at ${end}`)
    this.#first = Math.max(this.#first, mediaSequence)
    this.#end = Math.max(this.#end, end)
    for (const segment of segments) this.#compare(segment)
    for (const { url, gap } of segments) if (!gap && !this.#digests.has(url)) await this.#fetch(url)
    return segments
  }

  /** Every segment that was ever fetched has the content that it had. */
  async fetchAgain(): Promise<void> {
    for (const [url, digest] of this.#digests) {
      if (digestOf(await fetchBytes(url)) !== digest) this.problems.push(`${url} has another content`)
    }
  }

  #compare({ sequence, gap, url, discontinuitySequence }: ListedSegment): void {
    const what = gap ? 'gap' : url
    const known = this.#known.get(sequence)
    this.#known.set(sequence, { what, discontinuitySequence })
    if (!known) return
    if (known.what !== what) this.problems.push(`${sequence} was ${known.what} and is ${what}`)
    if (known.discontinuitySequence !== discontinuitySequence)
      this.problems.push(`${sequence} moved to another stretch`)
  }

  async #fetch(url: string): Promise<void> {
    const digest = digestOf(await fetchBytes(url))
    this.#digests.set(url, digest)
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Ports that are free now: the server is to come back on the same ones. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

export type KillReport = {
  readonly kills: number
  /** How many kills lost so many segments, by that number. */
  readonly histogram: Readonly<Record<number, number>>
  readonly problems: readonly string[]
  readonly segments: number
  /** Lines of the log that tell of an error. */
  readonly errors: readonly string[]
}

/** Segments between the last one that was kept of what came before the kill, and the kill. */
function lostBefore(segments: readonly ListedSegment[], killMs: number): number {
  let timeMs = 0
  let lost = 0
  for (const { programDateTimeMs, duration, gap } of segments) {
    timeMs = programDateTimeMs ?? timeMs
    if (timeMs >= killMs) break
    lost = gap ? lost + 1 : 0
    timeMs += duration * 1_000
  }
  return lost
}

/**
 * A recording server that is killed without warning `kills` times, each time at a random moment, with an encoder that comes back and
 * players that go on reading. What is left at the end is stopped, archived, and read as a whole.
 */
export async function killWhileRecording(kills: number, random: () => number): Promise<KillReport> {
  const dataDir = temporaryFolder()
  const file = join(dataDir, 'source.flv')
  await makeSource(file)
  const [control = 0, streaming = 0, rtmp = 0, rtmps = 0] = await freePorts(4)
  const at = (port: number) => ({ host: '127.0.0.1', port })
  const start = () =>
    startHeadend({
      dataDir,
      channel: { segmentDuration: '500ms', keyFrameInterval: '500ms' },
      program: { locatorId: LOCATOR, archiveWindow: 'unlimited', rewindWindow: '25h' },
      config: {
        listen: { control: at(control), streaming: at(streaming), rtmp: at(rtmp), rtmps: at(rtmps) },
        archive: { spanDuration: '5s' },
      },
    })
  let headend: Headend = await start()
  const encoder = new StubbornEncoder(headend.publishUrl, file)
  const errors: string[] = []
  const noteErrors = () => {
    for (const { level, msg } of headend.lines()) if (level === 'error' || level === 'fatal') errors.push(msg)
  }
  const histogram: Record<number, number> = {}
  try {
    const { url } = await playingVariant(headend.quickstart.hlsUrl, 2)
    const players = [new PlayerModel(url), new PlayerModel(url.replace('video-1', 'audio-1'))]
    const [video = new PlayerModel(url)] = players
    for (const player of players) player.start()
    for (let kill = 1; kill <= kills; kill++) {
      const before = video.segments
      await until(
        'a segment that is new',
        30_000,
        async () => video.segments,
        (count) => count > before,
      )
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000))
      const killMs = Date.now()
      await headend.kill()
      noteErrors()
      headend = await start()
      const segments = await until(
        'the playlist',
        10_000,
        () => video.look(),
        (listed) => listed.length > 0,
      )
      const lost = lostBefore(segments, killMs)
      histogram[lost] = (histogram[lost] ?? 0) + 1
    }
    await until(
      'the last stretch',
      30_000,
      async () => video.segments,
      (count) => count > kills,
    )
    for (const player of players) await player.stop()
    await encoder.stop()
    await archive(headend)
    await headend.stop()
    noteErrors()
    // What a server finds that has never heard of this recording.
    headend = await start()
    for (const player of players) {
      await until(
        'the recording',
        10_000,
        () => player.look(),
        (listed) => listed.length > 0,
      )
      await player.fetchAgain()
    }
    await readWhole(dataDir, (await playingVariant(headend.quickstart.hlsUrl, 2)).playlist.segments)
    const problems = players.flatMap((player) => player.problems)
    return { kills, histogram, problems, segments: video.segments, errors }
  } finally {
    await encoder.stop()
    await headend.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function makeSource(file: string): Promise<void> {
  const video = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=160x90:rate=24',
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=440:sample_rate=48000',
  ]
  const codecs = [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-g',
    '12',
    '-keyint_min',
    '12',
    '-sc_threshold',
    '0',
    '-c:a',
    'aac',
  ]
  await ffmpeg('-y', ...video, '-t', '10', ...codecs, '-pix_fmt', 'yuv420p', '-b:v', '100k', '-f', 'flv', file)
}

/** Stops the program and waits until all of it is in storage. */
async function archive(headend: Headend): Promise<void> {
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  const { items } = await user.ask(200, 'GET', '/v1/programs')
  const [program] = items as { id: string; assetId: string }[]
  await user.ask(202, 'POST', `/v1/programs/${program?.id}/stop`)
  const asset = () => user.ask(200, 'GET', `/v1/assets/${program?.assetId}`)
  await until('the asset', 10_000, asset, ({ state }) => state === 'Ready')
  const spool = join(headend.dataDir, 'spool')
  await until(
    'an empty spool',
    30_000,
    async () => readdirSync(spool),
    (left) => left.length === 0,
  )
}

/** The files in storage, joined, are what any tool plays, with every frame of what is listed. */
async function readWhole(dataDir: string, listed: readonly ListedSegment[]): Promise<void> {
  const files = readdirSync(join(dataDir, 'media'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join(dataDir, 'media', name),
  )
  const inits = files.filter((name) => name.endsWith('init.mp4'))
  let frames = 0
  for (const init of inits) {
    const folder = init.slice(0, -'init.mp4'.length)
    const spans = files.filter((name) => name.startsWith(folder) && name.endsWith('.cmfs'))
    const joined = join(dataDir, 'joined.mp4')
    const inOrder = spans.toSorted((a, b) => ticksOf(a) - ticksOf(b))
    writeFileSync(joined, Buffer.concat([readFileSync(init), ...inOrder.map((name) => readFileSync(name))]))
    expect(statSync(joined).size).toBeGreaterThan(1_000)
    const counted = [
      '-v',
      'error',
      '-count_frames',
      '-show_entries',
      'stream=codec_type,nb_read_frames',
      '-of',
      'json',
      joined,
    ]
    const { stdout, stderr } = await run('ffprobe', counted)
    expect(stderr).toBe('')
    const [stream] = (JSON.parse(stdout) as { streams: { codec_type: string; nb_read_frames: string }[] }).streams
    if (stream?.codec_type === 'video') frames += Number(stream.nb_read_frames)
  }
  const seconds = listed.filter(({ gap }) => !gap).reduce((sum, { duration }) => sum + duration, 0)
  expect(Math.abs(frames - seconds * 24)).toBeLessThanOrEqual(1 + listed.length * 0.01)
  expect(seconds).toBeGreaterThan(SEGMENT_SECONDS)
}

function ticksOf(name: string): number {
  return Number(/(\d+)\.cmfs$/.exec(name)?.[1])
}
