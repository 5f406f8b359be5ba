import { FormatError } from '../../lib/errors.ts'
import type { CodecConfig, Sample } from '../media.ts'
import { type Box, type BoxHeader, MAX_BOX_HEADER_BYTES, readBoxHeader } from './boxes.ts'
import { type Movie, readMovie } from './movie.ts'
import { readMovieFragment, type TrackFragment } from './movie-fragment.ts'

/** A video or audio track of the stream. */
export type ReadTrack = {
  readonly trackId: number
  /** Ticks per second, as the file has it. */
  readonly timescale: number
  /** BCP 47; absent where undetermined. */
  readonly language?: string
  readonly config: CodecConfig
}

/** What becomes whole in a stream of fragmented MP4, in its order. */
export type FragmentedMp4Event =
  /** A `moov`: what follows are samples of these tracks. */
  | { readonly type: 'init'; readonly tracks: readonly ReadTrack[] }
  /** `dtsTicks` is from `tfdt` and the durations before; times are in the track's timescale. */
  | { readonly type: 'sample'; readonly trackId: number; readonly durationTicks: number; readonly sample: Sample }

/** A `moof` up to this long is read in memory that is used again: nothing of it is kept. */
const SCRATCH_BYTES = 1_024
const DEFAULT_MAX_BOX_BYTES = 64 * 1024 * 1024

/** A box whose body is being collected. `path` of a top-level box is its type. */
type OpenBox = { readonly header: BoxHeader; readonly start: number; readonly body: Uint8Array; filled: number }

type PendingFragment = { readonly start: number; readonly tracks: readonly TrackFragment[] }

/**
 * Reads fragmented MP4 as it comes through a pipe or a socket (ISO/IEC 14496-12 §8.8), in pieces of any size. Keeps at most a
 * `moof`'s contents and one incomplete box, neither larger than `maxBoxBytes`. Edit lists aren't applied; boxes other than `moov`, `moof`
 * and its `mdat` are skipped without being kept.
 */
export class FragmentedMp4Reader {
  readonly #maxBoxBytes: number
  readonly #head = new Uint8Array(MAX_BOX_HEADER_BYTES)
  readonly #scratch = new Uint8Array(SCRATCH_BYTES)
  #headFilled = 0
  /** Bytes of the stream that were eaten. */
  #position = 0
  #skipLeft = 0
  #open: OpenBox | undefined
  #movie: Movie | undefined
  #audioTracks: ReadonlySet<number> = new Set()
  #ignoredTracks: ReadonlySet<number> = new Set()
  #fragment: PendingFragment | undefined
  #nextDecodeTicks = new Map<number, number>()
  #failure: FormatError | undefined

  constructor(limits: { maxBoxBytes?: number } = {}) {
    this.#maxBoxBytes = limits.maxBoxBytes ?? DEFAULT_MAX_BOX_BYTES
  }

