import { markerProblem } from '../presentation/markers.ts'
import type { LogRecord, PresentationHeader, RecordOf, Track } from '../presentation/records.ts'
import type { Span } from '../presentation/span-table.ts'
import { headerAfter } from './recording-header.ts'
import { afterRow, gapRows, type RowsEnd } from './rows-end.ts'
import type { JournalHead } from './spool/journal-head.ts'

type RowStart = { readonly startTicks: number; readonly discontinuitySequence: number; readonly wallMs: number }

const NONE: ReadonlySet<number> = new Set()

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
  /** The discontinuity sequence that the records have come to. */
  #discontinuity: number | undefined
  #spansEnd = 0
  #hasEnded = false
  #damaged: ReadonlySet<number> = NONE
  /** Segments with media of tracks that nothing is known of. */
  readonly #unknown = new Set<number>()
  /** What the newest head of a journal says of what went before. */
  #before: Pick<JournalHead, 'nextSequence' | 'stretch'> | undefined

  /** The newest one that was found. */
  get header(): PresentationHeader | undefined {
    return this.#header
  }

  /** Where the rows end; `undefined` where there are none. */
  get end(): RowsEnd | undefined {
    const discontinuitySequence = this.#discontinuity
    return this.#end && discontinuitySequence !== undefined ? { ...this.#end, discontinuitySequence } : this.#end
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
      else if (isFirst) this.#takeFirst(record)
    }
    const rows = records.slice(rowsFrom)
    for (const record of rows) this.#take(record)
    for (const span of spansOf(rows)) this.#span(span)
  }

  /** What a journal's head says. */
  addHead({ header, tracks, nextSequence, stretch }: JournalHead): void {
    this.#header = header
    this.#hasEnded = false
    this.#before = { nextSequence, stretch }
    for (const track of tracks) this.#track(track)
  }

  /** `damaged`: segments that are not whole; they become gaps. */
  addJournal(records: Iterable<LogRecord>, damaged: ReadonlySet<number> = NONE): void {
    this.#damaged = damaged
    for (const record of records) this.#take(record)
    this.#damaged = NONE
  }

  /** All is there: numbers that were given, and whose rows are missing at the end, are gaps. */
  complete(): void {
    const open = this.#open
    const { nextSequence: usedTo = 0, stretch } = this.#before ?? {}
    const begun = open ?? stretch
    if (!this.#end && begun) {
      const { startTicks, discontinuitySequence } = begun
      this.#end = { nextSequence: open?.sequence ?? usedTo, endTicks: startTicks, discontinuitySequence }
    }
    const { end } = this
    const until = Math.max(usedTo, open?.sequence ?? 0)
    if (!end || until <= end.nextSequence) return
    const missing = until - end.nextSequence
    const gaps = [...gapRows(end, until, Math.max(open?.startTicks ?? 0, end.endTicks + missing))]
    for (const gap of gaps) this.#row(gap.sequence, gap, [gap], gap.durationTicks)
    if (open && open.sequence < until) this.#open = undefined
  }

  #takeFirst(record: LogRecord): void {
    if (record.type === 'gap') this.#discontinuity = record.discontinuitySequence
    this.records.push(record)
  }

  #span(span: Span): void {
    const isNew = span.firstSequence >= this.#spansEnd && span.endSequence <= (this.#end?.nextSequence ?? 0)
    if (!isNew || span.firstSequence >= span.endSequence) return
    this.records.push({ type: 'span', ...span })
    this.#spansEnd = span.endSequence
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
        this.#begin(record)
        break
      case 'fragment':
        if (this.#open?.sequence === record.sequence) this.#pending.push(record)
        // What announced its track is damaged.
        if (!this.tracks.has(record.track)) this.#unknown.add(record.sequence)
        break
      case 'segment-closed':
        this.#close(record)
        break
      case 'gap':
        if (this.#open && this.#open.sequence <= record.sequence) this.#open = undefined
        this.#row(record.sequence, record, [record], record.durationTicks)
        break
      case 'discontinuity':
        this.#announce(record)
        break
      case 'rewind-changed':
        if (this.#header) this.#header = headerAfter(this.#header, record)
        break
      case 'resumed':
        if (this.#header) this.#header = headerAfter(this.#header, record)
        this.#hasEnded = false
        break
      case 'ended':
        this.#hasEnded = true
        break
      case 'marker':
        this.#marker(record)
        break
      default:
        // Spans are where their chunks are, what is lost is a gap already, and what was discarded has no chunk.
        break
    }
  }

  /** A journal tells of it as it happened: where that was is written into it, for the header counts it already. */
  #marker(record: RecordOf<'marker'>): void {
    if (markerProblem(record) !== undefined) return
    const next = this.#open?.sequence ?? this.#end?.nextSequence ?? 0
    this.records.push({ ...record, changedSequence: record.changedSequence ?? next })
    if (record.changedSequence === undefined && this.#header) this.#header = headerAfter(this.#header, record)
  }

  #track(track: Track): void {
    if (this.tracks.has(track.track)) return
    this.tracks.set(track.track, track)
    this.records.push({ type: 'track-added', track })
  }

  #begin(record: RecordOf<'segment-opened'>): void {
    // What comes a second time is there.
    if (record.sequence < (this.#end?.nextSequence ?? 0)) return
    this.#open = record
    this.#pending = [record]
  }

  #close(record: RecordOf<'segment-closed'>): void {
    const opened = this.#open
    if (opened?.sequence !== record.sequence) return
    this.#open = undefined
    const { sequence, discontinuitySequence, startTicks, wallMs } = opened
    const { durationTicks } = record
    const gap = { type: 'gap', sequence, discontinuitySequence, startTicks, durationTicks, wallMs } as const
    const isWhole = !this.#damaged.has(sequence) && !this.#unknown.delete(sequence)
    this.#row(sequence, opened, isWhole ? [...this.#pending, record] : [gap], durationTicks)
    this.#pending = []
  }

  #row(sequence: number, start: RowStart, records: readonly LogRecord[], durationTicks: number): void {
    const { startTicks, discontinuitySequence } = start
    const end = this.#end
    if (end && sequence < end.nextSequence) return
    if (!end) this.#beginStretch(sequence, start)
    if (end && sequence > end.nextSequence) {
      // What announced another stretch belongs to the row, not to what is missing before it.
      const announced = this.#takeAnnounced()
      for (const gap of gapRows(end, sequence, startTicks)) this.records.push(gap)
      this.records.push(...announced)
    }
    this.#lead(discontinuitySequence)
    for (const record of records) this.records.push(record)
    this.#end = { nextSequence: sequence + 1, endTicks: afterRow(startTicks, durationTicks), discontinuitySequence }
  }

  /** Where the first row's stretch began is told by a row that is discarded at once. */
  #beginStretch(sequence: number, { startTicks, discontinuitySequence, wallMs }: RowStart): void {
    const stretch = this.#before?.stretch
    const isKnown = this.records.some(({ type }) => type === 'evicted')
    const goesOn = stretch?.discontinuitySequence === discontinuitySequence && stretch.startTicks < startTicks
    if (isKnown || !stretch || !goesOn || sequence === 0) return
    const row = { sequence: sequence - 1, discontinuitySequence, startTicks: stretch.startTicks, wallMs }
    this.records.push({ type: 'gap', ...row, durationTicks: 0 }, { type: 'evicted', firstSequence: sequence })
    this.#discontinuity = discontinuitySequence
  }

  /** What announced the stretch may be missing: the numbers are counted without holes all the same. */
  #lead(discontinuitySequence: number): void {
    const current = this.#discontinuity ?? discontinuitySequence
    for (let next = current + 1; next <= discontinuitySequence; next++) {
      this.records.push({ type: 'discontinuity', discontinuitySequence: next, reason: 'restart' })
    }
    this.#discontinuity = Math.max(current, discontinuitySequence)
  }

  #takeAnnounced(): LogRecord[] {
    const at = this.records.findLastIndex(({ type }) => type === 'segment-closed' || type === 'gap') + 1
    const behind = this.records.splice(at)
    const isAnnounced = ({ type }: LogRecord) => type === 'discontinuity' || type === 'track-added'
    this.records.push(...behind.filter((record) => !isAnnounced(record)))
    return behind.filter(isAnnounced)
  }

  #announce(record: RecordOf<'discontinuity'>): void {
    const { discontinuitySequence } = record
    if (this.#discontinuity !== undefined) {
      if (discontinuitySequence <= this.#discontinuity) return
      this.#lead(discontinuitySequence - 1)
    }
    this.records.push(record)
    this.#discontinuity = discontinuitySequence
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
