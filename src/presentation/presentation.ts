import { DiscontinuityHistory } from './discontinuity-history.ts'
import { isCounter, isDuration, refuse } from './log-order.ts'
import { withLoss } from './losses.ts'
import { type FragmentRecord, OpenSegment } from './open-segment.ts'
import { RecentSegments } from './recent-segments.ts'
import type { LogRecord, PresentationHeader, RecordOf, Track } from './records.ts'
import { type ReplaySource, replayRecords, replaySpan } from './replay.ts'
import { type MediaCell, SegmentIndex } from './segment-index.ts'
import { type Span, SpanTable } from './span-table.ts'
import { resumedHeader } from './terms.ts'
import { TrackRegistry } from './track-registry.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from './view.ts'

const AFTER_END: ReadonlySet<LogRecord['type']> = new Set(['evicted', 'marker', 'span', 'lost', 'archived', 'resumed'])

type RowRecord = RecordOf<'segment-opened'> | RecordOf<'gap'>

/**
 * The presentation that a log's records describe: the reducer that the log's writer and every replica run. It holds no
 * media and knows no time; equal records give equal views, also when they went through `records()` of another one.
 */
export class Presentation implements PresentationView {
  header: PresentationHeader
  readonly #index = new SegmentIndex()
  readonly #tracks = new TrackRegistry()
  readonly #discontinuities = new DiscontinuityHistory()
  readonly #recent: RecentSegments
  /** Start of each rendition's newest closed media. */
  readonly #lastStartSeconds: number[] = []
  #lastRowTicks = Number.NEGATIVE_INFINITY
  #open: OpenSegment | undefined
  readonly #spans = new SpanTable()
  #ended = false
  #archived = false
  /** Whether the log has said where its numbers begin. */
  #isNumbered = false

  constructor(header: PresentationHeader) {
    this.header = header
    this.#recent = new RecentSegments(header.targetDurationMs)
  }