  /**
   * Eats the next bytes and gives what became whole. A sample's data is a view on memory of the reader's making that is
   * never written again; samples of one fragment share it. Throws `FormatError`, and the same one ever after.
   */
  push(chunk: Uint8Array): FragmentedMp4Event[] {
    if (this.#failure !== undefined) throw this.#failure
    const events: FragmentedMp4Event[] = []
    try {
      let at = 0
      while (at < chunk.byteLength) {
        const eaten = this.#eat(chunk, at, events)
        at += eaten
        this.#position += eaten
      }
    } catch (error) {
      if (error instanceof FormatError) this.#failure = error
      throw error
    }
    return events
  }

  /** Takes at least one byte from `at` on and gives how many. */
  #eat(chunk: Uint8Array, at: number, events: FragmentedMp4Event[]): number {
    const available = chunk.byteLength - at
    if (this.#skipLeft > 0) {
      const skipped = Math.min(this.#skipLeft, available)
      this.#skipLeft -= skipped
      return skipped
    }
    const open = this.#open
    if (open === undefined) return this.#eatHeader(chunk, at, events)
    const taken = Math.min(open.body.byteLength - open.filled, available)
    open.body.set(chunk.subarray(at, at + taken), open.filled)
    open.filled += taken
    if (open.filled === open.body.byteLength) this.#closeBox(open, events)
    return taken
  }

  /** A header in one piece is read where it lies; one that is cut is put together byte by byte. Gives what it took. */
  #eatHeader(chunk: Uint8Array, at: number, events: FragmentedMp4Event[]): number {
    if (this.#headFilled === 0 && chunk.byteLength - at >= MAX_BOX_HEADER_BYTES) {
      const header = readBoxHeader(chunk.subarray(at, at + MAX_BOX_HEADER_BYTES), 'stream', this.#position)
      if (header !== undefined) {
        this.#openBox(header, this.#position, events)
        return header.headerSize
      }
    }
    this.#head[this.#headFilled++] = chunk[at] ?? 0
    const start = this.#position + 1 - this.#headFilled
    const header = readBoxHeader(this.#head.subarray(0, this.#headFilled), 'stream', start)
    if (header === undefined) return 1
    this.#headFilled = 0
    this.#openBox(header, start, events)
    return 1
  }

  /** Decides what to do with the box whose header is read. */
  #openBox(header: BoxHeader, start: number, events: FragmentedMp4Event[]): void {
    const { type, headerSize, size } = header
    if (size === 0) throw new FormatError(type, start, 'a box without an end in a stream')
    const isWanted = type === 'moov' || type === 'moof' || (type === 'mdat' && this.#fragment !== undefined)
    if (!isWanted) {
      this.#skipLeft = size - headerSize
      return
    }
    if (size > this.#maxBoxBytes)
      throw new FormatError(type, start, `${size} bytes, at most ${this.#maxBoxBytes} allowed`)
    const bodyBytes = size - headerSize
    const isScratch = type === 'moof' && bodyBytes <= SCRATCH_BYTES
    const body = isScratch ? this.#scratch.subarray(0, bodyBytes) : new Uint8Array(bodyBytes)
    const open = { header, start, body, filled: 0 }
    if (open.body.byteLength === 0) this.#closeBox(open, events)
    else this.#open = open
  }

  #closeBox(open: OpenBox, events: FragmentedMp4Event[]): void {
    this.#open = undefined
    const { type, headerSize, size } = open.header
    const box: Box = { type, path: type, start: open.start, headerSize, size, body: open.body }
    if (type === 'moov') events.push(this.#readMovie(box))
    else if (type === 'moof') this.#readFragment(box)
    else this.#readData(box, events)
  }

  #readMovie(moov: Box): FragmentedMp4Event {
    const movie = readMovie(moov)
    this.#movie = movie
    const audio = movie.tracks.filter((track) => track.config.kind === 'audio')
    this.#audioTracks = new Set(audio.map((track) => track.trackId))
    const known = new Set(movie.tracks.map((track) => track.trackId))
    this.#ignoredTracks = new Set([...movie.defaults.keys()].filter((trackId) => !known.has(trackId)))
    this.#fragment = undefined
    this.#nextDecodeTicks = new Map()
    return { type: 'init', tracks: movie.tracks }
  }

  #readFragment(moof: Box): void {
    if (this.#movie === undefined) throw new FormatError('moof', moof.start, 'no moov before it')
    if (this.#fragment !== undefined) throw new FormatError('moof', moof.start, 'the fragment before has no mdat')
    const tracks = readMovieFragment(moof, moof.start, this.#movie.defaults)
    // A fragment without samples need not have an mdat.
    if (tracks.some((track) => track.samples.length > 0)) this.#fragment = { start: moof.start, tracks }
  }

  #readData(mdat: Box, events: FragmentedMp4Event[]): void {
    const tracks = this.#fragment?.tracks ?? []
    this.#fragment = undefined
    const dataStart = mdat.start + mdat.headerSize
    for (const { trackId, baseDecodeTicks, samples } of tracks) {
      let dtsTicks = baseDecodeTicks ?? this.#nextDecodeTicks.get(trackId) ?? 0
      const isAudio = this.#audioTracks.has(trackId)
      const isIgnored = this.#ignoredTracks.has(trackId)
      for (const { offset, sizeBytes, durationTicks, compositionTicks, independent } of samples) {
        const from = offset - dataStart
        if (from < 0 || from + sizeBytes > mdat.body.byteLength) {
          throw new FormatError('moof/traf/trun', mdat.start, `${sizeBytes} bytes at ${offset} aren't in the mdat`)
        }
        if (!Number.isSafeInteger(dtsTicks)) throw new FormatError('moof/traf/tfdt', mdat.start, 'time past 2^53 - 1')
        const data = mdat.body.subarray(from, from + sizeBytes)
        const sample = { dtsTicks, compositionTicks, independent: independent || isAudio, data }
        if (!isIgnored) events.push({ type: 'sample', trackId, durationTicks, sample })
        dtsTicks += durationTicks
      }
      this.#nextDecodeTicks.set(trackId, dtsTicks)
    }
  }
}
