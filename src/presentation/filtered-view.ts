import type { LiveEdge } from './live-edge.ts'
import type { PlacedMarker } from './markers.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader, type Track } from './records.ts'
import type { SegmentEvents } from './segment-events.ts'
import type { Span } from './span-table.ts'
import type { TextRendition } from './text-rendition.ts'
import { type TimeWindow, timeWindow } from './time-selection.ts'
import { selectRenditions, selectTexts } from './track-selection.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from './view.ts'
import type { Selection } from './view-filter.ts'

/**
 * A presentation with fewer renditions and a narrower window, as it is whenever it is looked at. Nothing is numbered anew: segments,
 * discontinuities, tracks and renditions keep the numbers, indexes and times of the whole. Rows around the window can be
 * read, so that what is said of its first segment is what the whole says of it; media can't.
 */
export class FilteredView implements PresentationView {
  /** What it is a part of: what it shows is there under the same numbers. */
  readonly whole: PresentationView
  readonly #selection: Selection
  #window: { readonly version: number; readonly window: TimeWindow } | undefined
  /** What a closed window shows changes rarely; each change has a number that the whole never has. */
  #closed: { readonly version: number; readonly content: string; readonly change: number } | undefined
  #header:
    | { readonly of: PresentationHeader; readonly isEdgeHidden: boolean; readonly header: PresentationHeader }
    | undefined
  /** By the index of the rendition. */
  readonly #keyFrames = new Map<number, { readonly of: string; readonly view: PresentationView | undefined }>()
  #renditions:
    | { readonly of: readonly Rendition[]; readonly renditions: readonly Rendition[]; readonly indexes: Set<number> }
    | undefined

  constructor(whole: PresentationView, selection: Selection) {
    this.whole = whole
    this.#selection = selection
  }

  /** Without what can't hold for a part: the rewind window of who has asked for a start, parts where the live edge is hidden. */
  get header(): PresentationHeader {
    const { header } = this.whole
    const { isEdgeHidden } = this.window
    if (this.#header?.of !== header || this.#header.isEdgeHidden !== isEdgeHidden) {
      this.#header = { of: header, isEdgeHidden, header: this.#narrowed(header, isEdgeHidden) }
    }
    return this.#header.header
  }