  /** A function of the state, so that replicas agree on it however they came by the state. */
  get version(): number {
    const { firstSequence, endSequence } = this.#index
    const discontinuitySequence = this.#discontinuities.current ?? 0
    const changes = (this.header.rewindChanges ?? 0) + (this.header.losses ?? 0)
    const moved = this.#tracks.size + firstSequence + endSequence + discontinuitySequence
    // What goes on is neither ended nor archived any more, and yet newer than when it was.
    const resumed = 3 * (this.header.resumptions ?? 0)
    return moved + changes + resumed + (this.#ended ? 1 : 0) + (this.#archived ? 1 : 0)
  }

  get ended(): boolean {
    return this.#ended
  }

  get archived(): boolean {
    return this.#archived
  }

  get spans(): readonly Span[] {
    return this.#spans.all
  }

  span(sequence: number): Span | undefined {
    return this.#spans.find(sequence)
  }

  get renditions(): readonly Rendition[] {
    return this.#tracks.renditions
  }

  get firstSequence(): number {
    return this.#index.firstSequence
  }

  get endSequence(): number {
    return this.#index.endSequence
  }

  /** Bytes that the index of segments holds. */
  get indexBytes(): number {
    return this.#index.byteLength
  }

  /** The segment that is being written; it and its fragments are as they are until the next record. */
  get openSegment():
    | Pick<OpenSegment, 'sequence' | 'startTicks' | 'wallMs' | 'discontinuitySequence' | 'fragments'>
    | undefined {
    return this.#open
  }

  track(track: number): Track | undefined {
    return this.#tracks.find(track)?.track
  }

  segment(sequence: number): SegmentRow | undefined {
    return this.#index.row(sequence)
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    const cell = this.#index.cell(renditionIndex, sequence)
    if (cell === undefined) return undefined
    const { startTicks, durationTicks, sizeBytes, leadingBytes, independent, trackOrdinal } = cell
    const track = this.renditions[renditionIndex]?.tracks[trackOrdinal]?.track ?? -1
    return { sequence, track, startTicks, durationTicks, sizeBytes, leadingBytes, independent }
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    const timescales = this.#tracks.timescales(renditionIndex)
    for (const timescale of new Set(timescales)) {
      const sequence = this.#index.lowerBound(renditionIndex, startTicks / timescale, timescales)
      const found = this.renditionSegment(renditionIndex, sequence)
      if (found?.startTicks === startTicks && this.track(found.track)?.timescale === timescale) return found
    }
    return undefined
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return this.#discontinuities.startTicks(discontinuitySequence)
  }

  /**
   * The fragments of one rendition in the open segment, or in a closed one that ended less than three target durations
   * before the newest; `undefined` for any other segment, whose parts are folded.
   */
  parts(renditionIndex: number, sequence: number): readonly FragmentRecord[] | undefined {
    const isOpen = this.#open?.sequence === sequence
    const fragments = isOpen ? this.#open?.fragments : this.#recent.fragments(sequence)
    return fragments?.filter(({ track }) => this.#tracks.find(track)?.renditionIndex === renditionIndex)
  }

  /** Applies one record; throws `INTERNAL`, leaving the state as it was, if it breaks the log's order (a writer's bug). */
  apply(record: LogRecord): void {
    if (this.#ended && !AFTER_END.has(record.type)) refuse(record, 'the presentation has ended')
    switch (record.type) {
      case 'opened':
        this.#applyOpened(record)
        break
      case 'track-added':
        this.#applyTrack(record)
        break
      case 'segment-opened':
        this.#applySegmentOpened(record)
        break
      case 'fragment':
        this.#applyFragment(record)
        break
      case 'segment-closed':
        this.#applySegmentClosed(record)
        break
      case 'discontinuity':
        this.#applyDiscontinuity(record)
        break
      case 'gap':
        this.#applyGap(record)
        break
      case 'evicted':
        this.#applyEvicted(record)
        break
      case 'rewind-changed':
        this.#applyRewindChanged(record)
        break
      case 'span':
        this.#applySpan(record)
        break
      case 'lost':
        this.#applyLost(record)
        break
      case 'resumed':
        this.#applyResumed(record)
        break
      case 'archived':
        if (!this.#ended) refuse(record, 'the presentation has not ended')
        this.#archived = true
        break
      case 'ended':
        if (this.#open) refuse(record, `segment ${this.#open.sequence} is open`)
        this.#ended = true
        break
      case 'marker':
        break
    }
  }

  #applyOpened(record: RecordOf<'opened'>): void {
    const { id, epoch } = record.header
    const isFirst = this.#tracks.size === 0 && !this.#isNumbered && this.#discontinuities.current === undefined
    if (!isFirst) refuse(record, 'it is not the first record')
    if (id !== this.header.id || epoch !== this.header.epoch) refuse(record, 'it is of another presentation')
  }

  #applyTrack(record: RecordOf<'track-added'>): void {
    const problem = this.#tracks.problemWith(record.track)
    if (problem !== undefined) refuse(record, problem)
    if (!this.#tracks.add(record.track)) return
    this.#index.addRendition()
    this.#lastStartSeconds.push(Number.NEGATIVE_INFINITY)
  }

  #applySegmentOpened(record: RecordOf<'segment-opened'>): void {
    if (this.#open) refuse(record, `segment ${this.#open.sequence} is open`)
    this.#checkRow(record)
    this.#number(record)
    this.#open = new OpenSegment(record)
  }

  #applyFragment(record: FragmentRecord): void {
    const open = this.#open
    if (open?.sequence !== record.sequence) refuse(record, `segment ${record.sequence} is not open`)
    const known = this.#tracks.find(record.track)
    if (known === undefined) refuse(record, `track ${record.track} was not added`)
    if (!Number.isSafeInteger(record.startTicks)) refuse(record, 'its start is not a whole number of ticks')
    const startSeconds = record.startTicks / known.track.timescale
    if (startSeconds <= (this.#lastStartSeconds[known.renditionIndex] ?? 0)) refuse(record, 'media time goes back')
    open.add(record, known.renditionIndex, known.ordinal)
  }

  #applySegmentClosed(record: RecordOf<'segment-closed'>): void {
    const open = this.#open
    const { durationTicks } = record
    if (open?.sequence !== record.sequence) refuse(record, `segment ${record.sequence} is not open`)
    if (!isDuration(durationTicks)) refuse(record, 'its duration is no duration')
    const { sequence, startTicks, discontinuitySequence, wallMs, fragments } = open
    const gap = fragments.length === 0
    this.#open = undefined
    if (!gap) this.#recent.add({ sequence, endTicks: startTicks + durationTicks, fragments })
    this.#appendRow({ discontinuitySequence, startTicks, durationTicks, wallMs, gap }, open.cells)
  }

  #applyGap(record: RecordOf<'gap'>): void {
    // After a crash the segment that was open is given up: a gap takes its number.
    if (this.#open && this.#open.sequence !== record.sequence) refuse(record, `segment ${this.#open.sequence} is open`)
    if (!isDuration(record.durationTicks)) refuse(record, 'its duration is no duration')
    this.#checkRow(record)
    this.#number(record)
    this.#open = undefined
    const { discontinuitySequence, startTicks, durationTicks, wallMs } = record
    this.#appendRow({ discontinuitySequence, startTicks, durationTicks, wallMs, gap: true }, [])
  }

  #applyDiscontinuity(record: RecordOf<'discontinuity'>): void {
    const { discontinuitySequence } = record
    if (this.#open) refuse(record, `segment ${this.#open.sequence} is open`)
    const isNext = isCounter(discontinuitySequence) && this.#discontinuities.isNext(discontinuitySequence)
    if (!isNext) refuse(record, 'discontinuities are numbered without holes')
    this.#discontinuities.announce(record)
  }

  #applyEvicted(record: RecordOf<'evicted'>): void {
    const { firstSequence } = record
    const isWithin = firstSequence >= this.firstSequence && firstSequence <= this.endSequence
    if (!isCounter(firstSequence) || (this.#isNumbered && !isWithin)) refuse(record, 'no segment has that number')
    if (!this.#isNumbered) this.#index.startAt(firstSequence)
    this.#isNumbered = true
    this.#index.trim(firstSequence)
    this.#spans.trim(firstSequence)
    const first = this.#index.row(firstSequence)
    this.#discontinuities.trim(first?.discontinuitySequence ?? Number.POSITIVE_INFINITY)
    this.#recent.forget((sequence) => sequence < firstSequence)
  }

  #applySpan(record: RecordOf<'span'>): void {
    const { firstSequence, endSequence } = record
    const isBehind = firstSequence < Math.max(this.firstSequence, this.#spans.endSequence ?? 0)
    if (isBehind || !this.#areRows(record)) refuse(record, 'it is not a run of segments behind the last span')
    this.#spans.add({ firstSequence, endSequence })
  }

  #applyLost(record: RecordOf<'lost'>): void {
    if (!this.#areRows(record)) refuse(record, 'it is not a run of segments')
    const { firstSequence, endSequence } = record
    for (let sequence = firstSequence; sequence < endSequence; sequence++) this.#index.empty(sequence)
    this.#recent.forget((sequence) => sequence >= firstSequence && sequence < endSequence)
    const { losses = 0, recentLosses = [] } = this.header
    const loss = { firstSequence, endSequence: this.endSequence }
    this.header = { ...this.header, losses: losses + 1, recentLosses: withLoss(recentLosses, loss) }
  }

  #areRows({ firstSequence, endSequence }: Span): boolean {
    return firstSequence >= this.firstSequence && firstSequence < endSequence && endSequence <= this.endSequence
  }

  #applyRewindChanged(record: RecordOf<'rewind-changed'>): void {
    const { rewindWindowMs } = record
    if (!isDuration(rewindWindowMs)) refuse(record, 'its window is no duration')
    this.header = { ...this.header, rewindWindowMs, rewindChanges: (this.header.rewindChanges ?? 0) + 1 }
  }

  #applyResumed(record: RecordOf<'resumed'>): void {
    if (this.#open) refuse(record, `segment ${this.#open.sequence} is open`)
    this.header = resumedHeader(this.header, record.terms)
    this.#ended = false
    this.#archived = false
  }

  #checkRow(record: RowRecord): void {
    const { sequence, discontinuitySequence, startTicks, wallMs } = record
    const { current } = this.#discontinuities
    if (this.#isNumbered && sequence !== this.endSequence) refuse(record, `segment ${this.endSequence} comes next`)
    if (!isCounter(sequence) || !isCounter(discontinuitySequence)) refuse(record, 'its numbers are no counters')
    if (discontinuitySequence !== (current ?? discontinuitySequence)) {
      refuse(record, `the discontinuity sequence is ${current}`)
    }
    if (!(startTicks > this.#lastRowTicks) || !Number.isFinite(wallMs)) refuse(record, 'time goes back')
  }

  /** The first row says where the numbers begin. */
  #number(record: RowRecord): void {
    if (!this.#isNumbered) this.#index.startAt(record.sequence)
    this.#isNumbered = true
    this.#discontinuities.begin(record.discontinuitySequence)
  }

  #appendRow(row: Omit<SegmentRow, 'sequence'>, cells: readonly (MediaCell | undefined)[]): void {
    const { discontinuitySequence, startTicks, durationTicks } = row
    this.#index.push(row, cells)
    this.#discontinuities.extend(discontinuitySequence, startTicks, this.firstSequence === this.endSequence - 1)
    this.#lastRowTicks = startTicks
    for (const [index, cell] of cells.entries()) {
      const timescale = this.#tracks.timescales(index)[cell?.trackOrdinal ?? -1]
      if (cell && timescale !== undefined) this.#lastStartSeconds[index] = cell.startTicks / timescale
    }
    this.#recent.movedTo(startTicks + durationTicks)
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
      tracks: this.#tracks.tracks(),
      discontinuities: this.#discontinuities,
      spans: this.#spans.all,
      open: this.#open,
      isNumbered: this.#isNumbered,
      recentFragments: (sequence) => this.#recent.fragments(sequence),
    }
  }
}
