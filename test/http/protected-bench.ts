import { expect } from 'vitest'
import { type DeliveryKey, type DeliveryTerms, nothingDelivered } from '../../src/domain/delivery-terms.ts'
import type { DrmSignalling } from '../../src/domain/drm-signalling.ts'
import { contentKeyValue } from '../../src/protection/content-key-derivation.ts'
import { decoded } from '../support/protected-media.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'
import { FedOrigins, Steps } from './fed-origins.ts'
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

/** What keys' provider says of each KID; it may throw. */
export const provider: { told: (kid: string) => DrmSignalling | undefined } = { told: () => undefined }

let fed: FedOrigins
export let recording: Recording
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
  return fed.directory.publish({ ...published, ...(delivery && { delivery }) })
}

async function origin(from: FedOrigins): Promise<string> {
  const { base: address } = await from.start({
    segments: recording.source,
    pictures: async () => new Uint8Array([0xff, 0xd8]),
    contentKeys: {
      async findFor(id: string, kid: string) {
        const bytes = VALUES.get(id)
        return bytes && { material: { source: 'value', bytes }, signalling: provider.told(kid) }
      },
    },
  })
  return address
}

/** The recording, written up to the middle of its sixth segment, and two origins that read it. */
export async function startProtected(): Promise<void> {
  const steps = new Steps()
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
      onRecord: (record, bytes) => steps.add(record, bytes),
    },
  )
  fed = new FedOrigins(recording.presentation.header)
  const { log } = fed
  let closed = 0
  steps.write(log, ({ type }) => type === 'segment-closed' && ++closed === 5)
  steps.write(log, ({ type }) => type === 'fragment')
  steps.write(log, ({ type }) => type === 'fragment')
  base = await origin(fed)
  await publish(undefined)
  other = await origin(fed)
}

/** Ends all of it. */
export async function stopProtected(): Promise<void> {
  await fed?.stop()
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