  /** That of the whole, as long as that may change what is shown; behind the end only what does change it counts. */
  get version(): number {
    const { version } = this.whole
    if (!this.window.isClosed) return version
    if (this.#closed?.version !== version) {
      const content = this.#content()
      const change = (this.#closed?.change ?? 0) - (this.#closed?.content === content ? 0 : 1)
      this.#closed = { version, content, change }
    }
    return this.#closed.change
  }

  get ended(): boolean {
    return this.whole.ended || this.window.isClosed
  }

  get archived(): boolean {
    return this.whole.archived || this.window.isSettled
  }

  get renditions(): readonly Rendition[] {
    return this.#selected().renditions
  }

  get texts(): readonly TextRendition[] {
    return selectTexts(this.whole.texts ?? [], this.#selection.filters)
  }

  get firstSequence(): number {
    return this.window.first
  }

  get endSequence(): number {
    return this.window.end
  }

  get markers(): readonly PlacedMarker[] {
    // Those that were over before it begins too: manifests leave them out, and delta updates say that they have left.
    const { end, isEdgeHidden } = this.window
    const last = isEdgeHidden ? this.whole.segment(end - 1) : undefined
    const to = last ? last.startTicks + last.durationTicks : Number.POSITIVE_INFINITY
    return this.whole.markers.filter(({ startTicks }) => startTicks < to)
  }

  get live(): LiveEdge | undefined {
    return this.window.isEdgeHidden ? undefined : this.whole.live
  }

  /** What is shown of the time, of the whole as it is now. */
  get window(): TimeWindow {
    const { version } = this.whole
    if (this.#window?.version !== version) {
      this.#window = { version, window: timeWindow(this.whole, this.#selection) }
    }
    return this.#window.window
  }

  track(track: number): Track | undefined {
    return this.whole.track(track)
  }

  segment(sequence: number): SegmentRow | undefined {
    return this.whole.segment(sequence)
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    return this.#shows(renditionIndex, sequence) ? this.whole.renditionSegment(renditionIndex, sequence) : undefined
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return this.whole.discontinuityStartTicks(discontinuitySequence)
  }

  events(sequence: number): SegmentEvents | undefined {
    return this.whole.events(sequence)
  }

  span(sequence: number): Span | undefined {
    return this.whole.span(sequence)
  }

  /** Those of the segments that are shown. */
  keyFrames(renditionIndex: number): PresentationView | undefined {
    const bounds = this.#selected().indexes.has(renditionIndex) ? this.#boundsOf(renditionIndex) : undefined
    if (!bounds) return undefined
    const of = `${bounds.fromTicks} ${bounds.toTicks}`
    const known = this.#keyFrames.get(renditionIndex)
    if (known?.of === of) return known.view
    const view = this.whole.keyFrames?.(renditionIndex, bounds)
    // What is rendered of a view is kept with the view.
    this.#keyFrames.set(renditionIndex, { of, view })
    return view
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    const found = this.whole.findSegment(renditionIndex, startTicks)
    return found && this.#shows(renditionIndex, found.sequence) ? found : undefined
  }

  /** Of the media of a rendition, whose segments need not begin just when the others do; where it has none, of the row. */
  #boundsOf(renditionIndex: number) {
    const { first, end } = this.window
    const startOf = (sequence: number) => {
      const own = this.whole.renditionSegment(renditionIndex, sequence)
      const timescale = own && this.whole.track(own.track)?.timescale
      if (own && timescale) return Math.round((own.startTicks * PRESENTATION_TIMESCALE) / timescale)
      return this.whole.segment(sequence)?.startTicks
    }
    const last = this.whole.segment(end - 1)
    const fromTicks = startOf(first)
    if (fromTicks === undefined || !last) return undefined
    return { fromTicks, toTicks: startOf(end) ?? last.startTicks + last.durationTicks }
  }

  #shows(renditionIndex: number, sequence: number): boolean {
    const { first, end } = this.window
    return sequence >= first && sequence < end && this.#selected().indexes.has(renditionIndex)
  }

  /** All that what is shown of an ended window is made from, beside what never changes. */
  #content(): string {
    const { losses, rewindChanges, resumptions } = this.whole.header
    const tracks = this.renditions.map((rendition) => rendition.tracks.length)
    const markers = this.markers.map(({ id, revision }) => [id, revision])
    const { firstSequence, endSequence, archived } = this
    return JSON.stringify([firstSequence, endSequence, archived, losses, rewindChanges, resumptions, tracks, markers])
  }

  #selected() {
    const { renditions: all } = this.whole
    if (this.#renditions?.of !== all) {
      const renditions = selectRenditions(all, this.#selection.filters)
      this.#renditions = { of: all, renditions, indexes: new Set(renditions.map(({ index }) => index)) }
    }
    return this.#renditions
  }

  #narrowed(header: PresentationHeader, isEdgeHidden: boolean): PresentationHeader {
    const { rewindWindowMs, partDurationMs, gridMs, ...kept } = header
    // Of numbers, players believe that they go back as far as the window does.
    const isFromStart = this.#selection.filters.some(({ timeRange }) => timeRange?.startMs !== undefined)
    const isCounted = !isEdgeHidden && !isFromStart && this.#selection.startMs === undefined
    const windows = this.#selection.filters.flatMap(({ timeRange }) => timeRange?.windowMs ?? [])
    if (this.#selection.startMs === undefined && rewindWindowMs !== undefined) windows.push(rewindWindowMs)
    return {
      ...kept,
      ...(windows.length > 0 && { rewindWindowMs: Math.min(...windows) }),
      ...(partDurationMs !== undefined && !isEdgeHidden && { partDurationMs }),
      ...(gridMs !== undefined && isCounted && { gridMs }),
    }
  }
}
