import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chunkBlob, initBlob, spanBlob } from '../../../src/archive/blob-names.ts'
import { decodeChunk } from '../../../src/archive/chunk.ts'
import type { PictureEncoder } from '../../../src/archive/clip/clip-edges.ts'
import { type Clip, type ClipOptions, type ClipSource, makeClip } from '../../../src/archive/clip/make-clip.ts'
import { loadPresentation } from '../../../src/archive/load-presentation.ts'
import { readSegmentRange } from '../../../src/archive/segment-ranges.ts'
import { trackSpans } from '../../../src/archive/span-place.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import type { SegmentSource } from '../../../src/origin/ports.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { encodePictures } from '../../../src/transcode/picture-encoder.ts'
import { archived } from '../../support/archived.ts'
import { planOf } from '../../support/downloaded.ts'
import { frames, probe } from '../../support/progressive-opinion.ts'
import { encodeAudio, encodeVideo, Recording } from '../../support/recording.ts'

const video = encodeVideo(24)
const small = encodeVideo(24, '64x48')
const audio = encodeAudio(24)
const SPAN = 3

let directory: string
let storage: FilesystemStorage
let recording: Recording
let source: ClipSource

async function prepare(): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), 'clip-'))
  storage = new FilesystemStorage(directory, [])
  recording = new Recording(
    [
      { rendition: 'video-1', media: video, atSeconds: 0 },
      { rendition: 'video-2', media: small, atSeconds: 0 },
      { rendition: 'audio-1', media: audio, atSeconds: -0.02 },
    ],
    { fragmentSamples: 10, header: { rewindWindowMs: 60_000, archiveWindowMs: 3_600_000, partDurationMs: 400 } },
  )
  source = await archived(recording, storage, 'as_1', { spanSegments: SPAN, spooledSegments: 2 })
}

