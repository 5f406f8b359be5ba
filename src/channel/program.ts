import type { Clock, Timer } from '../lib/clock.ts'
import type { LogRecord, Track } from '../presentation/records.ts'
import type { LogEntry } from './segment-assembly.ts'

/** Where a program's records go. */
export type ProgramLog = { append(record: LogRecord, bytes?: Uint8Array): void }

/** Where a program stands between its start and its end. */
export type ProgramState = 'waiting' | 'running' | 'stopping' | 'stopped'

/** When a program begins and ends. */
export type ProgramSchedule = {
  /** ms since the epoch; absent: at once. */
  readonly startAtMs?: number
  /** ms since the epoch; absent: when the channel stops. */
  readonly stopAtMs?: number
  /** Its log has records already, up to where the channel goes on: the next record follows them, whatever it is. */
  readonly goesOn?: boolean
}

/** So often at least the schedule is looked at: the wall clock may be set, and no timer of the runtime holds 25 days. */
const LONGEST_DELAY_MS = 60_000

/**
 * A stretch of a channel's presentation, cut on segment boundaries: it takes the channel's records from the first segment
 * that opens after its start to the last one that was open at its stop, and ends its log there.
 */
export class Program {
  readonly #log: ProgramLog
  readonly #clock: Clock
  readonly #schedule: ProgramSchedule
  readonly #onEnded: () => void
  #state: ProgramState = 'waiting'
  #timer: Timer | undefined
  #isInSegment = false
  #hasBegun: boolean

  constructor(log: ProgramLog, clock: Clock, schedule: ProgramSchedule, onEnded: () => void) {
    this.#log = log
    this.#clock = clock
    this.#schedule = schedule
    this.#onEnded = onEnded
    this.#hasBegun = schedule.goesOn ?? false
    this.#follow()
  }

  get state(): ProgramState {
    return this.#state
  }

  /** Takes a record of the channel. `tracks`: all that the channel has announced so far. */
  take({ record, bytes }: LogEntry, tracks: readonly Track[]): void {
    if (this.#state !== 'running' && this.#state !== 'stopping') return
    if (!this.#hasBegun) {
      if (record.type !== 'segment-opened' && record.type !== 'gap') return
      this.#hasBegun = true
      for (const track of tracks) this.#log.append({ type: 'track-added', track })
    }
    this.#log.append(record, bytes)
    if (record.type === 'segment-opened') this.#isInSegment = true
    if (record.type !== 'segment-closed') return
    this.#isInSegment = false
    if (this.#state === 'stopping') this.#end()
  }

  /** Ends with the segment that is open now, or at once where none is. */
  stop(): void {
    if (this.#state === 'stopped' || this.#state === 'stopping') return
    this.#timer?.cancel()
    this.#state = 'stopping'
    if (!this.#isInSegment) this.#end()
  }

  /** The server goes down, the program does not end: nothing more is taken, and its log stays open. */
  detach(): void {
    this.#timer?.cancel()
    this.#state = 'stopped'
  }

  #end(): void {
    this.#state = 'stopped'
    this.#log.append({ type: 'ended' })
    this.#onEnded()
  }

  /** Goes to the state that the schedule asks for now, and sets the timer for the next. */
  #follow(): void {
    const { startAtMs = 0, stopAtMs = Number.POSITIVE_INFINITY } = this.#schedule
    const nowMs = this.#clock.now()
    if (nowMs >= stopAtMs) {
      this.stop()
      return
    }
    if (nowMs >= startAtMs) this.#state = 'running'
    const dueMs = nowMs < startAtMs ? startAtMs : stopAtMs
    if (dueMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#clock.after(Math.min(dueMs - nowMs, LONGEST_DELAY_MS), () => this.#follow())
  }
}
