import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { afterEach, expect } from 'vitest'
import { filterCreateSchema } from '../../src/domain/filter.ts'
import type { EndpointRules, PublishedFilter } from '../../src/domain/serving-rules.ts'
import type { Published, UnopenedFiles } from '../../src/origin/ports.ts'
import { Presentation } from '../../src/presentation/presentation.ts'
import type { LogRecord, PresentationHeader } from '../../src/presentation/records.ts'
import { audioTrack, SampleLog, START_TICKS, videoTrack } from '../unit/presentation/sample-log.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'

/** Of every log here. */
export const START_SECONDS = START_TICKS / 90_000

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function filter(name: string, more: object): PublishedFilter {
  return filterCreateSchema.parse({ name, ...more })
}

const filters: readonly PublishedFilter[] = [
  filter('mobile', {
    tracks: [
      [
        { property: 'type', value: 'video' },
        { property: 'bitrate', value: '0-1000000' },
      ],
      [{ property: 'type', value: 'audio' }],
    ],
  }),
  filter('english', {
    tracks: [[{ property: 'type', operation: 'notEqual', value: 'audio' }], [{ property: 'language', value: 'EN' }]],
  }),
  filter('low-first', { firstQuality: 900_000 }),
  filter('late', { timeRange: { liveBackoff: 'PT10S' } }),
  filter('minute', { timeRange: { presentationWindow: 'PT1M' } }),
  filter('part', { timeRange: { start: 'PT11S', end: 'PT21S' } }),
  filter('forced', { timeRange: { end: 'PT21S', forceEnd: true } }),
  filter('no-track', { tracks: [[{ property: 'codec', value: 'hvc1' }]] }),
  filter('own', { tracks: [[{ property: 'name', value: 'audio-en' }]] }),
  {
    ...filter('own', { tracks: [[{ property: 'name', value: 'AUDIO-FR' }]] }),
    assetId: 'p1' as PublishedFilter['assetId'] & string,
  },
]

const endpoint: EndpointRules = {
  hostNames: [],
  maxCacheAge: 'PT8760H',
  allowIp: [],
  cors: undefined,
  signedUrlKeys: [],
}

/** Two videos and two languages, `segments` of 2 s each. */
export function sampleLog(segments: number, header: Partial<PresentationHeader> = {}): SampleLog {
  const log = new SampleLog({ id: 'p1', epoch: 'e1', targetDurationMs: 2_000, ...header })
  log.add(videoTrack(1, 'video-hd')).add(videoTrack(2, 'video-sd', { nominalBitrate: 800_000, bandwidth: 900_000 }))
  log.add(audioTrack(3, 'audio-en', { language: 'en' })).add(audioTrack(4, 'audio-fr', { language: 'fr' }))
  return log.segments(segments)
}

/** An origin that publishes an uploaded file, which is this log when it is played, and `bytes` as it is. */
export async function fileOrigin(log: SampleLog, terms: Pick<UnopenedFiles, 'filters'>) {
  const view = new Presentation({ id: 'p1', epoch: 'e1', targetDurationMs: 2_000 })
  for (const record of log.records) view.apply(record)
  const bytes = new Uint8Array(100)
  const file = { name: 'film.mp4', sizeBytes: 100, contentType: 'video/mp4', digest: 'd', read: async () => bytes }
  const rules = { accountId: 'a', filters, endpoints: [endpoint] }
  const files = { files: [file], open: async () => view }
  const published: UnopenedFiles = { locatorId: 'l', manifestName: 'film', files, rules, ...terms }
  const { server, base } = await startOrigin(new FakeLive(), {}, { publications: { find: () => published } })
  stops.push(() => server.stop())
  return async (path: string) => (await fetch(`${base}/l/${path}`, { headers: { connection: 'close' } })).status
}

/** An origin over what the log says, now and when `catchUp` is called; it is stopped after the test. */
export async function origin(log: SampleLog, terms: Omit<Partial<Published>, 'rules'> = {}) {
  const presentation = new Presentation({ id: 'p1', epoch: 'e1', targetDurationMs: 2_000 })
  const opened = log.records[0]
  if (opened?.type === 'opened') presentation.header = opened.header
  let applied = 0
  const counts = new Map<number, number>()
  const numbered = (record: LogRecord): LogRecord => {
    if (record.type !== 'fragment') return record
    const number = counts.get(record.track) ?? 0
    counts.set(record.track, number + 1)
    return { ...record, number }
  }
  const catchUp = () => {
    for (; applied < log.records.length; applied++) presentation.apply(numbered(log.records[applied] as LogRecord))
  }
  catchUp()
  const published = {
    locatorId: 'l',
    manifestName: 'm',
    view: presentation,
    rules: { accountId: 'a', filters, endpoints: [endpoint] },
    ...terms,
  }
  const { server, base } = await startOrigin(new FakeLive(), {}, { publications: { find: () => published } })
  stops.push(() => server.stop())
  const get = async (path: string) => {
    const answer = await fetch(new URL(path, `${base}/l/`), { headers: { connection: 'close' } })
    return { status: answer.status, url: answer.url, text: await answer.text(), headers: answer.headers }
  }
  return { get, presentation, catchUp }
}

export type Origin = Awaited<ReturnType<typeof origin>>

function parse(text: string): Parser['manifest'] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

/** What a media playlist lists: number and absolute URL. */
export async function listed({ get }: Origin, url: string) {
  const { text, status, url: at } = await get(url)
  expect(status).toBe(200)
  const { mediaSequence, segments, discontinuitySequence, ...rest } = parse(text)
  const list = segments.map((segment, index) => ({
    sequence: mediaSequence + index,
    url: new URL(segment.uri ?? '', at).href,
    date: segment.dateTimeString,
  }))
  return { list, ...rest, discontinuitySequence, text }
}

/** What a master playlist names. */
export async function hls(at: Origin, path: string) {
  const master = await at.get(path)
  expect(master.status, master.text).toBe(200)
  const { playlists = [], mediaGroups } = parse(master.text)
  const urls = playlists.map(({ uri }) => new URL(uri ?? '', master.url).href)
  return {
    urls,
    audio: Object.values(mediaGroups?.AUDIO ?? {}).flatMap((group) => Object.keys(group)),
    text: master.text,
  }
}

/** What an MPD lists. */
export async function dash({ get }: Origin, path: string) {
  const { text, status, url } = await get(path)
  expect(status, text).toBe(200)
  const { playlists, mediaGroups } = parseMpd(text, { manifestUri: url })
  const audio = Object.values(mediaGroups.AUDIO).flatMap((group) => Object.values(group))
  const all = [...playlists, ...audio.flatMap((one) => one.playlists)]
  const media = all.map(({ attributes, segments }) => ({
    id: attributes.NAME,
    urls: segments.map(({ resolvedUri }) => resolvedUri),
  }))
  return { text, media }
}

/** The first number and the last. */
export function sequences(list: readonly { readonly sequence: number }[]): (number | undefined)[] {
  return [list[0]?.sequence, list.at(-1)?.sequence]
}
