import { isCounter, isDuration, refuse } from './log-order.ts'
import { withLoss } from './losses.ts'
import { markerProblem } from './markers.ts'
import { type FragmentRecord, OpenSegment } from './open-segment.ts'
import { PresentationState } from './presentation-state.ts'
import { type LogRecord, PRESENTATION_TIMESCALE, type RecordOf } from './records.ts'
import type { MediaCell } from './segment-index.ts'
import type { PresentationSnapshot } from './snapshot.ts'
import type { Span } from './span-table.ts'
import { resumedHeader } from './terms.ts'
import type { SegmentRow } from './view.ts'

const AFTER_END: ReadonlySet<LogRecord['type']> = new Set(['evicted', 'marker', 'span', 'lost', 'archived', 'resumed'])

/** How long markers that are over are kept behind what is kept else: the farthest skip boundary (12), and a segment. */
const KEPT_TARGETS = 13
const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

type RowRecord = RecordOf<'segment-opened'> | RecordOf<'gap'>

/**
 * The presentation that a log's records describe: the reducer that the log's writer and every replica run. It holds no
 * media and knows no time; equal records give equal views, also when they went through `records()` of another one.
 */
export class Presentation extends PresentationState {
  /** A presentation that goes on where the snapshot was taken. */
  static from(snapshot: PresentationSnapshot): Presentation {
    const made = new Presentation(snapshot.header)
    made.#restore(snapshot)
    return made
  }

