import { randomBytes } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { chunkBlob, spanBlob } from '../../../src/archive/blob-names.ts'
import { decodeChunk } from '../../../src/archive/chunk.ts'
import { EncryptedStorage } from '../../../src/storage/encrypted-storage.ts'
import type { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { archived } from '../../support/archived.ts'
import { encodeAudio, Recording } from '../../support/recording.ts'
import { between, ClipBench } from './clip-bench.ts'

// ffmpeg is asked again and again, beside whatever else runs.
vi.setConfig({ testTimeout: 30_000 })

const bench = new ClipBench()

describe('a clip of whole segments', () => {
  it('is a recording of its own, with the segments that the range touches, as they were', async () => {
    const made = await bench.clip({ range: between(5, 20.5) })
    const view = await bench.loaded()
    expect(view.header).toMatchObject({ id: 'as_2', epoch: 'e2', targetDurationMs: 2_000, timeBaseTicks: 90_000 })
    expect(view.header.rewindWindowMs).toBeUndefined()
    expect(view.header.archiveWindowMs).toBeUndefined()
    expect(made.presentation.ended).toBe(true)
    const lastChunk = await Array.fromAsync((await bench.storage.readRange(chunkBlob('as_2', 10), undefined))!.stream)
    expect(decodeChunk(Buffer.concat(lastChunk)).at(-1)).toEqual({ type: 'ended' })
    expect([view.firstSequence, view.endSequence]).toEqual([2, 11])
    expect(made.durationMs).toBe(18_000)
    let mediaBytes = 0
    for (const { index } of view.renditions) {
      for (let sequence = 2; sequence < 11; sequence++) {
        const bytes = (await bench.segment(view, index, sequence))!
        expect(Buffer.from(bytes).equals(bench.recording.bytes.get(`${index}/${sequence}`)!)).toBe(true)
        expect(view.renditionSegment(index, sequence)).toEqual(
          bench.recording.presentation.renditionSegment(index, sequence),
        )
        expect(view.segment(sequence)).toEqual(bench.recording.presentation.segment(sequence))
        mediaBytes += bytes.byteLength
      }
    }
    expect(made.mediaBytes).toBe(mediaBytes)
    expect([...made.presentation.records()].filter(({ type }) => type !== 'ended')).toEqual(
      [...view.records()].filter(({ type }) => type !== 'span'),
    )
  })

  it('has whole spans linked and not copied, and no bytes of what it does not take', async () => {
    const made = await bench.clip({ range: between(5, 20.5) })
    const inode = (folder: string, sequence: number) => {
      const ticks = bench.recording.presentation.renditionSegment(0, sequence)!.startTicks
      return statSync(join(bench.directory, spanBlob(folder, 1, ticks))).ino
    }
    expect(inode('as_2', 3)).toBe(inode('as_1', 3))
    expect(inode('as_2', 6)).toBe(inode('as_1', 6))
    const span = (first: number) => {
      const ticks = bench.recording.presentation.renditionSegment(0, first)!.startTicks
      return statSync(join(bench.directory, spanBlob('as_2', 1, ticks))).size
    }
    const size = (sequence: number) => bench.recording.bytes.get(`0/${sequence}`)!.byteLength
    expect(span(2)).toBe(size(2))
    expect(span(9)).toBe(size(9))
    expect(span(10)).toBe(size(10))
    const whole = [3, 4, 5, 6, 7, 8, 9].flatMap((sequence) =>
      [0, 1, 2].map((each) => bench.recording.bytes.get(`${each}/${sequence}`)!.byteLength),
    )
    expect(made.copiedBytes).toBe(whole.reduce((sum, bytes) => sum + bytes))
  })

  it('is the same where the storages are two, and by the wall clock', async () => {
    const startMs = bench.recording.startSeconds * 1_000
    const range = { from: { wallMs: startMs + 5_000 }, to: { wallMs: startMs + 20_500 } }
    const made = await bench.clip({ range }, false)
    expect(made.copiedBytes).toBe(0)
    const view = await bench.loaded()
    expect([view.firstSequence, view.endSequence]).toEqual([2, 11])
    expect(Buffer.from((await bench.segment(view, 2, 7))!).equals(bench.recording.bytes.get('2/7')!)).toBe(true)
  })

  it('is played by ffmpeg, every picture', async () => {
    await bench.clip({ range: between(4, 8) })
    const view = await bench.loaded()
    const sums = await bench.played(view, 1)
    expect(sums).toEqual(bench.sourceFrames(1).slice(100, 200))
  })

  it('of any range has every segment at its place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2_300),
        fc.integer({ min: 1, max: 1_500 }),
        fc.constantFrom('segment' as const, 'gop' as const),
        async (from, length, exact) => {
          rmSync(join(bench.directory, 'as_2'), { recursive: true, force: true })
          const to = Math.min(2_400, from + length)
          const made = await bench.clip({ range: between(from / 100, to / 100), exact })
          const view = await bench.loaded()
          const first = view.segment(view.firstSequence)!
          const last = view.segment(view.endSequence - 1)!
          const start = first.startTicks / 90_000 - bench.recording.startSeconds
          const end = (last.startTicks + last.durationTicks) / 90_000 - bench.recording.startSeconds
          expect(start).toBeLessThanOrEqual(from / 100)
          expect(end).toBeGreaterThanOrEqual(to / 100)
          const slack = exact === 'gop' ? 1 : 2
          expect(from / 100 - start).toBeLessThan(slack + 0.01)
          expect(end - to / 100).toBeLessThan(slack + 0.01)
          expect(made.durationMs).toBeCloseTo((end - start) * 1_000, 3)
          for (const { index } of view.renditions) {
            for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
              const { sizeBytes } = view.renditionSegment(index, sequence)!
              const bytes = (await bench.segment(view, index, sequence))!
              expect(bytes.byteLength).toBe(sizeBytes)
              expect(Buffer.from(bytes.subarray(4, 8)).toString()).toBe('styp')
            }
          }
        },
      ),
      { numRuns: 15 },
    )
  }, 30_000)

  it('may be of a recording that goes on, up to where it is', async () => {
    await bench.clip({ range: { from: { offsetMs: 15_000 } } })
    expect((await bench.loaded()).endSequence).toBe(12)
    const late = bench.clip({ range: between(15, 30) })
    await expect(late).rejects.toMatchObject({
      code: 'CLIP_NOT_YET',
      message: expect.stringContaining('2025-10-09T08:53:44'),
    })
    bench.recording.presentation.apply({ type: 'ended' })
    await bench.clip({ range: between(15, 30) })
  })

  it('of nothing is refused', async () => {
    await expect(bench.clip({ range: between(8, 8) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    bench.recording.presentation.apply({ type: 'ended' })
    await expect(bench.clip({ range: between(25, 30) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    bench.recording.presentation.apply({ type: 'lost', firstSequence: 10, endSequence: 11 })
    await expect(bench.clip({ range: between(20.1, 21.9) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    await bench.clip({ range: between(19, 24) })
    const view = await bench.loaded()
    expect([8, 9, 10, 11].map((sequence) => view.segment(sequence)?.gap)).toEqual([undefined, false, true, false])
  })

  it('leaves nothing behind where the recording discards what is to be copied', async () => {
    const ticks = bench.recording.presentation.renditionSegment(1, 6)!.startTicks
    await bench.storage.delete(spanBlob('as_1', 2, ticks))
    await expect(bench.clip({ range: between(1, 20) })).rejects.toMatchObject({ code: 'SEGMENT_GONE' })
    expect(await Array.fromAsync(bench.storage.list('as_2'))).toEqual([])
  })

  it('of an encrypted recording has sealed blobs linked as they are, and is read under the same key', async () => {
    const key = randomBytes(32)
    const sealed = new EncryptedStorage(bench.storage, key)
    const other = new Recording([{ rendition: 'audio-1', media: encodeAudio(12), atSeconds: 0 }])
    bench.source = await archived(other, sealed, 'as_1', { spanSegments: 2, spooledSegments: 0 })
    const plain = bench.storage
    bench.storage = sealed as unknown as FilesystemStorage
    const made = await bench.clip({ range: between(3, 9), exact: 'gop' })
    expect(made.copiedBytes).toBeGreaterThan(0)
    const view = await bench.loaded()
    const copied = view.renditionSegment(0, 2)!
    const name = (folder: string) => spanBlob(folder, 1, copied.startTicks)
    const inode = (folder: string) => statSync(join(bench.directory, name(folder))).ino
    expect(inode('as_2')).toBe(inode('as_1'))
    for (const sequence of [2, 3]) {
      const bytes = (await bench.segment(view, 0, sequence))!
      expect(Buffer.from(bytes).equals(other.bytes.get(`0/${sequence}`)!)).toBe(true)
    }
    const raw = (await plain.read(name('as_2'), { first: 0, last: copied.sizeBytes - 1 }))!
    expect(Buffer.from(raw).includes('moof')).toBe(false)
  })

  it('made twice is the same', async () => {
    const blobs = async () => {
      const found: Record<string, string> = {}
      for await (const { name, sizeBytes } of bench.storage.list('as_2')) {
        found[name] = Buffer.from((await bench.storage.read(name, { first: 0, last: sizeBytes - 1 }))!).toString(
          'base64',
        )
      }
      return found
    }
    await bench.clip({ range: between(5, 9), exact: 'gop' })
    const first = await blobs()
    await bench.clip({ range: between(5, 9), exact: 'gop' })
    expect(await blobs()).toEqual(first)
  })
})

describe('a clip of whole groups of pictures', () => {
  it('begins with the key frame before, ends with the one after, and decodes to exactly those pictures', async () => {
    const made = await bench.clip({ range: between(5.3, 17.7), exact: 'gop' })
    const view = await bench.loaded()
    const first = view.segment(view.firstSequence)!
    expect(first.startTicks / 90_000 - bench.recording.startSeconds).toBeCloseTo(5, 6)
    expect(first.wallMs).toBe((bench.recording.startSeconds + 5) * 1_000)
    expect(made.durationMs).toBeCloseTo(13_000, 3)
    for (const track of [1, 2]) {
      const sums = await bench.played(view, track)
      expect(sums).toEqual(bench.sourceFrames(track).slice(125, 450))
    }
    const sound = view.renditionSegment(2, view.firstSequence)!
    expect(Math.abs(sound.startTicks / 48_000 - bench.recording.startSeconds - 5)).toBeLessThan(0.011)
    const lastSound = view.renditionSegment(2, view.endSequence - 1)!
    const soundEnd = (lastSound.startTicks + lastSound.durationTicks) / 48_000 - bench.recording.startSeconds
    expect(Math.abs(soundEnd - 18)).toBeLessThan(0.011)
  })

  it('may lie within one segment', async () => {
    await bench.clip({ range: between(5.3, 5.4), exact: 'gop' })
    const view = await bench.loaded()
    expect([view.firstSequence, view.endSequence]).toEqual([2, 3])
    const sums = await bench.played(view, 1)
    expect(sums).toEqual(bench.sourceFrames(1).slice(125, 150))
  })

  it('leaves segments as they are where there is nothing to cut away', async () => {
    await bench.clip({ range: between(4, 8), exact: 'gop' })
    const view = await bench.loaded()
    expect(Buffer.from((await bench.segment(view, 0, 2))!).equals(bench.recording.bytes.get('0/2')!)).toBe(true)
    expect(Buffer.from((await bench.segment(view, 0, 3))!).equals(bench.recording.bytes.get('0/3')!)).toBe(true)
  })

  it('of sound alone is cut at its frames', async () => {
    const only = new Recording([{ rendition: 'audio-1', media: encodeAudio(12), atSeconds: 0 }])
    bench.source = await archived(only, bench.storage, 'as_3', { spanSegments: 4, spooledSegments: 0 })
    const made = await bench.clip({ range: between(3.3, 9.1), exact: 'gop' })
    expect(Math.abs(made.durationMs - 5_800)).toBeLessThan(50)
    const sound = made.presentation.renditionSegment(0, made.presentation.firstSequence)!
    expect(Math.abs(sound.startTicks / 48_000 - only.startSeconds - 3.3)).toBeLessThan(0.022)
  })
})
