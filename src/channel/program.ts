import { type Marker, markerEndTicks } from '../presentation/markers.ts'
import type { LogRecord, RecordOf, Track } from '../presentation/records.ts'
import { InBandEvents } from './in-band-events.ts'
import type { LogEntry } from './segment-assembly.ts'

/** Where a program's records go. */
export type ProgramLog = { append(record: LogRecord, bytes?: Uint8Array): void }

/** Where a program stands between its start and its end. */
export type ProgramState = 'running' | 'stopping' | 'stopped'

/**
 * How a program's segments are numbered: as the channel's; or with numbers of its own from `nextSequence` on, behind a
 * discontinuity where something went before: `discontinuitySequence` is that one's, and `endTicks` (90 kHz) where it ends.
 */
export type ProgramNumbers =
  | 'channel'
  | {
      readonly nextSequence: number
      readonly discontinuitySequence: number | undefined
      readonly endTicks?: number | undefined
    }

type RowRecord = RecordOf<'segment-opened'> | RecordOf<'gap'>
/** What a number of the channel's becomes. */
type Shift = { readonly sequence: number; readonly discontinuitySequence: number }

/**
 * A stretch of a channel's presentation, cut on segment boundaries: it takes the channel's records from the first segment
 * that opens after its start to the last one that was open at its stop, and ends its log there.
 */
export class Program {
  readonly #log: ProgramLog
  readonly #numbers: ProgramNumbers
  readonly #onEnded: () => void
  #state: ProgramState = 'running'
  #isInSegment = false
  /** What was said of them before the first segment. */
  readonly #earlyMarkers = new Map<string, Marker>()
  readonly #inBand = new InBandEvents()
  /** Known with the first segment. */
  #shift: Shift | undefined

  constructor(log: ProgramLog, numbers: ProgramNumbers, onEnded: () => void) {
    this.#log = log
    this.#numbers = numbers
    this.#onEnded = onEnded
  }

  get state(): ProgramState {
    return this.#state
  }

  /** Takes a record of the channel. `tracks`: all that the channel has announced so far. */
  take({ record, bytes }: LogEntry, tracks: readonly Track[]): void {
    if (this.#state === 'stopped') return
    if (record.type === 'marker') {
      this.#takeMarker(record)
      return
    }
    const shift = this.#shift ?? this.#begin(record, tracks)
    if (!shift) return
    this.#shift = shift
    this.#log.append(shifted(this.#withEvents(record, tracks), shift), bytes)
    if (record.type === 'segment-opened') this.#isInSegment = true
    if (record.type !== 'segment-closed') return
    this.#isInSegment = false
    if (this.#state === 'stopping') this.#end()
  }

  /** In a log that nothing is in yet it stands behind the tracks. */
  #takeMarker({ type, changedSequence: _other, ...marker }: RecordOf<'marker'>): void {
    const hasRows = this.#numbers !== 'channel' && this.#numbers.nextSequence > 0
    if (this.#shift || hasRows) this.#tell(marker)
    else this.#earlyMarkers.set(marker.id, marker)
  }

  #tell(marker: Marker): void {
    this.#log.append({ type: 'marker', ...marker })
    this.#inBand.take(marker)
  }

  /** A segment carries what was said until it opened. */
  #withEvents(record: LogRecord, tracks: readonly Track[]): LogRecord {
    if (record.type !== 'segment-opened') return record
    const events = this.#inBand.next(record.startTicks, tracks)
    return events ? { ...record, events } : record
  }

  /** Ends with the segment that is open now, or at once where none is. */
  stop(): void {
    if (this.#state !== 'running') return
    this.#state = 'stopping'
    if (!this.#isInSegment) this.#end()
  }

  /** The channel goes away, the program does not end: nothing more is taken, and its log stays open. */
  detach(): void {
    this.#state = 'stopped'
  }

  /** Nothing is taken before a segment begins. */
  #begin(record: LogRecord, tracks: readonly Track[]): Shift | undefined {
    if (record.type !== 'segment-opened' && record.type !== 'gap') return undefined
    // A gap that the program has made itself meanwhile.
    const isPast = this.#numbers !== 'channel' && record.startTicks < (this.#numbers.endTicks ?? 0)
    if (record.type === 'gap' && isPast) return undefined
    for (const track of tracks) this.#log.append({ type: 'track-added', track })
    for (const marker of this.#earlyMarkers.values()) {
      if (markerEndTicks(marker) >= record.startTicks) this.#tell(marker)
    }
    this.#earlyMarkers.clear()
    if (this.#numbers === 'channel') return { sequence: 0, discontinuitySequence: 0 }
    const { nextSequence, discontinuitySequence: before } = this.#numbers
    // A gap is followed by the channel's own discontinuity: that one will do.
    if (before === undefined || record.type === 'gap') return shiftOf(record, nextSequence, before ?? 0)
    const discontinuitySequence = before + 1
    this.#log.append({ type: 'discontinuity', discontinuitySequence, reason: 'resumed' })
    return shiftOf(record, nextSequence, discontinuitySequence)
  }

  #end(): void {
    this.#state = 'stopped'
    this.#log.append({ type: 'ended' })
    this.#onEnded()
  }
}

function shiftOf(row: RowRecord, sequence: number, discontinuitySequence: number): Shift {
  return {
    sequence: sequence - row.sequence,
    discontinuitySequence: discontinuitySequence - row.discontinuitySequence,
  }
}

function shifted(record: LogRecord, shift: Shift): LogRecord {
  if (shift.sequence === 0 && shift.discontinuitySequence === 0) return record
  switch (record.type) {
    case 'segment-opened':
    case 'gap':
      return {
        ...record,
        sequence: record.sequence + shift.sequence,
        discontinuitySequence: record.discontinuitySequence + shift.discontinuitySequence,
      }
    case 'fragment':
    case 'segment-closed':
      return { ...record, sequence: record.sequence + shift.sequence }
    case 'discontinuity':
      return { ...record, discontinuitySequence: record.discontinuitySequence + shift.discontinuitySequence }
    default:
      return record
  }
}