beforeEach(prepare)
afterEach(() => rmSync(directory, { recursive: true, force: true }))
const scratch = mkdtempSync(join(tmpdir(), 'clip-opinion-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const ffmpeg = { path: 'ffmpeg', version: '', encoders: new Set(['libx264']) }
const encode: PictureEncoder = (work, ending) => encodePictures(work, { ffmpeg, clock: systemClock }, ending)

const identity = { id: 'as_2', epoch: 'e2' }
const { signal } = new AbortController()

type Wish = { readonly range: ClipOptions['range']; readonly exact?: ClipOptions['exact'] }

function clip({ range, exact = 'segment' }: Wish, isSourceStorage = true): Promise<Clip> {
  const target = { storage, folder: 'as_2', identity, isSourceStorage }
  const options: ClipOptions = exact === 'frame' ? { range, exact, encode } : { range, exact }
  return makeClip(source, target, options, signal)
}

const between = (from: number, to: number) => ({ from: { offsetMs: from * 1_000 }, to: { offsetMs: to * 1_000 } })

/** The clip as an origin reads it: from its chunks alone. */
async function loaded(): Promise<Presentation> {
  const found = (await loadPresentation(storage, 'as_2', silentLogger))!
  const presentation = new Presentation(found.header)
  for (const record of found.records) presentation.apply(record)
  return presentation
}

/** A segment of the clip, read as an origin would. */
function segment(view: Presentation, rendition: number, sequence: number): Promise<Uint8Array | undefined> {
  const readable = { view, storage, folder: 'as_2', spooled: async () => undefined }
  return readSegmentRange(readable, rendition, sequence, undefined, signal)
}

async function played(view: Presentation, track: number, name: string): Promise<{ time: number; sum: string }[]> {
  const parts = [
    (await storage.read(initBlob('as_2', track), { first: 0, last: view.track(track)!.init.byteLength - 1 }))!,
  ]
  for (const span of trackSpans(view, view.firstSequence, view.endSequence).filter((each) => each.track === track)) {
    const { index } = view.renditions.find(({ tracks }) => tracks.some((each) => each.track === track))!
    for (const sequence of span.sequences) parts.push((await segment(view, index, sequence))!)
  }
  const path = join(scratch, `${name}-${track}.mp4`)
  writeFileSync(path, Buffer.concat(parts))
  return frames(path, view.track(track)!.config.kind === 'video' ? 'v' : 'a')
}

function sourceFrames(track: number): string[] {
  const path = join(scratch, `source-${track}.mp4`)
  writeFileSync(path, recording.joined(track))
  return frames(path, 'v').map(({ sum }) => sum)
}

describe('a clip of whole segments', () => {
  it('is a recording of its own, with the segments that the range touches, as they were', async () => {
    const made = await clip({ range: between(5, 20.5) })
    const view = await loaded()
    expect(view.header).toMatchObject({ ...identity, targetDurationMs: 2_000 })
    expect(view.header.rewindWindowMs).toBeUndefined()
    expect(view.header.archiveWindowMs).toBeUndefined()
    expect(made.presentation.ended).toBe(true)
    const lastChunk = await Array.fromAsync((await storage.readRange(chunkBlob('as_2', 10), undefined))!.stream)
    expect(decodeChunk(Buffer.concat(lastChunk)).at(-1)).toEqual({ type: 'ended' })
    expect([view.firstSequence, view.endSequence]).toEqual([2, 11])
    expect(made.durationMs).toBe(18_000)
    let mediaBytes = 0
    for (const { index } of view.renditions) {
      for (let sequence = 2; sequence < 11; sequence++) {
        const bytes = (await segment(view, index, sequence))!
        expect(Buffer.from(bytes).equals(recording.bytes.get(`${index}/${sequence}`)!)).toBe(true)
        expect(view.renditionSegment(index, sequence)).toEqual(recording.presentation.renditionSegment(index, sequence))
        expect(view.segment(sequence)).toEqual(recording.presentation.segment(sequence))
        mediaBytes += bytes.byteLength
      }
    }
    expect(made.mediaBytes).toBe(mediaBytes)
    expect([...made.presentation.records()].filter(({ type }) => type !== 'ended')).toEqual(
      [...view.records()].filter(({ type }) => type !== 'span'),
    )
  })

  it('has whole spans linked and not copied, and no bytes of what it does not take', async () => {
    const made = await clip({ range: between(5, 20.5) })
    const inode = (folder: string, sequence: number) => {
      const ticks = recording.presentation.renditionSegment(0, sequence)!.startTicks
      return statSync(join(directory, spanBlob(folder, 1, ticks))).ino
    }
    expect(inode('as_2', 3)).toBe(inode('as_1', 3))
    expect(inode('as_2', 6)).toBe(inode('as_1', 6))
    const span = (first: number) => {
      const ticks = recording.presentation.renditionSegment(0, first)!.startTicks
      return statSync(join(directory, spanBlob('as_2', 1, ticks))).size
    }
    const size = (sequence: number) => recording.bytes.get(`0/${sequence}`)!.byteLength
    expect(span(2)).toBe(size(2))
    expect(span(9)).toBe(size(9))
    expect(span(10)).toBe(size(10))
    const whole = [3, 4, 5, 6, 7, 8, 9].flatMap((sequence) =>
      [0, 1, 2].map((each) => recording.bytes.get(`${each}/${sequence}`)!.byteLength),
    )
    expect(made.copiedBytes).toBe(whole.reduce((sum, bytes) => sum + bytes))
  })

  it('is the same where the storages are two, and by the wall clock', async () => {
    const startMs = recording.startSeconds * 1_000
    const range = { from: { wallMs: startMs + 5_000 }, to: { wallMs: startMs + 20_500 } }
    const made = await clip({ range }, false)
    expect(made.copiedBytes).toBe(0)
    const view = await loaded()
    expect([view.firstSequence, view.endSequence]).toEqual([2, 11])
    expect(Buffer.from((await segment(view, 2, 7))!).equals(recording.bytes.get('2/7')!)).toBe(true)
  })

  it('is played by ffmpeg, every picture', async () => {
    await clip({ range: between(4, 8) })
    const view = await loaded()
    const sums = (await played(view, 1, 'segment')).map(({ sum }) => sum)
    expect(sums).toEqual(sourceFrames(1).slice(100, 200))
  })

  it('of any range has every segment at its place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2_300),
        fc.integer({ min: 1, max: 1_500 }),
        fc.constantFrom('segment' as const, 'gop' as const),
        async (from, length, exact) => {
          rmSync(join(directory, 'as_2'), { recursive: true, force: true })
          const to = Math.min(2_400, from + length)
          const made = await clip({ range: between(from / 100, to / 100), exact })
          const view = await loaded()
          const first = view.segment(view.firstSequence)!
          const last = view.segment(view.endSequence - 1)!
          const start = first.startTicks / 90_000 - recording.startSeconds
          const end = (last.startTicks + last.durationTicks) / 90_000 - recording.startSeconds
          expect(start).toBeLessThanOrEqual(from / 100)
          expect(end).toBeGreaterThanOrEqual(to / 100)
          const slack = exact === 'gop' ? 1 : 2
          expect(from / 100 - start).toBeLessThan(slack + 0.01)
          expect(end - to / 100).toBeLessThan(slack + 0.01)
          expect(made.durationMs).toBeCloseTo((end - start) * 1_000, 3)
          for (const { index } of view.renditions) {
            for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
              const { sizeBytes } = view.renditionSegment(index, sequence)!
              const bytes = (await segment(view, index, sequence))!
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
    await clip({ range: { from: { offsetMs: 15_000 } } })
    expect((await loaded()).endSequence).toBe(12)
    const late = clip({ range: between(15, 30) })
    await expect(late).rejects.toMatchObject({
      code: 'CLIP_NOT_YET',
      message: expect.stringContaining('2025-10-09T08:53:44'),
    })
    recording.presentation.apply({ type: 'ended' })
    await clip({ range: between(15, 30) })
  })

  it('of nothing is refused', async () => {
    await expect(clip({ range: between(8, 8) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    recording.presentation.apply({ type: 'ended' })
    await expect(clip({ range: between(25, 30) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    recording.presentation.apply({ type: 'lost', firstSequence: 10, endSequence: 11 })
    await expect(clip({ range: between(20.1, 21.9) })).rejects.toMatchObject({ code: 'CLIP_EMPTY' })
    await clip({ range: between(19, 24) })
    const view = await loaded()
    expect([8, 9, 10, 11].map((sequence) => view.segment(sequence)?.gap)).toEqual([undefined, false, true, false])
  })

  it('leaves nothing behind where the recording discards what is to be copied', async () => {
    const ticks = recording.presentation.renditionSegment(1, 6)!.startTicks
    await storage.delete(spanBlob('as_1', 2, ticks))
    await expect(clip({ range: between(1, 20) })).rejects.toMatchObject({ code: 'SEGMENT_GONE' })
    expect(await Array.fromAsync(storage.list('as_2'))).toEqual([])
  })

  it('made twice is the same', async () => {
    const blobs = async () => {
      const found: Record<string, string> = {}
      for await (const { name, sizeBytes } of storage.list('as_2')) {
        found[name] = Buffer.from((await storage.read(name, { first: 0, last: sizeBytes - 1 }))!).toString('base64')
      }
      return found
    }
    await clip({ range: between(5, 9), exact: 'gop' })
    const first = await blobs()
    await clip({ range: between(5, 9), exact: 'gop' })
    expect(await blobs()).toEqual(first)
  })
})

describe('a clip of whole groups of pictures', () => {
  it('begins with the key frame before, ends with the one after, and decodes to exactly those pictures', async () => {
    const made = await clip({ range: between(5.3, 17.7), exact: 'gop' })
    const view = await loaded()
    const first = view.segment(view.firstSequence)!
    expect(first.startTicks / 90_000 - recording.startSeconds).toBeCloseTo(5, 6)
    expect(first.wallMs).toBe((recording.startSeconds + 5) * 1_000)
    expect(made.durationMs).toBeCloseTo(13_000, 3)
    for (const track of [1, 2]) {
      const sums = (await played(view, track, 'gop')).map(({ sum }) => sum)
      expect(sums).toEqual(sourceFrames(track).slice(125, 450))
    }
    const sound = view.renditionSegment(2, view.firstSequence)!
    expect(Math.abs(sound.startTicks / 48_000 - recording.startSeconds - 5)).toBeLessThan(0.011)
    const lastSound = view.renditionSegment(2, view.endSequence - 1)!
    const soundEnd = (lastSound.startTicks + lastSound.durationTicks) / 48_000 - recording.startSeconds
    expect(Math.abs(soundEnd - 18)).toBeLessThan(0.011)
  })

  it('may lie within one segment', async () => {
    await clip({ range: between(5.3, 5.4), exact: 'gop' })
    const view = await loaded()
    expect([view.firstSequence, view.endSequence]).toEqual([2, 3])
    const sums = (await played(view, 1, 'short')).map(({ sum }) => sum)
    expect(sums).toEqual(sourceFrames(1).slice(125, 150))
  })

  it('leaves segments as they are where there is nothing to cut away', async () => {
    await clip({ range: between(4, 8), exact: 'gop' })
    const view = await loaded()
    expect(Buffer.from((await segment(view, 0, 2))!).equals(recording.bytes.get('0/2')!)).toBe(true)
    expect(Buffer.from((await segment(view, 0, 3))!).equals(recording.bytes.get('0/3')!)).toBe(true)
  })

  it('of sound alone is cut at its frames', async () => {
    const only = new Recording([{ rendition: 'audio-1', media: audio, atSeconds: 0 }])
    source = await archived(only, storage, 'as_3', { spanSegments: 4, spooledSegments: 0 })
    const made = await clip({ range: between(3.3, 9.1), exact: 'gop' })
    expect(Math.abs(made.durationMs - 5_800)).toBeLessThan(50)
    const sound = made.presentation.renditionSegment(0, made.presentation.firstSequence)!
    expect(Math.abs(sound.startTicks / 48_000 - only.startSeconds - 3.3)).toBeLessThan(0.022)
  })
})

describe('a clip from one picture to another', () => {
  /** Mean difference of two pictures' brightness, by ffmpeg's PSNR of a clip's track against the recording's pictures. */
  function psnr(name: string, track: number, first: number, count: number): number {
    const original = join(scratch, `whole-${track}.mp4`)
    writeFileSync(original, recording.joined(track))
    const select = `[1:v]select='between(n,${first},${first + count - 1})',setpts=N[b];[0:v]setpts=N[a];[a][b]psnr`
    const args = ['-hide_banner', '-nostdin', '-i', join(scratch, `${name}.mp4`), '-i', original]
    const { stderr } = spawnSync('ffmpeg', [...args, '-filter_complex', select, '-f', 'null', '-'], {
      encoding: 'utf8',
    })
    return Number(/min:([\d.]+|inf)/.exec(stderr)?.[1]?.replace('inf', 'Infinity'))
  }

  /** The clip as one MP4, as it is downloaded. */
  async function downloaded(name: string, renditions: readonly string[]): Promise<string> {
    const view = await loaded()
    view.apply({ type: 'ended' })
    const kept = { presentation: view, startSeconds: recording.startSeconds, source: { read: rangeOf(view) } }
    const path = join(scratch, `${name}.mp4`)
    writeFileSync(path, await (await planOf(kept, renditions)).bytes())
    return path
  }

  function rangeOf(view: Presentation): SegmentSource['read'] {
    const readable = { view, storage, folder: 'as_2', spooled: async () => undefined }
    return (_id, ...rest) => readSegmentRange(readable, ...rest)
  }

  it.each([
    { name: 'over segments', from: 5.3, to: 17.72, rows: [5.28, 6, 16, 17, 17.72] },
    { name: 'within one group of pictures', from: 5.3, to: 5.72, rows: [5.28, 5.72] },
    { name: 'over a key frame within a segment', from: 4.52, to: 5.48, rows: [4.52, 5, 5.48] },
    { name: 'from a key frame on', from: 5, to: 8.4, rows: [5, 6, 8, 8.4] },
    { name: 'to a key frame', from: 4.2, to: 7, rows: [4.2, 5, 6, 7] },
  ])('$name has those pictures, and nothing else', async ({ name, from, to, rows }) => {
    const made = await clip({ range: between(from, to), exact: 'frame' })
    const view = await loaded()
    const starts: number[] = []
    for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
      starts.push(view.segment(sequence)!.startTicks / 90_000 - recording.startSeconds)
    }
    for (const start of rows.slice(0, -1)) expect(starts.some((each) => Math.abs(each - start) < 0.001)).toBe(true)
    expect(starts[0]).toBeCloseTo(rows[0]!, 3)
    expect(made.durationMs).toBeCloseTo((rows.at(-1)! - rows[0]!) * 1_000, 1)
    const count = Math.round((rows.at(-1)! - rows[0]!) * 25)
    for (const [index, rendition] of ['video-1', 'video-2'].entries()) {
      const file = `${name} ${rendition}`
      const path = await downloaded(file, [rendition])
      expect(frames(path, 'v', '-autorotate', '0')).toHaveLength(count)
      expect(psnr(file, index + 1, Math.round(rows[0]! * 25), count)).toBeGreaterThan(35)
    }
    const { streams, packets } = probe(await downloaded(`${name} both`, ['video-1', 'audio-1']))
    expect(streams.map(({ codec_type }) => codec_type)).toEqual(['video', 'audio'])
    expect(Math.abs(Number(streams[1]!.duration) - count / 25)).toBeLessThan(0.045)
    const shown = packets.filter(({ stream_index }) => stream_index === 0).map(({ pts }) => pts)
    expect(shown.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, at) => at * 3_600))
  })

  it('says where it was encoded anew, and keeps the middle as it was', async () => {
    await clip({ range: between(5.3, 17.72), exact: 'frame' })
    const view = await loaded()
    expect(view.renditions.map(({ tracks }) => tracks.map(({ track }) => track))).toEqual([[4, 1], [5, 2], [3]])
    const stretches: number[] = []
    for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
      stretches.push(view.segment(sequence)!.discontinuitySequence)
    }
    expect(stretches).toEqual([0, 1, 1, 1, 1, 1, 1, 2])
    const middle = await segment(view, 0, view.firstSequence + 2)
    const original = [...recording.bytes].filter(([key]) => key.startsWith('0/')).map(([, bytes]) => Buffer.from(bytes))
    expect(original.some((bytes) => bytes.equals(middle!))).toBe(true)
  })
})
