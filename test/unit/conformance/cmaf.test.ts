import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkSegment } from '../../../src/conformance/cmaf-rules.ts'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { encodeAudio, encodeVideo, Recording } from '../../support/recording.ts'

let recording: Recording
const segment = (rendition: number) => recording.bytes.get(`${rendition}/0`)!

beforeAll(() => {
  recording = new Recording(
    [
      { rendition: 'video-1', media: encodeVideo(3), atSeconds: 0 },
      { rendition: 'audio-1', media: encodeAudio(3), atSeconds: 0 },
    ],
    { fragmentSamples: 20 },
  )
})

/** The segment with the bytes at the first `type` box changed. */
function altered(type: string, at: number, value: number): Uint8Array {
  const bytes = Uint8Array.from(segment(0))
  const found = Buffer.from(bytes).indexOf(type, 0, 'latin1')
  bytes[found + at] = value
  return bytes
}

const rules = (bytes: Uint8Array) => [...new Set(checkSegment(bytes).map(({ rule }) => rule))]

describe('the rules of a segment', () => {
  it('find nothing in what keeps them, and the times of the manifest in it', () => {
    const { presentation } = recording
    for (const rendition of [0, 1]) {
      const { startTicks, durationTicks } = presentation.renditionSegment(rendition, 0)!
      expect(checkSegment(segment(rendition), { startTicks, durationTicks, toleranceTicks: 0 })).toEqual([])
      const late = checkSegment(segment(rendition), { startTicks: startTicks - 1, durationTicks, toleranceTicks: 0 })
      expect(late.map(({ rule }) => rule)).toEqual(['cmaf-time'])
      const long = checkSegment(segment(rendition), { startTicks, durationTicks: durationTicks + 1, toleranceTicks: 0 })
      expect(long.map(({ rule }) => rule)).toEqual(['cmaf-time'])
    }
  })

  it.each([
    ['nothing', 'cmaf-boxes', () => new Uint8Array()],
    ['half of it', 'cmaf-boxes', () => segment(0).subarray(0, segment(0).byteLength >> 1)],
    ['an mdat alone', 'cmaf-boxes', () => Buffer.from('\0\0\0\x08mdat', 'latin1')],
    ['another size of a sample', 'cmaf-track-run', () => altered('trun', 23, 0xff)],
    ['samples elsewhere', 'cmaf-track-run', () => altered('trun', 15, 0xff)],
    ['one fragment twice', 'cmaf-time', () => concatBytes([segment(0), segment(0)])],
  ] as const)('name what is wrong with %s', (_what, rule, bytes) => {
    expect(rules(bytes())).toContain(rule)
  })

  it('read anything without an exception', () => {
    const size = segment(0).byteLength
    const flips = fc.array(fc.tuple(fc.nat({ max: Math.min(size, 4_000) - 1 }), fc.nat({ max: 255 })), { minLength: 1 })
    fc.assert(
      fc.property(flips, (changes) => {
        const bytes = Uint8Array.from(segment(0))
        for (const [at, value] of changes) bytes[at] = value
        checkSegment(bytes)
      }),
      { numRuns: 200 },
    )
  })
})
