import { MessageChannel } from 'node:worker_threads'
import { expect } from 'vitest'
import { type DeliveryKey, type DeliveryTerms, nothingDelivered } from '../../src/domain/delivery-terms.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../src/log/log-directory.ts'
import { PresentationLog } from '../../src/log/presentation-log.ts'
import { Replica } from '../../src/log/replica.ts'
import { OriginServer } from '../../src/origin/origin-server.ts'
import type { LogRecord } from '../../src/presentation/records.ts'
import { contentKeyValue } from '../../src/protection/content-key-derivation.ts'
import { decoded } from '../support/protected-media.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'
import { rawRequest } from './raw-request.ts'

export const START_SECONDS = 1_760_000_000
/** Two segments to a period: the recording has three of them. */
const PERIOD_MS = 4_000
export const IDS = {
  cenc: '01234567-89ab-4def-8123-456789abcdef',
  cbcs: '11234567-89ab-4def-8123-456789abcdef',
  turning: '21234567-89ab-8def-8123-000000000000',
}
export const VALUES = new Map(Object.values(IDS).map((id, at) => [id, new Uint8Array(16).fill(at + 1)]))

const stops: (() => Promise<void> | void)[] = []
const steps: { record: LogRecord; bytes: Uint8Array | undefined }[] = []
let directory: LogDirectory
export let recording: Recording
let log: PresentationLog
export let base: string
export let other: string

export const key = (contentKeyId: string, kind: DeliveryKey['kind'], rotating = false): DeliveryKey => ({
  ...{ contentKeyId, kind, rotating, created: '2026-01-01T00:00:00.000Z' },
  had: ['clearkey', 'aes128', 'widevine', 'playready', 'fairplay'],
})

export function terms(
  protocols: Partial<DeliveryTerms['protocols']>,
  keys: readonly DeliveryKey[],
  more = {},
): DeliveryTerms {
  return {
    ...nothingDelivered,
    policy: 'dp_one',
    protocols: { ...nothingDelivered.protocols, ...protocols },
    keys,
    ...more,
  }
}

export const CENC = terms({ hls: ['cenc'], dash: ['cenc'] }, [key(IDS.cenc, 'cenc')])
export const CBCS = terms({ hls: ['cbcs'], dash: ['cbcs'] }, [key(IDS.cbcs, 'cbcs')])
export const TURNING = terms({ hls: ['cbcs'], dash: ['cbcs'] }, [key(IDS.turning, 'cbcs', true)], {
  rotationPeriodMs: PERIOD_MS,
})

export function publish(delivery: DeliveryTerms | undefined): Promise<void> {
  const published = { locatorId: 'l', manifestName: 'News', presentationId: 'p1' }
  return directory.publish({ ...published, ...(delivery && { delivery }) })
}

async function origin(): Promise<string> {
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
      pictures: async () => new Uint8Array([0xff, 0xd8]),
      contentKeys: {
        async findFor(id: string) {
          const bytes = VALUES.get(id)
          return bytes && { material: { source: 'value', bytes } }
        },
      },
    },
  )
  stops.push(() => server.stop())
  return `http://127.0.0.1:${(await server.start()).port}`
}

function write(until: (record: LogRecord) => boolean): void {
  while (steps.length > 0) {
    const { record, bytes } = steps.shift() as (typeof steps)[number]
    log.append(record, bytes)
    if (until(record)) return
  }
}

