import { firstIndex } from '../lib/first-index.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import type { CutPlan } from './cut-plan.ts'
import type { KeyFrameColumns } from './key-frame-columns.ts'
import { KeyFrameView } from './key-frame-view.ts'
import type { SegmentColumns } from './segment-columns.ts'

/** What a view is made of; `columns` are those of the renditions, one by one. */
export type FileViewParts = {
  readonly header: PresentationHeader
  readonly tracks: readonly Track[]
  readonly columns: readonly SegmentColumns[]
  readonly plan: CutPlan
  /** The key frames of a rendition; asked for once, when somebody wants them. */
  readonly keyFrames?: (rendition: Rendition) => KeyFrameColumns | undefined
}

/** Files as a presentation that ended long ago: all is listed, nothing changes, segments are numbered from 0. */
export class FileView implements PresentationView {
  readonly header: PresentationHeader
  readonly version = 1
  readonly ended = true
  readonly archived = true
  readonly markers = []
  readonly firstSequence = 0
  readonly endSequence: number
  readonly renditions: readonly Rendition[]
  readonly #tracks: readonly Track[]
  readonly #columns: readonly SegmentColumns[]
  /** 90 kHz, the end too. */
  readonly #rowTicks: Float64Array
  readonly #keyFramesOf: FileViewParts['keyFrames']
  readonly #keyFrames = new Map<number, KeyFrameView | undefined>()

  constructor({ header, tracks, columns, plan, keyFrames }: FileViewParts) {
    this.#keyFramesOf = keyFrames
    this.header = header
    this.#tracks = tracks
    this.#columns = columns
    this.#rowTicks = Float64Array.from(plan.instants, (seconds) => Math.round(seconds * PRESENTATION_TIMESCALE))
    this.endSequence = plan.instants.length - 1
    this.renditions = tracks.map((track, index) => ({
      index,
      name: track.rendition,
      kind: track.config.kind,
      tracks: [track],
    }))
  }

  get memoryBytes(): number {
    const arrays = this.#columns.flatMap((columns) => Object.values(columns))
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, this.#rowTicks.byteLength)
  }

  track(track: number): Track | undefined {
    return this.#tracks[track - 1]
  }

  segment(sequence: number): SegmentRow | undefined {
    if (!this.#has(sequence)) return undefined
    const startTicks = this.#rowTicks[sequence] ?? 0
    const durationTicks = Math.max(1, (this.#rowTicks[sequence + 1] ?? 0) - startTicks)
    const gap = this.#columns.every(({ samples }) => samples[sequence] === 0)
    return { sequence, discontinuitySequence: 0, startTicks, durationTicks, wallMs: 0, gap }
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    const columns = this.#columns[renditionIndex]
    if (!columns || !this.#has(sequence) || columns.samples[sequence] === 0) return undefined
    return {
      sequence,
      track: renditionIndex + 1,
      startTicks: columns.startTicks[sequence] ?? 0,
      durationTicks: columns.durationTicks[sequence] ?? 0,
      sizeBytes: columns.sizeBytes[sequence] ?? 0,
      leadingBytes: columns.leadingBytes[sequence] ?? 0,
      independent: columns.independent[sequence] === 1,
    }
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return discontinuitySequence === 0 ? this.#rowTicks[0] : undefined
  }

  events(): undefined {
    return undefined
  }

  span(): undefined {
    return undefined
  }

  keyFrames(
    renditionIndex: number,
    bounds?: { readonly fromTicks: number; readonly toTicks: number },
  ): KeyFrameView | undefined {
    if (!this.#keyFrames.has(renditionIndex)) this.#keyFrames.set(renditionIndex, this.#keyFrameView(renditionIndex))
    const all = this.#keyFrames.get(renditionIndex)
    return bounds ? all?.within(bounds) : all
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    const columns = this.#columns[renditionIndex]
    const track = this.#tracks[renditionIndex]
    if (!columns || !track) return undefined
    const ticks = (startTicks / track.timescale) * PRESENTATION_TIMESCALE
    const low = firstIndex(0, this.endSequence, (sequence) => (this.#rowTicks[sequence] ?? 0) > ticks)
    // Sound may begin half a frame before its row, and what is reordered reaches back a little further.
    for (let sequence = Math.max(0, low - 3); sequence < low + 3; sequence++) {
      const found = this.renditionSegment(renditionIndex, sequence)
      if (found?.startTicks === startTicks) return found
    }
    return undefined
  }

  /** Where every segment has just the key frame that it begins with, its beginning says all. */
  #keyFrameView(renditionIndex: number): KeyFrameView | undefined {
    const rendition = this.renditions[renditionIndex]
    const own = this.#columns[renditionIndex]
    const columns = rendition && this.#keyFramesOf?.(rendition)
    if (!columns || !own) return undefined
    const beginnings = own.independent.reduce((sum, independent) => sum + independent, 0)
    if (columns.samples.length <= beginnings) return undefined
    const first = own.samples.findIndex((samples) => samples > 0)
    const last = own.samples.findLastIndex((samples) => samples > 0)
    const gaps = Array.from({ length: first }, (_, at) => ({ ...(this.segment(at) as SegmentRow), gap: true }))
    const endTicks = (own.startTicks[last] ?? 0) + (own.durationTicks[last] ?? 0)
    const apart = { ...rendition, index: this.renditions.length + renditionIndex }
    return new KeyFrameView({ header: this.header, rendition: apart, columns, gaps, endTicks })
  }

  #has(sequence: number): boolean {
    return Number.isInteger(sequence) && sequence >= 0 && sequence < this.endSequence
  }
}