  #restore(snapshot: PresentationSnapshot): void {
    for (const track of snapshot.tracks) this.registry.add(track)
    this.index.restore(snapshot.index)
    this.history.restore(snapshot.discontinuities)
    for (const span of snapshot.spans) this.spanTable.add(span)
    this.markerTable.restore(snapshot.markers)
    for (const { sequence, ...events } of snapshot.events) this.eventTable.put(sequence, events)
    for (const segment of snapshot.recent) this.recent.add(segment)
    this.lastStartSeconds.push(...snapshot.lastStartSeconds)
    this.lastRowTicks = snapshot.lastRowTicks
    this.isNumbered = snapshot.isNumbered
    if (snapshot.open) this.opened = new OpenSegment(snapshot.open.head)
    for (const fragment of snapshot.open?.fragments ?? []) this.#applyFragment(fragment)
    this.hasEnded = snapshot.ended
    this.isArchived = snapshot.archived
  }

  /** Applies one record; throws `INTERNAL`, leaving the state as it was, if it breaks the log's order (a writer's bug). */
  apply(record: LogRecord): void {
    if (this.hasEnded && !AFTER_END.has(record.type)) refuse(record, 'the presentation has ended')
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
        if (!this.hasEnded) refuse(record, 'the presentation has not ended')
        this.isArchived = true
        break
      case 'ended':
        if (this.opened) refuse(record, `segment ${this.opened.sequence} is open`)
        this.hasEnded = true
        break
      case 'marker':
        this.#applyMarker(record)
        break
    }
  }

  #applyOpened(record: RecordOf<'opened'>): void {
    const { id, epoch } = record.header
    const isFirst = this.registry.size === 0 && !this.isNumbered && this.history.current === undefined
    if (!isFirst) refuse(record, 'it is not the first record')
    if (id !== this.header.id || epoch !== this.header.epoch) refuse(record, 'it is of another presentation')
  }

  #applyTrack(record: RecordOf<'track-added'>): void {
    const problem = this.registry.problemWith(record.track)
    if (problem !== undefined) refuse(record, problem)
    if (!this.registry.add(record.track)) return
    this.index.addRendition()
    this.lastStartSeconds.push(Number.NEGATIVE_INFINITY)
  }

  #applySegmentOpened(record: RecordOf<'segment-opened'>): void {
    if (this.opened) refuse(record, `segment ${this.opened.sequence} is open`)
    this.#checkRow(record)
    this.#number(record)
    this.opened = new OpenSegment(record)
    if (record.events) this.eventTable.put(record.sequence, record.events)
  }

  #applyFragment(record: FragmentRecord): void {
    const open = this.opened
    if (open?.sequence !== record.sequence) refuse(record, `segment ${record.sequence} is not open`)
    const known = this.registry.find(record.track)
    if (known === undefined) refuse(record, `track ${record.track} was not added`)
    if (!Number.isSafeInteger(record.startTicks)) refuse(record, 'its start is not a whole number of ticks')
    const startSeconds = record.startTicks / known.track.timescale
    if (startSeconds <= (this.lastStartSeconds[known.renditionIndex] ?? 0)) refuse(record, 'media time goes back')
    open.add(record, known.renditionIndex, known.ordinal)
  }

  #applySegmentClosed(record: RecordOf<'segment-closed'>): void {
    const open = this.opened
    const { durationTicks } = record
    if (open?.sequence !== record.sequence) refuse(record, `segment ${record.sequence} is not open`)
    if (!isDuration(durationTicks)) refuse(record, 'its duration is no duration')
    const { sequence, startTicks, discontinuitySequence, wallMs, fragments } = open
    const gap = fragments.length === 0
    this.opened = undefined
    if (!gap) this.recent.add({ sequence, endTicks: startTicks + durationTicks, fragments })
    this.#appendRow({ discontinuitySequence, startTicks, durationTicks, wallMs, gap }, open.cells)
  }

  #applyGap(record: RecordOf<'gap'>): void {
    // After a crash the segment that was open is given up: a gap takes its number.
    if (this.opened && this.opened.sequence !== record.sequence)
      refuse(record, `segment ${this.opened.sequence} is open`)
    if (!isDuration(record.durationTicks)) refuse(record, 'its duration is no duration')
    this.#checkRow(record)
    this.#number(record)
    this.opened = undefined
    this.eventTable.remove(record.sequence)
    const { discontinuitySequence, startTicks, durationTicks, wallMs } = record
    this.#appendRow({ discontinuitySequence, startTicks, durationTicks, wallMs, gap: true }, [])
  }

  #applyDiscontinuity(record: RecordOf<'discontinuity'>): void {
    const { discontinuitySequence } = record
    if (this.opened) refuse(record, `segment ${this.opened.sequence} is open`)
    const isNext = isCounter(discontinuitySequence) && this.history.isNext(discontinuitySequence)
    if (!isNext) refuse(record, 'discontinuities are numbered without holes')
    this.history.announce(record)
  }

  #applyEvicted(record: RecordOf<'evicted'>): void {
    const { firstSequence } = record
    const isWithin = firstSequence >= this.firstSequence && firstSequence <= this.endSequence
    if (!isCounter(firstSequence) || (this.isNumbered && !isWithin)) refuse(record, 'no segment has that number')
    if (!this.isNumbered) this.index.startAt(firstSequence)
    this.isNumbered = true
    this.index.trim(firstSequence)
    this.spanTable.trim(firstSequence)
    this.eventTable.trim(firstSequence)
    const first = this.index.row(firstSequence)
    this.history.trim(first?.discontinuitySequence ?? Number.POSITIVE_INFINITY)
    this.recent.forget((sequence) => sequence < firstSequence)
    // What has left a playlist is told of for as long as delta updates reach.
    if (first) this.markerTable.trim(first.startTicks - KEPT_TARGETS * this.header.targetDurationMs * TICKS_PER_MS)
  }

  #applySpan(record: RecordOf<'span'>): void {
    const { firstSequence, endSequence } = record
    const isBehind = firstSequence < Math.max(this.firstSequence, this.spanTable.endSequence ?? 0)
    if (isBehind || !this.#areRows(record)) refuse(record, 'it is not a run of segments behind the last span')
    this.spanTable.add({ firstSequence, endSequence })
  }

  #applyLost(record: RecordOf<'lost'>): void {
    if (!this.#areRows(record)) refuse(record, 'it is not a run of segments')
    const { firstSequence, endSequence } = record
    for (let sequence = firstSequence; sequence < endSequence; sequence++) this.index.empty(sequence)
    this.recent.forget((sequence) => sequence >= firstSequence && sequence < endSequence)
    const { losses = 0, recentLosses = [] } = this.header
    const loss = { firstSequence, endSequence: this.endSequence }
    this.header = { ...this.header, losses: losses + 1, recentLosses: withLoss(recentLosses, loss) }
  }

  #applyMarker({ type, changedSequence, ...marker }: RecordOf<'marker'>): void {
    const problem = markerProblem(marker)
    if (problem !== undefined) refuse({ type, ...marker }, problem)
    this.markerTable.put(marker, changedSequence ?? this.opened?.sequence ?? this.endSequence)
    if (changedSequence !== undefined) return
    this.header = { ...this.header, markerChanges: (this.header.markerChanges ?? 0) + 1 }
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
    if (this.opened) refuse(record, `segment ${this.opened.sequence} is open`)
    this.header = resumedHeader(this.header, record.terms)
    this.hasEnded = false
    this.isArchived = false
  }

  #checkRow(record: RowRecord): void {
    const { sequence, discontinuitySequence, startTicks, wallMs } = record
    const { current } = this.history
    if (this.isNumbered && sequence !== this.endSequence) refuse(record, `segment ${this.endSequence} comes next`)
    if (!isCounter(sequence) || !isCounter(discontinuitySequence)) refuse(record, 'its numbers are no counters')
    if (discontinuitySequence !== (current ?? discontinuitySequence)) {
      refuse(record, `the discontinuity sequence is ${current}`)
    }
    if (!(startTicks > this.lastRowTicks) || !Number.isFinite(wallMs)) refuse(record, 'time goes back')
  }

  /** The first row says where the numbers begin. */
  #number(record: RowRecord): void {
    if (!this.isNumbered) this.index.startAt(record.sequence)
    this.isNumbered = true
    this.history.begin(record.discontinuitySequence)
  }

  #appendRow(row: Omit<SegmentRow, 'sequence'>, cells: readonly (MediaCell | undefined)[]): void {
    const { discontinuitySequence, startTicks, durationTicks } = row
    this.index.push(row, cells)
    this.history.extend(discontinuitySequence, startTicks, this.firstSequence === this.endSequence - 1)
    this.lastRowTicks = startTicks
    for (const [index, cell] of cells.entries()) {
      const timescale = this.registry.timescales(index)[cell?.trackOrdinal ?? -1]
      if (cell && timescale !== undefined) this.lastStartSeconds[index] = cell.startTicks / timescale
    }
    this.recent.movedTo(startTicks + durationTicks)
  }
}
