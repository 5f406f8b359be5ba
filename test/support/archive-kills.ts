import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ApiUser } from './api.ts'
import { type Encoder, ffmpeg, publishFile, run } from './ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from './headend.ts'
import { PlayerModel } from './player-model.ts'
import { fetchBytes, type ListedSegment, playingVariant, until } from './playlist.ts'

const LOCATOR = '7d1c2c1e-5a4f-4f0e-9a52-0c8f5a1b2c3d'
const RATE = 24
const SOURCE_SECONDS = 12
/** A frame of AAC. */
const LONGEST_STAND_SECONDS = 1_024 / 48_000
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

/** How a recording is made. */
export type RecordingRun = {
  readonly kills: number
  /** How long it goes on after the last kill. */
  readonly seconds?: number
  readonly segmentMs?: number
  readonly encryption?: 'none' | 'aes256'
  /** Goes over the server's configuration. */
  readonly config?: Readonly<Record<string, unknown>>
  /** What a storage account is made of that is to be the default one; without it the one that is there. */
  readonly storage?: Readonly<Record<string, unknown>>
  /** Looks at what is in storage and on the disk in the end. */
  readonly inspect?: (dataDir: string) => Promise<void>
  readonly random?: () => number
}

/**
 * A recording server that is killed without warning `kills` times, each time at a random moment, with an encoder that comes back and
 * players that go on reading. What is left at the end is stopped, archived, and read as a whole.
 */
