import { createDecipheriv } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { APART, keyFrameOfProtected, protectedPackaging } from '../../../src/origin/protected-media.ts'
import {
  envelopedFragments,
  envelopedInit,
  envelopedKeyFrame,
  envelopedPackaging,
  piffPackaging,
} from '../../../src/origin/protected-packaging.ts'
import type { SegmentPackaging, StoredSegment } from '../../../src/packaging/segment-packaging.ts'
import { smoothPackaging } from '../../../src/packaging/smooth-fragment.ts'
import { keyFramePackaging, transportPackaging } from '../../../src/packaging/transport-packaging.ts'
import { protectFragments } from '../../../src/protection/cenc/protect-fragments.ts'
import { encryptedSize } from '../../../src/protection/hls/segment-cipher.ts'
import { boxesIn, encryptedSamples } from '../../support/cenc-reader.ts'
import { CENC, IV, KEY, KID, type StoredTrack, store } from '../../support/protected-media.ts'
import { encodeVideo } from '../../support/recording.ts'

const key = { kid: KID, key: KEY, iv: IV }
const HEX = '0123456789abcdef0123456789abcdef'
const next = [{ time: 17_600_000_010_000_000, duration: 10_000_000 }]
let stored: StoredTrack
let segment: StoredSegment
let fragments: Uint8Array[]

beforeAll(() => {
  stored = store(encodeVideo(1, '320x180', '-crf', '1'))
  // As the live log has them: in memory that threads share.
  const bytes = new Uint8Array(new SharedArrayBuffer(stored.segments[0]!.byteLength))
  bytes.set(stored.segments[0]!)
  const boxes = boxesIn(Buffer.from(bytes))
  const second = boxes.findIndex(({ type }, at) => type === 'moof' && at > 1)
  const middle = boxes.slice(0, second).reduce((sum, { body }) => sum + body.length + 8, 0)
  fragments = [bytes.subarray(0, middle), bytes.subarray(middle)]
  const { track } = stored
  const times = { sequence: 1, track: track.track, startTicks: 1_760_000_000 * 90_000, durationTicks: track.timescale }
  segment = {
    header: { id: 'p', epoch: 'e', targetDurationMs: 1_000 },
    row: { sequence: 1, discontinuitySequence: 0, startTicks: 0, durationTicks: 90_000, wallMs: 0, gap: false },
    media: [{ track, segment: { ...times, sizeBytes: 1, leadingBytes: 1, independent: true }, fragments }],
  }
})

function decrypted(bytes: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-128-cbc', KEY, IV)
  return Buffer.concat([decipher.update(bytes), decipher.final()])
}

describe('whole segments, encrypted', () => {
  it.each<[string, () => SegmentPackaging]>([
    ['transport streams', () => transportPackaging],
    ['key frames', () => keyFramePackaging],
    ['Smooth fragments', () => smoothPackaging('video', next, 'fragment')],
    ['their heads', () => smoothPackaging('video', next, 'info')],
  ])('are what they were, in memory of their own: %s', (_name, packaging) => {
    const clear = packaging()
    const before = Buffer.from(clear.package(segment))
    const taken: Buffer[] = []
    const { name, contentType, package: make } = envelopedPackaging(clear, key)
    const made = make(segment, (sizeBytes) => {
      taken.push(Buffer.alloc(sizeBytes, 0xee))
      return taken.at(-1)!
    })
    expect(name).toBe(`${clear.name}-aes128-${HEX}`)
    expect(contentType).toBe(clear.contentType === 'video/mp2t' ? 'video/mp2t' : 'application/octet-stream')
    expect(made.byteLength).toBe(encryptedSize(before.byteLength))
    expect(decrypted(made).equals(before)).toBe(true)
    // Encrypted where it was written: no second piece of memory for each segment.
    expect(taken).toHaveLength(1)
    expect(made.buffer).toBe(taken[0]!.buffer)
    expect(Buffer.from(clear.package(segment)).equals(before)).toBe(true)
  })

  it('are those of a packaging that brings its own memory', () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at)
    const brought: SegmentPackaging = { name: 'own', contentType: 'video/mp4', package: () => bytes }
    const made = envelopedPackaging(brought, key).package(segment)
    expect(decrypted(made).equals(bytes)).toBe(true)
    expect(bytes[69_999]).toBe(69_999 & 255)
  })

  it('are the stored fragments, out of memory that threads share', () => {
    const before = Buffer.concat(fragments)
    const packaging = envelopedFragments({ events: () => undefined } as never, { kind: 'video' } as never, key)
    const made = packaging.package(segment)
    expect(decrypted(made).equals(before)).toBe(true)
    expect(Buffer.concat(fragments).equals(before)).toBe(true)
    expect(decrypted(envelopedInit(stored.track.init, key)).equals(stored.track.init)).toBe(true)
  })
})

describe('what is encrypted of a segment of one sample', () => {
  const view = { events: () => undefined } as never
  const rendition = { kind: 'video' } as never
  const delivery = { protection: 'cbcs', ivBase: Buffer.alloc(8) } as never
  const trackKey = { kid: 'kid', kidBytes: KID, key: KEY, constantIv: IV } as never

  it('has another name as that segment than as a key frame by itself, with which it shares its beginning and its size', () => {
    const names = [
      envelopedFragments(view, rendition, key),
      envelopedFragments(view, rendition, key, 'key-frame-apart'),
      envelopedKeyFrame(key),
      protectedPackaging(view, rendition, delivery, trackKey),
      protectedPackaging(view, rendition, delivery, trackKey, APART),
      keyFrameOfProtected(rendition, delivery, trackKey),
    ].map(({ name }) => name)
    expect(new Set(names).size).toBe(6)
    expect(names.slice(0, 2)).toEqual([`cmaf-aes128-${HEX}`, `cmaf-key-frame-apart-aes128-${HEX}`])
    expect(names.slice(3, 5)).toEqual(['cbcs-kid', 'cbcs-kid-apart'])
  })
})

describe('Smooth fragments as PIFF has them', () => {
  it('hold the samples of CMAF under the same key, and their head is that of all of it', () => {
    const whole = Buffer.from(piffPackaging('video', next, 'fragment', CENC).package(segment))
    const theirs = protectFragments({ fragments }, stored.track, CENC)
    expect(encryptedSamples(whole, 8)).toEqual(encryptedSamples(Buffer.from(theirs), 8))
    const info = piffPackaging('video', next, 'info', CENC)
    expect(whole.subarray(0, boxesIn(whole)[0]!.body.length + 8).equals(info.package(segment))).toBe(true)
    expect(info.name).not.toBe(piffPackaging('video', next, 'fragment', CENC).name)
  })
})
