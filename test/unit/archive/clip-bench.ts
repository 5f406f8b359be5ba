import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach } from 'vitest'
import { initBlob } from '../../../src/archive/blob-names.ts'
import type { PictureEncoder } from '../../../src/archive/clip/clip-edges.ts'
import { type Clip, type ClipOptions, type ClipSource, makeClip } from '../../../src/archive/clip/make-clip.ts'
import { loadPresentation } from '../../../src/archive/load-presentation.ts'
import { readSegmentRange } from '../../../src/archive/segment-ranges.ts'
import { trackSpans } from '../../../src/archive/span-place.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { encodePictures } from '../../../src/transcode/picture-encoder.ts'
import { archived } from '../../support/archived.ts'
import { frames } from '../../support/progressive-opinion.ts'
import { encodeAudio, encodeVideo, Recording } from '../../support/recording.ts'

type Wish = { readonly range: ClipOptions['range']; readonly exact?: ClipOptions['exact'] }

const ffmpeg = { path: 'ffmpeg', version: '', encoders: new Set(['libx264']) }
const encode: PictureEncoder = (work, signal) => encodePictures(work, { ffmpeg, clock: systemClock }, signal)

export const between = (from: number, to: number) => ({
  from: { offsetMs: from * 1_000 },
  to: { offsetMs: to * 1_000 },
})

/** A recording of 24 s in segments of two, of which all but the newest two lie in storage, three to a span; made anew for each test. */
export class ClipBench {
  readonly scratch = mkdtempSync(join(tmpdir(), 'clip-opinion-'))
  readonly #media = { video: encodeVideo(24), small: encodeVideo(24, '64x48'), audio: encodeAudio(24) }
  readonly #signal = new AbortController().signal
  directory = ''
  storage!: FilesystemStorage
  recording!: Recording
  source!: ClipSource

  constructor() {
    beforeEach(() => this.#prepare())
    afterEach(() => rmSync(this.directory, { recursive: true, force: true }))
    afterAll(() => rmSync(this.scratch, { recursive: true, force: true }))
  }

  async #prepare(): Promise<void> {
    const { video, small, audio } = this.#media
    this.directory = mkdtempSync(join(tmpdir(), 'clip-'))
    this.storage = new FilesystemStorage(this.directory, [])
    this.recording = new Recording(
      [
        { rendition: 'video-1', media: video, atSeconds: 0 },
        { rendition: 'video-2', media: small, atSeconds: 0 },
        { rendition: 'audio-1', media: audio, atSeconds: -0.02 },
      ],
      {
        fragmentSamples: 10,
        header: { rewindWindowMs: 60_000, archiveWindowMs: 3_600_000, partDurationMs: 400, timeBaseTicks: 90_000 },
      },
    )
    this.source = await archived(this.recording, this.storage, 'as_1', { spanSegments: 3, spooledSegments: 2 })
  }

  clip({ range, exact = 'segment' }: Wish, isSourceStorage = true): Promise<Clip> {
    const identity = { id: 'as_2', epoch: 'e2' }
    const target = { storage: this.storage, folder: 'as_2', identity, isSourceStorage }
    const options: ClipOptions = exact === 'frame' ? { range, exact, encode } : { range, exact }
    return makeClip(this.source, target, options, systemClock, this.#signal)
  }

  /** The clip as an origin reads it: from its chunks alone. */
  async loaded(): Promise<Presentation> {
    const found = (await loadPresentation(this.storage, 'as_2', silentLogger))!
    const presentation = new Presentation(found.header)
    for (const record of found.records) presentation.apply(record)
    return presentation
  }

  /** A segment of the clip, read as an origin would. */
  segment(view: Presentation, rendition: number, sequence: number): Promise<Uint8Array | undefined> {
    const readable = { view, storage: this.storage, folder: 'as_2', spooled: async () => undefined }
    return readSegmentRange(readable, rendition, sequence, undefined, this.#signal)
  }

  /** Checksums of the pictures of a track of the clip: its init and its segments, joined. */
  async played(view: Presentation, track: number): Promise<string[]> {
    const initBytes = view.track(track)!.init.byteLength
    const parts = [(await this.storage.read(initBlob('as_2', track), { first: 0, last: initBytes - 1 }))!]
    for (const span of trackSpans(view, view.firstSequence, view.endSequence).filter((each) => each.track === track)) {
      const { index } = view.renditions.find(({ tracks }) => tracks.some((each) => each.track === track))!
      for (const sequence of span.sequences) parts.push((await this.segment(view, index, sequence))!)
    }
    const path = join(this.scratch, `played-${track}.mp4`)
    writeFileSync(path, Buffer.concat(parts))
    return frames(path, 'v').map(({ sum }) => sum)
  }

  /** The same of the recording. */
  sourceFrames(track: number): string[] {
    return frames(this.wholeTrack(track), 'v').map(({ sum }) => sum)
  }

  wholeTrack(track: number): string {
    const path = join(this.scratch, `source-${track}.mp4`)
    writeFileSync(path, this.recording.joined(track))
    return path
  }
}