/** The recording, written up to the middle of its sixth segment, and two origins that read it. */
export async function startProtected(): Promise<void> {
  const parts = new Map<number, number>()
  const header = {
    id: 'p1',
    epoch: 'e1',
    targetDurationMs: 2_000,
    partDurationMs: 1_000,
    gridMs: 2_000,
    rewindWindowMs: 60_000,
  }
  recording = new Recording(
    [
      { rendition: 'video-1', media: encodeVideo(12, '64x48'), atSeconds: 0 },
      { rendition: 'audio-1', media: encodeAudio(12), atSeconds: 0 },
    ],
    {
      header: { ...header, timeBaseTicks: START_SECONDS * 90_000 },
      startSeconds: START_SECONDS,
      fragmentSamples: 25,
      onRecord(record, bytes) {
        if (record.type !== 'fragment') return void steps.push({ record, bytes })
        const number = (parts.get(record.track) ?? 0) + 1
        parts.set(record.track, number)
        steps.push({ record: { ...record, number }, bytes })
      },
    },
  )
  const memory = new FragmentMemory({ regionBytes: 1 << 22 })
  directory = new LogDirectory({ memory, clock: systemClock })
  log = new PresentationLog(recording.presentation.header, { memory, budgetBytes: 1 << 24, retainMs: undefined })
  stops.push(() => log.stop())
  directory.open(log)
  let closed = 0
  write(({ type }) => type === 'segment-closed' && ++closed === 5)
  write(({ type }) => type === 'fragment')
  write(({ type }) => type === 'fragment')
  base = await origin()
  await publish(undefined)
  other = await origin()
}

/** Ends all of it. */
export async function stopProtected(): Promise<void> {
  for (const stop of stops.reverse()) await stop()
}

export const text = async (path: string) => {
  const { status, body } = await rawRequest(base + path)
  expect(status, `${path}: ${body}`).toBe(200)
  return body.toString()
}

/** The renditions' playlists, by name. */
export async function playlist(rendition: string): Promise<{ path: string; lines: string[] }> {
  const master = await text('/l/index.m3u8')
  const found = new RegExp(`c/[^/"\\s]+/${rendition}\\.m3u8`).exec(master)?.[0]
  const path = `/l/${found}`
  return { path, lines: (await text(path)).split('\n') }
}

type Listed = { readonly init: string; readonly kid: string; readonly url: string }

/** What a playlist lists, with the init segment and the key that hold for it. */
export function listed({ path, lines }: { path: string; lines: string[] }): Listed[] {
  let [init, kid] = ['', '']
  return lines.flatMap((line) => {
    init = /EXT-X-MAP:URI="([^"]+)"/.exec(line)?.[1] ?? init
    kid = /EXT-X-KEY:.*\/keys\/aes128\/([0-9a-f-]+)"/.exec(line)?.[1] ?? kid
    const at = (relative: string) => new URL(relative, base + path).pathname
    return line === '' || line.startsWith('#') ? [] : [{ init: at(init), kid, url: at(line) }]
  })
}

export const bytesOf = async (path: string) => {
  const { status, body } = await rawRequest(base + path)
  expect(status, `${path}: ${body.subarray(0, 200)}`).toBe(200)
  return body
}

const clearFrames = new Map<string, Promise<string[]>>()
/** Of the clear segment that starts when this one does. */
export function clearOf(rendition: string, url: string): Promise<string[]> {
  const name = `${rendition} ${/(\d+)\.m4s$/.exec(url)?.[1]}`
  const known = clearFrames.get(name) ?? frames(rendition, url)
  clearFrames.set(name, known)
  return known
}

async function frames(rendition: string, url: string): Promise<string[]> {
  const view = recording.presentation
  const index = view.renditions.findIndex(({ name }) => name === rendition)
  const segment = view.findSegment(index, Number(/(\d+)\.m4s$/.exec(url)?.[1]))
  const track = view.track(segment?.track ?? -1)
  return decoded(Buffer.concat([track!.init, recording.bytes.get(`${index}/${segment!.sequence}`)!]))
}

export function keyValueOf(kid: string): Uint8Array {
  const keyId = kid.startsWith('2') ? IDS.turning : kid
  return contentKeyValue({ source: 'value', bytes: VALUES.get(keyId)! }, keyId, kid)
}

/** Decrypts what is listed, and holds it against the clear. */
export async function expectDecrypts(rendition: string, { init, kid, url }: Listed): Promise<void> {
  const file = Buffer.concat([await bytesOf(init), await bytesOf(url)])
  const expected = await clearOf(rendition, url)
  expect(expected.length).toBeGreaterThan(10)
  expect(await decoded(file, keyValueOf(kid)), url).toEqual(expected)
  expect(await decoded(file, new Uint8Array(16).fill(0x77)), url).not.toEqual(expected)
}
