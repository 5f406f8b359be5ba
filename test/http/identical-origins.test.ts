import { createHash } from 'node:crypto'
import { MessageChannel } from 'node:worker_threads'
import { afterAll, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../src/log/log-directory.ts'
import { PresentationLog } from '../../src/log/presentation-log.ts'
import { Replica } from '../../src/log/replica.ts'
import { OriginServer } from '../../src/origin/origin-server.ts'
import type { LogRecord } from '../../src/presentation/records.ts'
import { crawl } from '../support/crawl.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'

const stops: (() => Promise<void> | void)[] = []
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
})

const ISM = '/l/News.ism'
const FORMATS = ['m3u8-cmaf', 'm3u8-aapl', 'm3u8-aapl-v3', 'mpd-time-cmaf', 'mpd-time-csf', 'fmp4-v20']
/** Everything that a locator publishes is named by one of these, or by what they name. */
const STARTS = [
  '/l/index.m3u8',
  '/l/index.m3u8?cue=out-in',
  '/l/index.mpd',
  `${ISM}/manifest`,
  ...FORMATS.flatMap((format) => [
    `${ISM}/manifest(format=${format})`,
    `${ISM}/manifest(format=${format},audio-only=true)`,
  ]),
  ...['m3u8-cmaf', 'm3u8-aapl'].flatMap((format) => [
    `${ISM}/QualityLevels(700001)/Manifest(video,format=${format})`,
    `${ISM}/QualityLevels(700001)/Manifest(video,format=${format},type=keyframes)`,
  ]),
  `${ISM}/thumbnail(time=1,width=160)`,
  '/l/thumbnails.vtt',
  '/l/News.mp4',
  '/l/audio-1.mp4',
]

type Step = { readonly record: LogRecord; readonly bytes: Uint8Array | undefined }

/** A log, the records that are to come, and origins that are fed by it. */
function setUp() {
  const steps: Step[] = []
  const parts = new Map<number, number>()
  const numbered = (record: LogRecord): LogRecord => {
    if (record.type !== 'fragment') return record
    const number = (parts.get(record.track) ?? 0) + 1
    parts.set(record.track, number)
    return { ...record, number }
  }
  const header = { id: 'p1', epoch: 'e1', targetDurationMs: 2_000, partDurationMs: 1_000, rewindWindowMs: 60_000 }
  const recording = new Recording(
    [
      { rendition: 'video-1', media: encodeVideo(10, '64x48'), atSeconds: 0 },
      { rendition: 'audio-1', media: encodeAudio(10), atSeconds: 0 },
    ],
    {
      header: { ...header, timeBaseTicks: 1_760_000_000 * 90_000 },
      fragmentSamples: 25,
      onRecord: (record, bytes) => steps.push({ record: numbered(record), bytes }),
    },
  )
  const memory = new FragmentMemory({ regionBytes: 1 << 22 })
  const directory = new LogDirectory({ memory, clock: systemClock })
  const log = new PresentationLog(recording.presentation.header, { memory, budgetBytes: 1 << 24, retainMs: undefined })
  stops.push(() => log.stop())
  directory.open(log)
  return { steps, recording, directory, log }
}

/** An origin that has read the log so far, and reads on. */
async function origin(directory: LogDirectory, recording: Recording): Promise<string> {
  const { port1, port2 } = new MessageChannel()
  const feed = directory.connect(port1)
  const replica = new Replica(port2)
  stops.push(() => {
    feed.stop()
    replica.stop()
    port1.close()
  })
  await replica.ready
  const server = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: {
        find: (locatorId) => replica.find(locatorId),
        waitForPart: (...asked) => replica.waitForPart(...asked),
      },
      fragments: { read: (...asked) => replica.read(...asked) },
      segments: recording.source,
      observer: { started: () => undefined, request: () => undefined },
      // A picture is as good as another here, as long as it is of what was asked for.
      pictures: async (wish) => createHash('sha256').update(JSON.stringify(wish, plainly)).digest(),
    },
  )
  stops.push(() => server.stop())
  const { port } = await server.start()
  return `http://127.0.0.1:${port}`
}

const plainly = (_key: string, value: unknown) =>
  value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : value

/** What each format is told by in the addresses that were crawled. */
const SEEN: Readonly<Record<string, RegExp>> = {
  playlists: /\.m3u8(\?|$)/,
  'CMAF segments': /\.m4s$/,
  parts: /\/\d+\.\d+\.m4s$/,
  'transport streams': /\.ts$/,
  'packed audio': /\.aac$/,
  'Smooth fragments': /\/Fragments\(/,
  'Smooth information': /\/FragmentInfo\(/,
}

it('two origins give the same bytes and validators for every URL of every format, whenever each began to read the log', async () => {
  const { steps, recording, directory, log } = setUp()
  const publish = () => directory.publish({ locatorId: 'l', manifestName: 'News', presentationId: 'p1' })
  const write = (until: (step: Step, at: number) => boolean) => {
    while (steps.length > 0) {
      const step = steps.shift() as Step
      log.append(step.record, step.bytes)
      if (until(step, steps.length)) return
    }
  }
  const closes = (count: number) => {
    let left = count
    return ({ record }: Step) => record.type === 'segment-closed' && --left === 0
  }
  const early = await origin(directory, recording)
  write(closes(2))
  await publish()
  // What was rendered in between is no excuse.
  await crawl(early, STARTS)
  write(closes(1))
  const late = await origin(directory, recording)
  const marker = { type: 'marker', version: 1, kind: 'ad-break', id: 'b', revision: 0 } as const
  const stages: Readonly<Record<string, () => void>> = {
    'between segments': () => undefined,
    'in the middle of a segment': () => write(({ record }) => record.type === 'fragment'),
    'with a marker': () =>
      void log.append({
        ...marker,
        startTicks: 1_760_000_009 * 90_000,
        wallMs: 1_760_000_009_000,
        plannedTicks: 180_000,
      }),
    'at its end': () => {
      write(() => false)
      log.append({ type: 'ended' })
    },
    archived: () => void log.append({ type: 'archived' }),
  }
  for (const [stage, proceed] of Object.entries(stages)) {
    proceed()
    await publish()
    const [one, other] = [await crawl(early, STARTS), await crawl(late, STARTS)]
    expect([...other.keys()].toSorted(), stage).toEqual([...one.keys()].toSorted())
    for (const [path, answer] of one) expect(other.get(path), `${stage}: ${path}`).toEqual(answer)
    const given = [...one].filter(([, { status }]) => status === 200).map(([path]) => path)
    const hasEnded = stage === 'at its end' || stage === 'archived'
    for (const [what, pattern] of Object.entries(SEEN)) {
      const isThere = given.some((path) => pattern.test(path))
      // Parts are listed while it is live, and some time longer.
      if (what !== 'parts' || !hasEnded) expect(isThere, `${what} ${stage}`).toBe(true)
    }
    const refused = [...one].filter(([, { status }]) => status !== 200).map(([path, { status }]) => `${status} ${path}`)
    expect(refused, stage).toEqual(hasEnded ? [] : expect.arrayContaining(['409 /l/News.mp4', '409 /l/audio-1.mp4']))
    if (hasEnded) expect(given).toEqual(expect.arrayContaining(STARTS))
  }
})
