import { createHash } from 'node:crypto'
import { afterAll, expect, it } from 'vitest'
import type { LogRecord } from '../../src/presentation/records.ts'
import { crawl } from '../support/crawl.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'
import { FedOrigins, Steps } from './fed-origins.ts'

let origins: FedOrigins | undefined
afterAll(() => origins?.stop())

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

/** A log, the records that are to come, and origins that are fed by it. */
function setUp() {
  const steps = new Steps()
  const header = { id: 'p1', epoch: 'e1', targetDurationMs: 2_000, partDurationMs: 1_000, rewindWindowMs: 60_000 }
  const recording = new Recording(
    [
      { rendition: 'video-1', media: encodeVideo(10, '64x48'), atSeconds: 0 },
      { rendition: 'audio-1', media: encodeAudio(10), atSeconds: 0 },
    ],
    {
      header: { ...header, timeBaseTicks: 1_760_000_000 * 90_000 },
      fragmentSamples: 25,
      onRecord: (record, bytes) => steps.add(record, bytes),
    },
  )
  return { steps, recording, fed: new FedOrigins(recording.presentation.header) }
}

/** The address of an origin that has read the log so far, and reads on. */
async function origin(fed: FedOrigins, { source: segments }: Recording): Promise<string> {
  // A picture is as good as another here, as long as it is of what was asked for.
  const pictures = async (wish: unknown) => createHash('sha256').update(JSON.stringify(wish, plainly)).digest()
  return (await fed.start({ segments, pictures })).base
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
  const { steps, recording, fed } = setUp()
  origins = fed
  const { log } = fed
  const publish = () => fed.directory.publish({ locatorId: 'l', manifestName: 'News', presentationId: 'p1' })
  const write = (isLast: (record: LogRecord) => boolean) => steps.write(log, isLast)
  const closes = (count: number) => {
    let left = count
    return ({ type }: LogRecord) => type === 'segment-closed' && --left === 0
  }
  const early = await origin(fed, recording)
  write(closes(2))
  await publish()
  // What was rendered in between is no excuse.
  await crawl(early, STARTS)
  write(closes(1))
  const late = await origin(fed, recording)
  const marker = { type: 'marker', version: 1, kind: 'ad-break', id: 'b', revision: 0 } as const
  const stages: Readonly<Record<string, () => void>> = {
    'between segments': () => undefined,
    'in the middle of a segment': () => write(({ type }) => type === 'fragment'),
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