export async function recordOverKills(run: RecordingRun): Promise<KillReport> {
  const { kills, seconds = 0, segmentMs = 500, random = Math.random } = run
  const dataDir = temporaryFolder()
  const file = join(dataDir, 'source.flv')
  await makeSource(file, segmentMs)
  const [control = 0, streaming = 0, rtmp = 0, rtmps = 0] = await freePorts(4)
  const at = (port: number) => ({ host: '127.0.0.1', port })
  const start = () =>
    startHeadend({
      dataDir,
      config: {
        listen: { control: at(control), streaming: at(streaming), rtmp: at(rtmp), rtmps: at(rtmps) },
        archive: { spanDuration: '5s' },
        bootstrap: {},
        ...run.config,
      },
    })
  let headend: Headend = await start()
  const errors: string[] = []
  const noteErrors = () => {
    for (const { level, msg } of headend.lines()) if (level === 'error' || level === 'fatal') errors.push(msg)
  }
  const histogram: Record<number, number> = {}
  let encoder: StubbornEncoder | undefined
  try {
    const live = await goLive(headend, run, segmentMs)
    encoder = new StubbornEncoder(`${headend.quickstart.rtmpUrl}/${live.streamKey}`, file)
    const hlsUrl = `http://127.0.0.1:${streaming}/${LOCATOR}/index.m3u8`
    const { url } = await playingVariant(hlsUrl, 2)
    const players = [new PlayerModel(url), new PlayerModel(url.replace('video-1', 'audio-1'))]
    const [video = new PlayerModel(url)] = players
    const newSegment = async (count: number) => {
      const before = video.segments
      await until(
        'segments that are new',
        30_000 + count * segmentMs * 2,
        async () => video.segments,
        (now) => now >= before + count,
      )
    }
    for (const player of players) player.start()
    for (let kill = 1; kill <= kills; kill++) {
      await newSegment(1)
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000))
      const killMs = Date.now()
      await headend.kill()
      noteErrors()
      headend = await start()
      const listed = await until(
        'the playlist',
        10_000,
        () => video.look(),
        (segments) => segments.length > 0,
      )
      const lost = lostBefore(listed, killMs)
      histogram[lost] = (histogram[lost] ?? 0) + 1
    }
    await newSegment(Math.max(2, Math.ceil((seconds * 1_000) / segmentMs)))
    await encoder.stop()
    await archive(headend, live.programId, live.assetId)
    for (const player of players) await player.stop()
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
    for (const player of players) await playWhole(dataDir, player)
    await run.inspect?.(dataDir)
    const problems = players.flatMap((player) => player.problems)
    return { kills, histogram, problems, segments: video.segments, errors }
  } finally {
    await encoder?.stop()
    await headend.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** A channel that runs, and on it a program that records into the storage that was asked for. */
async function goLive(headend: Headend, { storage, encryption = 'none' }: RecordingRun, segmentMs: number) {
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  if (storage) await user.ask(201, 'POST', '/v1/storage-accounts', { ...storage, isDefault: true })
  const seconds = `PT${segmentMs / 1_000}S`
  const input = { keyFrameInterval: seconds }
  const given = { name: 'main', input, output: { segmentDuration: seconds } }
  const channel = await user.ask(201, 'POST', '/v1/channels', given)
  const channelId = String(channel['id'])
  await user.operate('POST', `/v1/channels/${channelId}/start`)
  const windows = { archiveWindow: 'unlimited', rewindWindow: 'PT25H' }
  const program = await user.ask(201, 'POST', '/v1/programs', {
    name: 'main',
    channelId,
    ...windows,
    storageEncryption: encryption,
  })
  const [programId, assetId] = [String(program['id']), String(program['assetId'])]
  await user.operate('POST', `/v1/programs/${programId}/start`)
  const policy = encryption === 'none' ? {} : { deliveryPolicyId: 'Predefined_DownloadAndClearStreaming' }
  await user.ask(201, 'POST', '/v1/locators', { id: LOCATOR, assetId, ...policy })
  const [ingest] = channel['ingest'] as { streamKey: string }[]
  return { programId, assetId, streamKey: String(ingest?.streamKey) }
}

async function makeSource(file: string, segmentMs: number): Promise<void> {
  const gop = String((RATE * segmentMs) / 1_000)
  const picture = ['-f', 'lavfi', '-i', `testsrc2=size=160x90:rate=${RATE}`]
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000']
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', gop, '-keyint_min', gop, '-sc_threshold', '0']
  const codecs = [...x264, '-pix_fmt', 'yuv420p', '-b:v', '100k', '-c:a', 'aac']
  await ffmpeg('-y', ...picture, ...sound, '-t', String(SOURCE_SECONDS), ...codecs, '-f', 'flv', file)
}

/** Stops the program and waits until all of it is in storage. */
async function archive(headend: Headend, programId: string, assetId: string): Promise<void> {
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  await user.operate('POST', `/v1/programs/${programId}/stop`)
  expect(await user.ask(200, 'GET', `/v1/assets/${assetId}`)).toMatchObject({ state: 'Ready' })
  const spool = join(headend.dataDir, 'spool')
  await until(
    'an empty spool',
    60_000,
    async () => readdirSync(spool),
    (left) => left.length === 0,
  )
}

/** Init and all segments of a rendition, joined, are what any tool plays, with every frame of what is listed. */
async function playWhole(dataDir: string, player: PlayerModel): Promise<void> {
  const listed = (await player.look()).filter(({ gap }) => !gap)
  const joined = join(dataDir, 'joined.mp4')
  const parts = [await fetchBytes(listed[0]?.initUrl ?? '')]
  for (const { url } of listed) parts.push(await fetchBytes(url))
  writeFileSync(joined, Buffer.concat(parts))
  await countFrames(
    joined,
    listed.reduce((sum, { duration }) => sum + duration, 0),
  )
}

/** ffprobe decodes it without a word, and finds as many frames as fit into `seconds`. */
export async function countFrames(file: string, seconds: number): Promise<void> {
  const entries = ['-show_entries', 'stream=codec_type,nb_read_frames']
  const { stdout, stderr } = await run('ffprobe', ['-v', 'error', '-count_frames', ...entries, '-of', 'json', file])
  expect(stderr).toBe('')
  const [stream] = (JSON.parse(stdout) as { streams: { codec_type: string; nb_read_frames: string }[] }).streams
  const perSecond = stream?.codec_type === 'video' ? RATE : 48_000 / 1_024
  // Where the encoder begins its file anew, its sound ends half a frame later than its pictures: the last picture stands for that long.
  const stood = stream?.codec_type === 'video' ? (seconds / SOURCE_SECONDS) * LONGEST_STAND_SECONDS * RATE : 0
  expect(Number(stream?.nb_read_frames) - seconds * perSecond).toBeLessThan(1.5)
  expect(seconds * perSecond - Number(stream?.nb_read_frames)).toBeLessThan(1.5 + stood)
}

/** Each track's files in a folder of storage, joined, are a CMAF file. */
export async function readStored(dataDir: string): Promise<void> {
  const files = readdirSync(join(dataDir, 'media'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join(dataDir, 'media', name),
  )
  const inits = files.filter((name) => name.endsWith('init.mp4'))
  expect(inits.length).toBeGreaterThan(1)
  for (const init of inits) {
    const folder = init.slice(0, -'init.mp4'.length)
    const spans = files.filter((name) => name.startsWith(folder) && name.endsWith('.cmfs'))
    const inOrder = spans.toSorted((a, b) => ticksOf(a) - ticksOf(b))
    const joined = join(dataDir, 'joined.mp4')
    writeFileSync(joined, Buffer.concat([init, ...inOrder].map((name) => readFileSync(name))))
    const { stderr } = await run('ffprobe', ['-v', 'error', '-count_frames', joined])
    expect(stderr).toBe('')
  }
}

function ticksOf(name: string): number {
  return Number(/(\d+)\.cmfs$/.exec(name)?.[1])
}
