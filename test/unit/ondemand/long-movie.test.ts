import { describe, expect, it } from 'vitest'
import { aacConfig } from '../../../src/media/codecs/aac.ts'
import { avcConfig } from '../../../src/media/codecs/avc.ts'
import { openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import { longMovieFile } from '../../support/long-movie.ts'

/** H.264, as x264 writes it of a small picture. */
const AVC = '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800'
const video = avcConfig(new Uint8Array(Buffer.from(AVC, 'hex')))
const audio = aacConfig(Uint8Array.of(0x11, 0x90))
const SIZE_BYTES = 10e9
/** 150 ms on a machine that has nothing else to do; the other tests run beside this one. */
const COLD_MS = 750
const GROWTH_BYTES = 40e6

describe('a film of three hours and 10 GB', () => {
  it('is opened without reading its media, in little time and memory', async () => {
    const { signal } = new AbortController()
    const file = longMovieFile({ hours: 3, sizeBytes: SIZE_BYTES, video, audio, moov: 'last' })
    let readBytes = 0
    let longestRead = 0
    const counted = {
      ...file,
      read: (range: { first: number; last: number }) => {
        readBytes += range.last + 1 - range.first
        longestRead = Math.max(longestRead, range.last + 1 - range.first)
        return file.read(range, signal)
      },
    }
    const startMs = performance.now()
    const presentation = await openFilePresentation('film', [counted], signal)
    expect(performance.now() - startMs).toBeLessThan(COLD_MS)
    const { view } = presentation
    expect(view.endSequence).toBe(1_800)
    expect(view.segment(1_799)).toMatchObject({ startTicks: 90_000 * (1 + 1_799 * 6), durationTicks: 540_000 })
    expect(readBytes).toBeLessThan(file.header.byteLength + 100_000)
    expect(presentation.memoryBytes).toBeLessThan(GROWTH_BYTES)

    readBytes = 0
    const said = view.renditionSegment(0, 1_234)
    const [segment] = (await presentation.read(0, 1_234, signal)) ?? []
    expect(segment?.byteLength).toBe(said?.sizeBytes)
    // The sound that lies between the pictures is read along.
    expect(readBytes).toBeLessThan((said?.sizeBytes ?? 0) * 1.1)

    // Of pictures between the sound only so much is read at once.
    readBytes = 0
    longestRead = 0
    const [sound] = (await presentation.read(1, 1_234, signal)) ?? []
    expect(sound?.byteLength).toBe(view.renditionSegment(1, 1_234)?.sizeBytes)
    expect(longestRead).toBeLessThan(1.5e6)
    expect(readBytes).toBeLessThan((said?.sizeBytes ?? 0) * 1.1)
  })
})
