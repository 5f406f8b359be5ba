import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import { readBoxes, requireBox } from '../../../src/media/isobmff/boxes.ts'
import { readMovie } from '../../../src/media/isobmff/movie.ts'
import { scanSegment } from '../../../src/origin/download-scan.ts'
import { encodeAudio, encodeVideo, Recording } from '../../support/recording.ts'

const media = encodeVideo(2)
const sound = encodeAudio(2)

function segmentOf(fragmentSamples: number) {
  const stretches = [
    { rendition: 'video-1', media, atSeconds: 0 },
    { rendition: 'audio-1', media: sound, atSeconds: 0 },
  ]
  const recording = new Recording(stretches, { fragmentSamples })
  const { init } = recording.presentation.track(1)!
  const { defaults } = readMovie(requireBox(readBoxes(init, ''), 'moov', ''))
  return { bytes: recording.bytes.get('0/0')!, defaults }
}

type Read = { readonly first: number; readonly last: number }

async function scan(
  bytes: Uint8Array,
  given: { defaults: Parameters<typeof scanSegment>[1]['defaults']; readBytes?: number; fragments?: number },
) {
  const reads: Read[] = []
  const options = { readBytes: given.readBytes ?? 64, fragments: given.fragments ?? 0, defaults: given.defaults }
  const found = await scanSegment(bytes.byteLength, options, async (range) => {
    reads.push(range)
    expect(range.last).toBeLessThan(bytes.byteLength)
    return bytes.slice(range.first, range.last + 1)
  })
  return { ...found, reads }
}

describe('a segment that is scanned', () => {
  it.each([1, 7, 100])(
    'gives the same however little is read at once: fragments of %i samples',
    async (fragmentSamples) => {
      const { bytes, defaults } = segmentOf(fragmentSamples)
      const whole = await scan(bytes, { defaults, fragments: 1_000 })
      expect(whole.reads).toHaveLength(1)
      expect(whole.fragments).toHaveLength(Math.ceil(50 / fragmentSamples))
      const samples = whole.fragments.flatMap((fragment) => fragment.samples)
      expect(samples.map(({ offset, sizeBytes }) => bytes.slice(offset, offset + sizeBytes))).toEqual(
        media.samples.map(({ data }) => Uint8Array.from(data)),
      )
      for (const readBytes of [16, 64, 333, 4_096]) {
        const { fragments, headBytes } = await scan(bytes, { defaults, readBytes })
        expect(fragments).toEqual(whole.fragments)
        expect(headBytes).toBe(whole.headBytes)
      }
    },
  )

  it('has its media passed over', async () => {
    const { bytes, defaults } = segmentOf(100)
    const { reads, headBytes } = await scan(bytes, { defaults, readBytes: 4_096 })
    expect(headBytes).toBeLessThan(4_096)
    expect(reads).toEqual([{ first: 0, last: 4_095 }])
  })

  it('is an error when it is cut short, wherever that is', async () => {
    const { bytes, defaults } = segmentOf(100)
    for (let size = 1; size < bytes.byteLength; size += 97) {
      await expect(scan(bytes.subarray(0, size), { defaults })).rejects.toThrow(FormatError)
    }
  })

  it('is read or refused, but nothing else, when bytes of it are others', async () => {
    const { bytes, defaults } = segmentOf(10)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(1_500), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const changed = bytes.slice()
          for (const [at, value] of changes) changed[at] = value
          try {
            const { fragments } = await scan(changed, { defaults })
            for (const { samples } of fragments) {
              for (const { offset, sizeBytes } of samples) {
                expect(offset).toBeGreaterThanOrEqual(0)
                expect(offset + sizeBytes).toBeLessThanOrEqual(changed.byteLength)
              }
            }
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
