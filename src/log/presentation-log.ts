import { AppError } from '../lib/errors.ts'
import { Presentation } from '../presentation/presentation.ts'
import {
  type LogRecord,
  PRESENTATION_TIMESCALE,
  type PresentationHeader,
  type RecordOf,
} from '../presentation/records.ts'
import type { PresentationSnapshot } from '../presentation/snapshot.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { FragmentMemory } from './fragment-memory.ts'
import { SegmentBytes } from './segment-bytes.ts'

/** Segments that stay whatever the budget says, and target durations for which a segment outlives its listing. */
const NEWEST_KEPT = 3
const TARGETS_AFTER_LISTING = 3

/** Where a log keeps its bytes and for how long. */
export type PresentationLogOptions = {
  readonly memory: FragmentMemory
  /** Fragment bytes kept; the oldest segments go first, the newest three never. */
  readonly budgetBytes: number
  /**
   * How long a segment is kept after its end; `undefined`: until the budget is full. Raised where need be to the rewind
   * window and three target durations, so that what has just left a playlist can still be fetched.
   */
  readonly retainMs: number | undefined
}

/** Hears every record in order, in the turn in which it was appended. It must not throw. */
export type LogListener = {
  appended(position: number, record: LogRecord, fragment: Uint8Array | undefined): void
  /** The bytes of closed segments before this one are no longer in memory. */
  cooled?(firstSequence: number): void
  /** The log is stopped; its bytes may be reused as soon as this returns. */
  stopped(): void
}

/** Segments that left the log, by cause. */
export type EvictionCounts = { readonly window: number; readonly budget: number }

/** The one writer's log of a presentation: the records' effect, the fragments' bytes, and who listens. */
export class PresentationLog {
  readonly #options: PresentationLogOptions
  readonly #presentation: Presentation
  readonly #bytes: SegmentBytes<Uint8Array>
  readonly #listeners = new Set<LogListener>()
  readonly #evictions = { window: 0, budget: 0 }
  #position = 0
  #hotSequence = 0
  #stopped = false

