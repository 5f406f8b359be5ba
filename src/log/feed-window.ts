import type { FeedBatch, FeedEntry } from './feed-messages.ts'

/** What a replica may have before it and not yet applied. */
export type FeedLimits = { readonly entries: number; readonly bytes: number }

type Sent = { readonly serial: number; readonly entries: number; readonly bytes: number }

/** Numbers the batches and counts what was sent and not acknowledged yet. */
export class FeedWindow {
  readonly #limits: FeedLimits
  #sent: Sent[] = []
  #entries = 0
  #bytes = 0
  #serial = 0

  constructor(limits: FeedLimits) {
    this.#limits = limits
  }

  get unackedEntries(): number {
    return this.#entries
  }

  get unackedBytes(): number {
    return this.#bytes
  }

  get batches(): number {
    return this.#serial
  }

  get isEmpty(): boolean {
    return this.#sent.length === 0
  }

  /** Whether so much more would pass the limits. */
  isPassedBy(entries: number, bytes: number): boolean {
    return this.#entries + entries > this.#limits.entries || this.#bytes + bytes > this.#limits.bytes
  }

  /** Half is left to the records that come while a copy is being sent. */
  get hasRoomForCopy(): boolean {
    return this.isEmpty || (this.#entries < this.#limits.entries / 2 && this.#bytes < this.#limits.bytes / 2)
  }

  add(entries: FeedEntry[]): FeedBatch {
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0)
    const serial = ++this.#serial
    this.#sent.push({ serial, entries: entries.length, bytes })
    this.#entries += entries.length
    this.#bytes += bytes
    return { serial, entries }
  }

  acked(serial: number): void {
    while (this.#sent[0] && this.#sent[0].serial <= serial) {
      const { entries, bytes } = this.#sent[0]
      this.#sent.shift()
      this.#entries -= entries
      this.#bytes -= bytes
    }
  }

  reset(): void {
    this.#sent = []
    this.#entries = 0
    this.#bytes = 0
  }
}

/** Media bytes that an entry makes the replica hold. */
export function entryBytes(entry: FeedEntry): number {
  if (entry.kind !== 'record' && entry.kind !== 'bytes') return 0
  return entry.fragments.reduce((sum, fragment) => sum + fragment.sizeBytes, 0)
}
