import { firstIndex } from '../lib/first-index.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import type { KeyFrameColumns } from './key-frame-columns.ts'

/** What the key frames of one rendition are a view of. */
type KeyFrameViewParts = {
  readonly header: PresentationHeader
  /** The rendition, with an index of its own: its key frames are read by it. */
  readonly rendition: Rendition
  readonly columns: KeyFrameColumns
  /** The segments before its first key frame: nothing of it is to be seen there. */
  readonly gaps: readonly SegmentRow[]
  /** Where the last picture ends, in the track's ticks. */
  readonly endTicks: number
}

/** 90 kHz. */
type Bounds = { readonly fromTicks: number; readonly toTicks: number }

/** Each key frame of one rendition as a segment of its own, which lasts until the next one; the numbers count them. */
export class KeyFrameView implements PresentationView {
  readonly header: PresentationHeader
  readonly version = 1
  readonly ended = true
  readonly archived = true
  readonly markers = []
  readonly renditions: readonly Rendition[]
  readonly firstSequence: number
  readonly endSequence: number
  readonly #parts: KeyFrameViewParts
  readonly #track: Track

  constructor(parts: KeyFrameViewParts, bounds?: Bounds) {
    const { header, rendition, columns, gaps } = parts
    this.#parts = parts
    this.#track = rendition.tracks[0] as Track
    this.renditions = [rendition]
    const count = gaps.length + columns.samples.length
    this.firstSequence = bounds ? firstIndex(0, count, (at) => this.#startOf(at) >= bounds.fromTicks) : 0
    this.endSequence = bounds ? firstIndex(0, count, (at) => this.#startOf(at) >= bounds.toTicks) : count
    this.header = { ...header, targetDurationMs: this.#targetMs(header.targetDurationMs) }
  }

  /** What of it starts within; the numbers are those of the whole. */
  within(bounds: Bounds): KeyFrameView {
    return new KeyFrameView(this.#parts, bounds)
  }

  /** The sample that a segment is. */
  sampleOf(sequence: number): number | undefined {
    return this.#parts.columns.samples[sequence - this.#parts.gaps.length]
  }

  track(track: number): Track | undefined {
    return track === this.#track.track ? this.#track : undefined
  }

  segment(sequence: number): SegmentRow | undefined {
    if (!this.#has(sequence)) return undefined
    const gap = this.#parts.gaps[sequence]
    if (gap) return { ...gap, sequence }
    const startTicks = this.#startOf(sequence)
    const endTicks = this.#toRow(this.#mediaEndOf(sequence))
    const durationTicks = Math.max(1, endTicks - startTicks)
    return { sequence, discontinuitySequence: 0, startTicks, durationTicks, wallMs: 0, gap: false }
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    const { rendition, columns, gaps } = this.#parts
    const at = sequence - gaps.length
    if (renditionIndex !== rendition.index || !this.#has(sequence) || at < 0) return undefined
    const startTicks = columns.startTicks[at] ?? 0
    const sizeBytes = columns.sizeBytes[at] ?? 0
    return {
      ...{ sequence, track: this.#track.track, startTicks, sizeBytes, leadingBytes: sizeBytes, independent: true },
      durationTicks: Math.max(1, this.#mediaEndOf(sequence) - startTicks),
    }
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return discontinuitySequence === 0 ? this.#startOf(0) : undefined
  }

  events(): undefined {
    return undefined
  }

  span(): undefined {
    return undefined
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    const { columns, gaps } = this.#parts
    const at = firstIndex(0, columns.samples.length, (key) => (columns.startTicks[key] ?? 0) >= startTicks)
    const found = this.renditionSegment(renditionIndex, gaps.length + at)
    return found?.startTicks === startTicks ? found : undefined
  }

  /** 90 kHz. */
  #startOf(sequence: number): number {
    const { columns, gaps } = this.#parts
    return gaps[sequence]?.startTicks ?? this.#toRow(columns.startTicks[sequence - gaps.length] ?? 0)
  }

  /** In the track's ticks. */
  #mediaEndOf(sequence: number): number {
    const { columns, gaps, endTicks } = this.#parts
    return columns.startTicks[sequence - gaps.length + 1] ?? endTicks
  }

  #toRow(ticks: number): number {
    return Math.round((ticks * PRESENTATION_TIMESCALE) / this.#track.timescale)
  }

  #has(sequence: number): boolean {
    return Number.isInteger(sequence) && sequence >= this.firstSequence && sequence < this.endSequence
  }

  /** Key frames may be further from each other than segments begin (RFC 8216 §4.3.3.1). */
  #targetMs(ofSegments: number): number {
    const { columns, gaps } = this.#parts
    let longest = 0
    for (let at = 0; at < columns.samples.length; at++) {
      const start = columns.startTicks[at] ?? 0
      longest = Math.max(longest, this.#mediaEndOf(gaps.length + at) - start)
    }
    return Math.max(ofSegments, Math.round(longest / this.#track.timescale) * 1_000)
  }
}
