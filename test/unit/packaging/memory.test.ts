import { beforeAll, describe, expect, it } from 'vitest'
import { packedForm } from '../../../src/packaging/packed-audio.ts'
import type { SegmentPackaging, StoredSegment } from '../../../src/packaging/segment-packaging.ts'
import { smoothPackaging } from '../../../src/packaging/smooth-fragment.ts'
import { keyFramePackaging, transportPackaging } from '../../../src/packaging/transport-packaging.ts'
import { encodeAudio, encodeVideo, Recording } from '../../support/recording.ts'

let recording: Recording

beforeAll(() => {
  const media = { 'video-1': encodeVideo(2), 'audio-1': encodeAudio(2) }
  const stretches = Object.entries(media).map(([rendition, each]) => ({ rendition, media: each, atSeconds: 0 }))
  recording = new Recording(stretches, { fragmentSamples: 15 })
})

function segmentOf(...renditions: readonly number[]): StoredSegment {
  const { presentation, bytes } = recording
  const media = renditions.map((rendition) => {
    const segment = presentation.renditionSegment(rendition, 0)!
    return { track: presentation.track(segment.track)!, segment, fragments: [bytes.get(`${rendition}/0`)!] }
  })
  return { header: presentation.header, row: presentation.segment(0)!, media }
}

const next = [{ time: 1, duration: 2 }]

describe('a packaging', () => {
  it.each<[string, () => SegmentPackaging, readonly number[]]>([
    ['a transport stream of both', () => transportPackaging, [0, 1]],
    ['a key frame', () => keyFramePackaging, [0]],
    ['packed audio', () => packedForm(recording.presentation.track(2)!.config).packaging, [1]],
    ['a Smooth fragment', () => smoothPackaging('video', next, 'fragment'), [0]],
    ['the head of a Smooth fragment', () => smoothPackaging('audio', next, 'info'), [1]],
  ])('writes every byte of memory that held something else before, once: %s', (_name, packaging, renditions) => {
    const segment = segmentOf(...renditions)
    const clean = packaging().package(segment)
    for (const before of [0x00, 0xff, 0xa5]) {
      let taken = 0
      const dirty = packaging().package(segment, (sizeBytes) => {
        taken++
        return Buffer.alloc(sizeBytes, before)
      })
      expect(taken).toBe(1)
      expect(Buffer.from(dirty).equals(clean)).toBe(true)
    }
  })

  it('gives a Smooth fragment in a few pieces as the same bytes, of which it copies none of the media', () => {
    const segment = segmentOf(0)
    const packaging = smoothPackaging('video', next, 'fragment')
    let takenBytes = 0
    const pieces = packaging.pieces?.(segment, (sizeBytes) => {
      takenBytes += sizeBytes
      return Buffer.alloc(sizeBytes, 0xa5)
    })
    const whole = packaging.package(segment)
    expect(Buffer.concat(pieces ?? []).equals(whole)).toBe(true)
    const stored = segment.media[0]?.fragments.map(({ buffer }) => buffer)
    expect(pieces?.slice(1).every(({ buffer }) => stored?.includes(buffer as ArrayBuffer))).toBe(true)
    expect(takenBytes).toBe(pieces?.[0]?.byteLength)
    expect(takenBytes).toBeLessThan(whole.byteLength / 4)
  })

  it('gives no pieces of what lies in many', () => {
    const many = new Recording([{ rendition: 'video-1', media: encodeVideo(1), atSeconds: 0 }], { fragmentSamples: 1 })
    const { presentation, bytes } = many
    const found = presentation.renditionSegment(0, 0)!
    const media = [{ track: presentation.track(found.track)!, segment: found, fragments: [bytes.get('0/0')!] }]
    const segment = { header: presentation.header, row: presentation.segment(0)!, media }
    expect(smoothPackaging('video', next, 'fragment').pieces?.(segment, Buffer.alloc)).toBeUndefined()
    expect(smoothPackaging('video', next, 'info').pieces).toBeUndefined()
  })
})
