import type { LogRecord, RecordOf } from '../../presentation/records.ts'
import type { JournalEntry } from './journal-file.ts'
import type { JournalHead } from './journal-head.ts'

/** Counts how many hold a fragment's bytes: its memory is used for others when nobody does. */
export type FragmentHolds = { hold(bytes: Uint8Array): void; release(bytes: Uint8Array): void }

/** A record that waits to be written. */
export type Queued = JournalEntry & {
  readonly record: LogRecord
  readonly serial: number
  /** Who looks at the log must not see it before it is on the disk. */
  readonly isBarrier: boolean
  /** With it a new file begins, and this is what the file begins with. */
  readonly head?: JournalHead | undefined
}

/** What a record weighs beside its data. */
const RECORD_BYTES = 512

/**
 * Records on their way to the disk. When they become too many, whole segments lose their media, the oldest first: in the
 * journal they are gaps, and its numbers go on without a hole.
 */
export class SpoolQueue {
  readonly #budgetBytes: number
  readonly #holds: FragmentHolds
  /** Whose rows are written, or wait to be: where a segment that loses its media was opened. */
  readonly #opened = new Map<number, RecordOf<'segment-opened'>>()
  readonly #doomed = new Set<number>()
  #waiting: Queued[] = []
  #taken: Queued[] = []
  #sizeBytes = 0
  /** Of a file whose first record is not written, and nothing has come behind it yet. */
  #head: JournalHead | undefined

  constructor(budgetBytes: number, holds: FragmentHolds) {
    this.#budgetBytes = budgetBytes
    this.#holds = holds
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#taken.length === 0
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Whether the segment has lost its media, or is losing it. */
  isDoomed(sequence: number): boolean {
    return this.#doomed.has(sequence)
  }

  /** Gives the segments that lost their media by this, which may be the one that is open. */
  push(queued: Queued): readonly number[] {
    const { record } = queued
    if (record.type === 'segment-opened') this.#opened.set(record.sequence, record)
    const kept = this.#asGap(queued)
    if (kept) {
      if (kept.data) this.#holds.hold(kept.data)
      this.#sizeBytes += weightOf(kept)
      this.#waiting.push(this.#head ? { ...kept, head: kept.head ?? this.#head } : kept)
      this.#head = undefined
    }
    return this.#sizeBytes > this.#budgetBytes ? this.#shed() : []
  }

  /** What is to be written next, into one file: at least one where any waits. It stays ours until `done` or `putBack`. */
  take(maxBytes: number): readonly Queued[] {
    let count = 0
    let sizeBytes = 0
    for (const queued of this.#waiting) {
      const isOther = count > 0 && queued.head !== undefined
      if (isOther || (count > 0 && sizeBytes > maxBytes)) break
      sizeBytes += weightOf(queued)
      count++
    }
    this.#taken = this.#waiting.splice(0, count)
    return this.#taken
  }

  /** What was taken is on the disk. */
  done(): void {
    for (const queued of this.#taken) this.#forget(queued)
    this.#taken = []
  }

  /** What was taken could not be written. */
  putBack(): void {
    this.#waiting.unshift(...this.#taken)
    this.#taken = []
  }

  /** Nothing is written any more. */
  clear(): void {
    for (const queued of [...this.#taken, ...this.#waiting]) this.#forget(queued)
    this.#taken = []
    this.#waiting = []
  }

  #forget(queued: Queued): void {
    this.#sizeBytes -= weightOf(queued)
    if (queued.data) this.#holds.release(queued.data)
    const { record } = queued
    if (record.type !== 'segment-closed' && record.type !== 'gap') return
    this.#opened.delete(record.sequence)
    this.#doomed.delete(record.sequence)
  }

  /** As it is written where its segment has lost its media; `undefined`: not at all. */
  #asGap(queued: Queued): Queued | undefined {
    const { record } = queued
    if (!('sequence' in record) || record.type === 'gap' || !this.#doomed.has(record.sequence)) return queued
    if (record.type !== 'segment-closed') return undefined
    const opened = this.#opened.get(record.sequence)
    if (!opened) return undefined
    const { sequence, discontinuitySequence, startTicks, wallMs } = opened
    const { durationTicks } = record
    const gap = { type: 'gap', sequence, discontinuitySequence, startTicks, durationTicks, wallMs } as const
    return { ...queued, record: gap, data: undefined }
  }

  /** Takes the media of the oldest segments away until the rest is half of what may be. */
  #shed(): readonly number[] {
    const shed: number[] = []
    while (this.#sizeBytes > this.#budgetBytes / 2) {
      const oldest = this.#waiting.find(({ record }) => record.type === 'fragment')?.record
      if (oldest?.type !== 'fragment') break
      this.#doomed.add(oldest.sequence)
      shed.push(oldest.sequence)
      this.#rewrite()
    }
    return shed
  }

  #rewrite(): void {
    const before = this.#waiting
    this.#waiting = []
    let head: JournalHead | undefined
    for (const queued of before) {
      const isOpening = queued.record.type === 'segment-opened' && this.#doomed.has(queued.record.sequence)
      const kept = isOpening ? undefined : this.#asGap(queued)
      if (kept !== queued) {
        if (queued.data) this.#holds.release(queued.data)
        this.#sizeBytes += (kept ? weightOf(kept) : 0) - weightOf(queued)
      }
      // A file begins with whatever is left of its first segment.
      if (kept) this.#waiting.push(head ? { ...kept, head: kept.head ?? head } : kept)
      head = kept ? undefined : (queued.head ?? head)
    }
    this.#head ??= head
  }
}

function weightOf({ data }: Queued): number {
  return RECORD_BYTES + (data?.byteLength ?? 0)
}
