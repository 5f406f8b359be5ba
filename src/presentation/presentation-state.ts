import { DiscontinuityHistory } from './discontinuity-history.ts'
import type { LiveEdge } from './live-edge.ts'
import { MarkerTable, type PlacedMarker } from './markers.ts'
import { type FragmentRecord, MAX_FRAGMENTS, type OpenSegment } from './open-segment.ts'
import { type RecentSegment, RecentSegments } from './recent-segments.ts'
import type { LogRecord, PresentationHeader, Track } from './records.ts'
import { type ReplaySource, replayRecords, replaySpan } from './replay.ts'
import { EventTable, type SegmentEvents } from './segment-events.ts'
import { SegmentIndex } from './segment-index.ts'
import type { PresentationSnapshot } from './snapshot.ts'
import { type Span, SpanTable } from './span-table.ts'
import { TrackRegistry } from './track-registry.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from './view.ts'

/** What a presentation is at one moment, and how it is read; `Presentation` says how it becomes what. */
export class PresentationState implements PresentationView {
  header: PresentationHeader
  protected readonly index = new SegmentIndex()
  protected readonly registry = new TrackRegistry()
  protected readonly history = new DiscontinuityHistory()
  protected readonly recent: RecentSegments
  /** Start of each rendition's newest closed media. */
  protected readonly lastStartSeconds: number[] = []
  protected lastRowTicks = Number.NEGATIVE_INFINITY
  protected opened: OpenSegment | undefined
  protected readonly spanTable = new SpanTable()
  protected readonly markerTable = new MarkerTable()
  protected readonly eventTable = new EventTable()
  protected hasEnded = false
  protected isArchived = false
  /** Whether the log has said where its numbers begin. */
  protected isNumbered = false

  constructor(header: PresentationHeader) {
    this.header = header
    this.recent = new RecentSegments(header.targetDurationMs)
  }

  /** All of it as it is now, in few and large pieces: what another thread is sent costs as much as its bytes. */
  snapshot(): PresentationSnapshot {
    const open = this.opened
    return {
      header: this.header,
      tracks: [...this.registry.tracks()],
      index: this.index.columns(),
      discontinuities: this.history.snapshot(),
      spans: [...this.spanTable.all],
      markers: this.markerTable.all,
      events: this.eventTable.all,
      recent: [...this.recent.all],
      open: open && { head: open.head, fragments: [...open.fragments] },
      lastStartSeconds: [...this.lastStartSeconds],
      lastRowTicks: this.lastRowTicks,
      ended: this.hasEnded,
      archived: this.isArchived,
      isNumbered: this.isNumbered,
    }
  }

  /** A function of the state, so that replicas agree on it however they came by the state. */
  get version(): number {
    const { firstSequence, endSequence } = this.index
    const discontinuitySequence = this.history.current ?? 0
    const { rewindChanges = 0, losses = 0, markerChanges = 0 } = this.header
    const changes = rewindChanges + losses + markerChanges
    const moved = this.registry.size + firstSequence + endSequence + discontinuitySequence
    // What goes on is neither ended nor archived any more, and yet newer than when it was.
    const resumed = 3 * (this.header.resumptions ?? 0)
    return moved + changes + resumed + (this.hasEnded ? 1 : 0) + (this.isArchived ? 1 : 0)
  }

  get ended(): boolean {
    return this.hasEnded
  }

  get archived(): boolean {
    return this.isArchived
  }

  get spans(): readonly Span[] {
    return this.spanTable.all
  }

  get markers(): readonly PlacedMarker[] {
    return this.markerTable.all
  }

  events(sequence: number): SegmentEvents | undefined {
    return this.eventTable.find(sequence)
  }

  span(sequence: number): Span | undefined {
    return this.spanTable.find(sequence)
  }

  get renditions(): readonly Rendition[] {
    return this.registry.renditions
  }

  get firstSequence(): number {
    return this.index.firstSequence
  }

  get endSequence(): number {
    return this.index.endSequence
  }

  /** Bytes that the index of segments holds. */
  get indexBytes(): number {
    return this.index.byteLength + this.eventTable.sizeBytes
  }

  /** The segment that is being written; it and its fragments are as they are until the next record. */
  get openSegment():
    | Pick<OpenSegment, 'sequence' | 'startTicks' | 'wallMs' | 'discontinuitySequence' | 'fragments'>
    | undefined {
    return this.opened
  }

  track(track: number): Track | undefined {
    return this.registry.find(track)?.track
  }

  segment(sequence: number): SegmentRow | undefined {
    return this.index.row(sequence)
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    const cell = this.index.cell(renditionIndex, sequence)
    if (cell === undefined) return undefined
    const { startTicks, durationTicks, sizeBytes, leadingBytes, independent, trackOrdinal } = cell
    const track = this.renditions[renditionIndex]?.tracks[trackOrdinal]?.track ?? -1
    return { sequence, track, startTicks, durationTicks, sizeBytes, leadingBytes, independent }
  }

  /** The track that a rendition has in a segment, closed or open; `undefined` where it has no media there. */
  trackOf(renditionIndex: number, sequence: number): number | undefined {
    const closed = this.renditionSegment(renditionIndex, sequence)
    return closed ? closed.track : this.parts(renditionIndex, sequence)?.[0]?.track
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    const timescales = this.registry.timescales(renditionIndex)
    for (const timescale of new Set(timescales)) {
      const sequence = this.index.lowerBound(renditionIndex, startTicks / timescale, timescales)
      const found = this.renditionSegment(renditionIndex, sequence)
      if (found?.startTicks === startTicks && this.track(found.track)?.timescale === timescale) return found
    }
    return undefined
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return this.history.startTicks(discontinuitySequence)
  }

  /** What of it changes with each part; only of a presentation that is stored in parts. */
  get live(): LiveEdge | undefined {
    return this.header.partDurationMs === undefined ? undefined : this
  }

  get recentSegments(): readonly RecentSegment[] {
    return this.recent.all
  }

  /** Grows with `version`, and with each fragment; a function of the state as well. */
  get partVersion(): number {
    return this.version * (MAX_FRAGMENTS + 1) + (this.opened?.fragments.length ?? 0)
  }

  /**
   * The fragments of one rendition in the open segment, or in a closed one that ended less than eight target durations
   * before the newest; `undefined` for any other segment, whose parts are folded.
   */
  parts(renditionIndex: number, sequence: number): readonly FragmentRecord[] | undefined {
    const isOpen = this.opened?.sequence === sequence
    const fragments = isOpen ? this.opened?.fragments : this.recent.fragments(sequence)
    return fragments?.filter(({ track }) => this.registry.find(track)?.renditionIndex === renditionIndex)
  }

  /** Records which bring a fresh presentation with this header to an equal view; read them before the next record. */
  records(): Iterable<LogRecord> {
    return replayRecords(this.#replaySource())
  }

  /**
   * Records of the rows from `first` to before `end` that stand for themselves: a fresh presentation gets these rows from them, and
   * so does one that ends at `first` from those behind its `evicted`. The last span says that the presentation has ended.
   */
  spanRecords(first: number, end: number): Iterable<LogRecord> {
    return replaySpan(this.#replaySource(), first, end)
  }

  #replaySource(): ReplaySource {
    return {
      view: this,
      tracks: this.registry.tracks(),
      discontinuities: this.history,
      spans: this.spanTable.all,
      open: this.opened,
      isNumbered: this.isNumbered,
      recentFragments: (sequence) => this.recent.fragments(sequence),
    }
  }
}