  constructor(header: PresentationHeader, options: PresentationLogOptions) {
    this.#options = options
    this.#presentation = new Presentation(header)
    this.#bytes = new SegmentBytes(
      (fragment) => fragment.byteLength,
      (fragments) => {
        for (const fragment of fragments) options.memory.release(fragment)
      },
    )
  }

  get id(): string {
    return this.#presentation.header.id
  }

  get view(): PresentationView {
    return this.#presentation
  }

  /** The number of records appended. */
  get position(): number {
    return this.#position
  }

  get sizeBytes(): number {
    return this.#bytes.sizeBytes
  }

  /** The oldest closed segment whose bytes may be in memory. */
  get hotSequence(): number {
    return Math.max(this.#hotSequence, this.#presentation.firstSequence)
  }

  get indexBytes(): number {
    return this.#presentation.indexBytes
  }

  get evictions(): EvictionCounts {
    return { ...this.#evictions }
  }

  /**
   * Appends a record and gives its position, counted from 1. A `fragment` comes with its bytes: in fragment memory they
   * are shared with every other log they are appended to, from elsewhere they are copied into it. What the record evicts follows as a
   * record of its own. Throws `STOPPED`, `LIMIT_EXCEEDED`, or what the presentation says of a record out of order.
   */
  append(record: LogRecord, fragmentBytes?: Uint8Array): number {
    if (this.#stopped) throw new AppError('STOPPED', `presentation log ${this.id} is stopped`)
    if (record.type === 'fragment' && fragmentBytes?.byteLength !== record.sizeBytes) {
      throw new AppError('INTERNAL', `a fragment record of ${record.sizeBytes} bytes came without them`)
    }
    const position = this.#write(record.type === 'track-added' ? compact(record) : record, fragmentBytes)
    if (record.type === 'segment-closed' || record.type === 'gap') this.#evictPastWindow()
    if (this.#bytes.sizeBytes > this.#options.budgetBytes) this.#evictPastBudget()
    return position
  }

  /** Takes over what was written earlier, without its bytes: all of it before anything is appended. */
  restore(records: Iterable<LogRecord>): void {
    for (const record of records) if (record.type !== 'opened') this.#presentation.apply(record)
    this.#hotSequence = this.#presentation.endSequence
  }

  /** Lets go of the bytes of closed segments before this one: whoever wants them reads them where they are kept. */
  cool(firstSequence: number): void {
    const first = Math.min(firstSequence, this.#presentation.endSequence)
    if (first <= this.#hotSequence) return
    this.#hotSequence = first
    this.#bytes.dropBefore(first)
    for (const listener of this.#listeners) listener.cooled?.(first)
  }

  /** Media bytes in memory of one segment. */
  segmentBytes(sequence: number): number {
    return this.#bytes.segmentBytes(sequence)
  }

  /** As `Presentation.snapshot`. */
  snapshot(): PresentationSnapshot {
    return this.#presentation.snapshot()
  }

  /** The fragments in memory, as long as the caller's turn lasts. */
  held(): Iterable<{ readonly sequence: number; readonly track: number; readonly fragments: readonly Uint8Array[] }> {
    return this.#bytes.all()
  }

  /** As `Presentation.spanRecords`. */
  spanRecords(firstSequence: number, endSequence: number): Iterable<LogRecord> {
    return this.#presentation.spanRecords(firstSequence, endSequence)
  }

  /** Tells the listener of every record from now on; the result ends that. */
  subscribe(listener: LogListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Records that make a copy of this presentation, fewer than were appended. */
  records(): Iterable<LogRecord> {
    return this.#presentation.records()
  }

  /** The fragments of a segment, also of the open one, as long as the caller's turn lasts. */
  fragments(sequence: number, track: number): readonly Uint8Array[] | undefined {
    return this.#bytes.get(sequence, track)
  }

  /** The fragments of one rendition in one segment, so far where that is open; they stay what they are until `signal` is aborted. */
  read(renditionIndex: number, sequence: number, signal: AbortSignal): readonly Uint8Array[] | undefined {
    const track = this.#presentation.trackOf(renditionIndex, sequence)
    const fragments = track === undefined ? undefined : this.#bytes.lease(sequence, track, signal)
    return fragments && [...fragments]
  }

  /** Ends the log in this process and lets go of its bytes; it may be called twice. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    for (const listener of [...this.#listeners]) listener.stopped()
    this.#listeners.clear()
    this.#bytes.clear()
  }

  #write(record: LogRecord, fragmentBytes?: Uint8Array): number {
    this.#presentation.apply(record)
    const fragment = record.type === 'fragment' && fragmentBytes ? this.#keep(record, fragmentBytes) : undefined
    if (record.type === 'evicted') this.#bytes.dropBefore(record.firstSequence)
    const position = ++this.#position
    for (const listener of this.#listeners) listener.appended(position, record, fragment)
    return position
  }

  #keep(record: RecordOf<'fragment'>, bytes: Uint8Array): Uint8Array {
    const memory = this.#options.memory
    let kept = bytes
    if (memory.has(bytes)) {
      memory.hold(bytes)
    } else {
      kept = memory.allocate(bytes.byteLength)
      kept.set(bytes)
      memory.hold(kept)
      memory.disown(kept)
    }
    this.#bytes.add(record.sequence, record.track, kept)
    return kept
  }

  get #retainTicks(): number {
    const { rewindWindowMs = 0, targetDurationMs } = this.#presentation.header
    const { retainMs = Number.POSITIVE_INFINITY } = this.#options
    const listedMs = rewindWindowMs + TARGETS_AFTER_LISTING * targetDurationMs
    return (Math.max(retainMs, listedMs) * PRESENTATION_TIMESCALE) / 1000
  }

  #evictPastWindow(): void {
    const view = this.#presentation
    const newest = view.segment(view.endSequence - 1)
    if (!newest) return
    const oldestEnd = newest.startTicks + newest.durationTicks - this.#retainTicks
    let first = view.firstSequence
    for (; first < view.endSequence - NEWEST_KEPT; first++) {
      const segment = view.segment(first)
      if (segment && segment.startTicks + segment.durationTicks > oldestEnd) break
    }
    this.#evictBefore(first, 'window')
  }

  #evictPastBudget(): void {
    const view = this.#presentation
    let excessBytes = this.#bytes.sizeBytes - this.#options.budgetBytes
    let first = view.firstSequence
    for (; excessBytes > 0 && first < view.endSequence - NEWEST_KEPT; first++) {
      excessBytes -= this.#bytes.segmentBytes(first)
    }
    this.#evictBefore(first, 'budget')
  }

  #evictBefore(firstSequence: number, cause: keyof EvictionCounts): void {
    const count = firstSequence - this.#presentation.firstSequence
    if (count <= 0) return
    this.#evictions[cause] += count
    this.#write({ type: 'evicted', firstSequence })
  }
}

/**
 * The track with byte arrays of its own: a view on a larger buffer (a message of the encoder) would keep all of it alive here, and be
 * copied whole to each thread.
 */
function compact(record: RecordOf<'track-added'>): RecordOf<'track-added'> {
  const { track } = record
  return {
    type: 'track-added',
    track: {
      ...track,
      init: exact(track.init),
      config: { ...track.config, record: exact(track.config.record) },
    },
  }
}

function exact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes)
}
