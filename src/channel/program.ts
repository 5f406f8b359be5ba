import type { LogRecord, Track } from '../presentation/records.ts'
import type { LogEntry } from './segment-assembly.ts'

/** Where a program's records go. */
export type ProgramLog = { append(record: LogRecord, bytes?: Uint8Array): void }

/** Where a program stands between its start and its end. */
export type ProgramState = 'running' | 'stopping' | 'stopped'

/** How a program begins. */
export type ProgramStart = {
  /** Its log has records already, up to where the channel goes on: the next record follows them, whatever it is. */
  readonly goesOn: boolean
}

/**
 * A stretch of a channel's presentation, cut on segment boundaries: it takes the channel's records from the first segment
 * that opens after its start to the last one that was open at its stop, and ends its log there.
 */
export class Program {
  readonly #log: ProgramLog
  readonly #onEnded: () => void
  #state: ProgramState = 'running'
  #isInSegment = false
  #hasBegun: boolean

  constructor(log: ProgramLog, { goesOn }: ProgramStart, onEnded: () => void) {
    this.#log = log
    this.#onEnded = onEnded
    this.#hasBegun = goesOn
  }

  get state(): ProgramState {
    return this.#state
  }

  /** Takes a record of the channel. `tracks`: all that the channel has announced so far. */
  take({ record, bytes }: LogEntry, tracks: readonly Track[]): void {
    if (this.#state === 'stopped') return
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
    if (this.#state !== 'running') return
    this.#state = 'stopping'
    if (!this.#isInSegment) this.#end()
  }

  /** The channel goes away, the program does not end: nothing more is taken, and its log stays open. */
  detach(): void {
    this.#state = 'stopped'
  }

  #end(): void {
    this.#state = 'stopped'
    this.#log.append({ type: 'ended' })
    this.#onEnded()
  }
}
