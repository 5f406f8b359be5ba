import type { LogRecord, PresentationHeader, RecordOf, Track } from '../presentation/records.ts'
import type { Span } from '../presentation/span-table.ts'
import { resumedHeader } from '../presentation/terms.ts'
import { afterRow, gapRows, type RowsEnd } from './rows-end.ts'

/**
 * Puts a log together again from chunks and journals, in their order: what comes twice is taken once, what is missing between
 * two of them becomes gaps, a segment that was not closed is left out.
 */
export class LogAssembly {
  readonly records: LogRecord[] = []
  /** Every track that was announced. */
  readonly tracks = new Map<number, Track>()
  #header: PresentationHeader | undefined
  #end: RowsEnd | undefined
  #pending: LogRecord[] = []
  #open: RecordOf<'segment-opened'> | undefined
  #hasEnded = false

  /** The newest one that was found. */
  get header(): PresentationHeader | undefined {
    return this.#header
  }

  /** Where the rows end; `undefined` where there are none. */
  get end(): RowsEnd | undefined {
    return this.#end
  }

  /** The segment that was being written at the end. */
  get open(): RecordOf<'segment-opened'> | undefined {
    return this.#open
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** A chunk's records: what lies in storage. */
  addChunk(records: readonly LogRecord[]): void {
    const rowsFrom = records.findIndex(({ type }) => type === 'evicted') + 1
    const isFirst = this.#end === undefined
    for (const record of records.slice(0, rowsFrom)) {
      if (record.type === 'opened' || record.type === 'track-added') this.#take(record)
      else if (isFirst) this.records.push(record)
    }
    const rows = records.slice(rowsFrom)
    for (const record of rows) this.#take(record)
    for (const span of spansOf(rows)) this.#span(span)
  }

  #span(span: Span): void {
    const known = this.records.findLast((record) => record.type === 'span')
    const from = known?.type === 'span' ? known.endSequence : 0
    const isNew = span.firstSequence >= from && span.endSequence <= (this.#end?.nextSequence ?? 0)
    if (isNew && span.firstSequence < span.endSequence) this.records.push({ type: 'span', ...span })
  }

  /** What a journal's head says. */
  addHead(header: PresentationHeader, tracks: Iterable<Track>): void {
    this.#header = header
    this.#hasEnded = false
    for (const track of tracks) this.#track(track)
  }

  addJournal(records: Iterable<LogRecord>): void {
    for (const record of records) this.#take(record)
  }

  #take(record: LogRecord): void {
    switch (record.type) {
      case 'opened':
        this.#header = record.header
        break
      case 'track-added':
        this.#track(record.track)
        break
      case 'segment-opened':
        this.#open = record
        this.#pending = [record]
        break
      case 'fragment':
        if (this.#open?.sequence === record.sequence) this.#pending.push(record)
        break
      case 'segment-closed':
        this.#close(record)
        break
      case 'gap':
        this.#open = undefined
        this.#row(record.sequence, record, [record], record.durationTicks)
        break
      case 'discontinuity':
        this.#discontinuity(record)
        break
      case 'rewind-changed':
        this.#rewind(record.rewindWindowMs)
        break
      case 'resumed':
        if (this.#header) this.#header = resumedHeader(this.#header, record.terms)
        this.#hasEnded = false
        break
      case 'ended':
        this.#hasEnded = true
        break
      default:
        // Spans are where their chunks are, what is lost is a gap already, and what was discarded has no chunk.
        break
    }
  }

  #track(track: Track): void {
    if (this.tracks.has(track.track)) return
    this.tracks.set(track.track, track)
    this.records.push({ type: 'track-added', track })
  }

  #close(record: RecordOf<'segment-closed'>): void {
    const opened = this.#open
    if (opened?.sequence !== record.sequence) return
    this.#open = undefined
    this.#row(opened.sequence, opened, [...this.#pending, record], record.durationTicks)
    this.#pending = []
  }

  #row(
    sequence: number,
    { startTicks, discontinuitySequence }: { readonly startTicks: number; readonly discontinuitySequence: number },
    records: readonly LogRecord[],
    durationTicks: number,
  ): void {
    const end = this.#end
    if (end && sequence < end.nextSequence) return
    if (end && sequence > end.nextSequence) {
      // What announced another stretch belongs to the row, not to what is missing before it.
      const announced = this.#takeAnnounced()
      this.records.push(...gapRows(end, sequence, startTicks), ...announced)
    }
    this.records.push(...records)
    const endTicks = afterRow(startTicks, durationTicks)
    this.#end = { nextSequence: sequence + 1, endTicks, discontinuitySequence }
  }

  #takeAnnounced(): LogRecord[] {
    const at =
      this.records.findLastIndex(({ type }) => type === 'segment-closed' || type === 'gap' || type === 'span') + 1
    return this.records.splice(at).filter(({ type }) => type === 'discontinuity' || type === 'track-added')
  }

  #discontinuity(record: RecordOf<'discontinuity'>): void {
    const known = this.records.findLast((earlier) => earlier.type === 'discontinuity')
    const current = Math.max(
      this.#end?.discontinuitySequence ?? -1,
      known?.type === 'discontinuity' ? known.discontinuitySequence : -1,
    )
    if (record.discontinuitySequence > current) this.records.push(record)
  }

  #rewind(rewindWindowMs: number): void {
    if (!this.#header) return
    this.#header = { ...this.#header, rewindWindowMs, rewindChanges: (this.#header.rewindChanges ?? 0) + 1 }
  }
}

/** A chunk is one span, unless it says that it is many. */
function spansOf(rows: readonly LogRecord[]): Span[] {
  const said = rows.filter((record) => record.type === 'span')
  if (said.length > 0) return said.map(({ firstSequence, endSequence }) => ({ firstSequence, endSequence }))
  const numbers = rows.flatMap((record) => ('sequence' in record ? [record.sequence] : []))
  const [first, last] = [numbers[0], numbers.at(-1)]
  return first === undefined || last === undefined ? [] : [{ firstSequence: first, endSequence: last + 1 }]
}
