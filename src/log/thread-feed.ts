import type { ArchivePlace } from '../domain/archive-place.ts'
import type { FileSet } from '../domain/file-set.ts'
import type { AccountRules } from '../domain/serving-rules.ts'
import type { TextSet } from '../domain/text-sidecar.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { FeedEntry, FeedPort, FeedReply, Publication } from './feed-messages.ts'
import { entryBytes, type FeedLimits, FeedWindow } from './feed-window.ts'
import type { FragmentMemory } from './fragment-memory.ts'
import { snapshotEntries } from './log-snapshot.ts'
import type { PresentationLog } from './presentation-log.ts'
import { SentFragments } from './sent-fragments.ts'

/** What the feed copies. */
export type FeedSource = {
  publications(): Iterable<Publication>
  fileSets(): Iterable<FileSet>
  textSets(): Iterable<TextSet>
  rules(): Iterable<AccountRules>
  logs(): Iterable<PresentationLog>
  log(presentationId: string): PresentationLog | undefined
  /** Where its recording lies. */
  place(presentationId: string): ArchivePlace | undefined
}

/** What a feed copies, from which memory, and how much may be under way. */
export type FeedOptions = {
  readonly source: FeedSource
  readonly memory: FragmentMemory
  readonly clock: Clock
  readonly limits?: FeedLimits
}

/** A feed's figures, for metrics. */
export type FeedState = {
  /** How often the replica fell so far behind, or failed, that it was sent everything anew. */
  readonly staleCount: number
  readonly unackedEntries: number
  readonly unackedBytes: number
  /** Fragments that the replica holds. */
  readonly heldFragments: number
  readonly batches: number
}

const DEFAULT_LIMITS: FeedLimits = { entries: 20_000, bytes: 128 * 2 ** 20 }
const COPY_SLICE = 512
const RETRY_MS = 1_000
/** A message costs more by waking the other thread than by what is in it: what comes within so little goes together. */
const TURN_MS = 20

/**
 * Keeps the replica behind `port` up to date: the records of 20 ms go in one message, fragments as places in shared
 * memory. A replica that doesn't keep up is sent nothing until it has caught up, and then everything anew; so is one that
 * has just started.
 */
export class ThreadFeed {
  readonly #port: FeedPort
  readonly #options: FeedOptions
  readonly #window: FeedWindow
  readonly #fragments: SentFragments
  readonly #subscriptions = new Map<string, () => void>()
  /** Logs that the replica is to get a copy of; their records wait for that. */
  readonly #toCopy = new Set<string>()
  /** What is left of the copy that is being sent, and what is to follow it. */
  #copy: FeedEntry[] = []
  #pending: FeedEntry[] = []
  #pendingBytes = 0
  #staleCount = 0
  /** `waiting`: the replica has not said hello yet. `stale`: it has to catch up first. */
  #state: 'waiting' | 'stale' | 'running' | 'stopped' = 'waiting'
  #synced = false
  #turn: Timer | undefined
  #retry: Timer | undefined
  #settled: { readonly serial: number; readonly resolve: () => void }[] = []

  constructor(port: FeedPort, options: FeedOptions) {
    this.#port = port
    this.#options = options
    this.#window = new FeedWindow(options.limits ?? DEFAULT_LIMITS)
    this.#fragments = new SentFragments(options.memory)
    port.on('message', this.#onMessage)
    for (const log of options.source.logs()) this.opened(log)
  }

  get state(): FeedState {
    return {
      staleCount: this.#staleCount,
      unackedEntries: this.#window.unackedEntries,
      unackedBytes: this.#window.unackedBytes,
      heldFragments: this.#fragments.size,
      batches: this.#window.batches,
    }
  }

  /** A log was added to the source. */
  opened(log: PresentationLog): void {
    if (this.#state === 'stopped') return
    const presentationId = log.id
    this.#subscriptions.get(presentationId)?.()
    const unsubscribe = log.subscribe({
      appended: (_position, record, fragment) => this.#appended(presentationId, record, fragment),
      cooled: (firstSequence) => this.#cooled(presentationId, firstSequence),
      stopped: () => this.#closed(presentationId),
    })
    this.#subscriptions.set(presentationId, unsubscribe)
    if (this.#state !== 'running') return
    this.#toCopy.add(presentationId)
    this.#schedule()
  }

  /** What is published has changed. Sent at once, so that the next request on the replica's thread sees it. */
  publicationChanged(
    entry: FeedEntry & {
      readonly kind:
        | 'publish'
        | 'withdraw'
        | 'files'
        | 'files-closed'
        | 'texts'
        | 'texts-closed'
        | 'rules'
        | 'keys-changed'
    },
  ): void {
    if (this.#state !== 'running') return
    this.#push(entry)
    this.#flush()
  }

  /**
   * Resolves when the replica has applied everything that was known when this was called, or the feed stops. A replica
   * that has not said hello knows nothing, and answers nothing: there is nothing to wait for.
   */
  settled(): Promise<void> {
    if (this.#state === 'running') this.#flush()
    if (this.#state === 'stopped' || this.#state === 'waiting' || this.#isIdle()) return Promise.resolve()
    // What could not be sent yet has no number: then it is over when nothing is left.
    const serial = this.#hasUnsent() ? Number.POSITIVE_INFINITY : this.#window.batches
    return new Promise((resolve) => this.#settled.push({ serial, resolve }))
  }

  /** Ends the feed and takes back what the replica holds: its thread must be gone, or must have stopped reading. */
  stop(): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#port.off('message', this.#onMessage)
    this.#turn?.cancel()
    this.#retry?.cancel()
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
    this.#forgetUnsent()
    this.#fragments.releaseAll()
    for (const { resolve } of this.#settled.splice(0)) resolve()
  }

  readonly #onMessage = (message: unknown): void => {
    const reply = message as FeedReply
    if (reply.kind === 'hello') this.#restart()
    else if (reply.kind === 'ack') this.#acked(reply.serial)
    else if (reply.kind === 'released') this.#fragments.release(reply.tokens)
    else if (reply.kind === 'failed') this.#failed()
  }

  #appended(presentationId: string, record: LogRecord, fragment: Uint8Array | undefined): void {
    if (this.#state !== 'running' || this.#toCopy.has(presentationId)) return
    const fragments = fragment ? [this.#fragments.send(fragment, this.#pending)] : []
    this.#push({ kind: 'record', presentationId, record, fragments })
    this.#schedule()
  }

  #cooled(presentationId: string, firstSequence: number): void {
    if (this.#state !== 'running' || this.#toCopy.has(presentationId)) return
    this.#push({ kind: 'cooled', presentationId, firstSequence })
    this.#schedule()
  }

  #closed(presentationId: string): void {
    this.#subscriptions.get(presentationId)?.()
    this.#subscriptions.delete(presentationId)
    this.#toCopy.delete(presentationId)
    if (this.#state !== 'running') return
    this.#push({ kind: 'closed', presentationId })
    this.#schedule()
  }

  #push(entry: FeedEntry): void {
    this.#pending.push(entry)
    this.#pendingBytes += entryBytes(entry)
    if (!this.#window.isPassedBy(this.#pending.length, this.#pendingBytes)) return
    this.#goStale()
    if (this.#window.isEmpty) this.#begin()
  }

  #goStale(): void {
    this.#staleCount++
    this.#state = 'stale'
    this.#forgetUnsent()
  }

  /** A replica that says hello holds and reads nothing, and what was sent before is not acknowledged any more. */
  #restart(): void {
    this.#forgetUnsent()
    this.#window.reset()
    this.#fragments.releaseAll()
    this.#begin()
  }

  #failed(): void {
    if (this.#state !== 'running') return
    this.#goStale()
    // What could not be applied once may fail again: not at full speed.
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = undefined
      if (this.#state === 'stale') this.#begin()
    })
  }

  /** Everything anew: what is published, and then a copy of each log. */
  #begin(): void {
    const { source } = this.#options
    this.#state = 'running'
    this.#synced = false
    this.#toCopy.clear()
    for (const log of source.logs()) this.#toCopy.add(log.id)
    const presentationIds = [...this.#toCopy]
    this.#pending.push({ kind: 'reset', publications: [...source.publications()], presentationIds })
    for (const set of source.fileSets()) this.#pending.push({ kind: 'files', set })
    for (const set of source.textSets()) this.#pending.push({ kind: 'texts', set })
    for (const rules of source.rules()) this.#pending.push({ kind: 'rules', rules })
    this.#schedule()
  }

  #acked(serial: number): void {
    this.#window.acked(serial)
    if (this.#state === 'stale' && this.#window.isEmpty && !this.#retry) this.#begin()
    // A turn that is scheduled already sends what waits, together with what the turn still brings.
    if (this.#state === 'running' && !this.#turn) this.#flush()
    const ackedSerial = this.#isIdle() ? Number.POSITIVE_INFINITY : serial
    const settled = this.#settled.filter((waiter) => waiter.serial <= ackedSerial)
    this.#settled = this.#settled.filter((waiter) => waiter.serial > ackedSerial)
    for (const { resolve } of settled) resolve()
  }

  #schedule(): void {
    this.#turn ??= this.#options.clock.after(TURN_MS, () => this.#flush())
  }

  /** Sends what may be sent: the rest of a copy that has begun, then what came since, then the next copy. */
  #flush(): void {
    this.#turn?.cancel()
    this.#turn = undefined
    while (this.#state === 'running') {
      if (this.#copy.length > 0) {
        if (!this.#window.hasRoomForCopy) return
        this.#port.postMessage(this.#window.add(this.#copy.splice(0, COPY_SLICE)))
      } else if (this.#pending.length > 0) {
        this.#pendingBytes = 0
        this.#port.postMessage(this.#window.add(this.#pending.splice(0)))
      } else if (!this.#nextCopy()) {
        return
      }
    }
  }

  #nextCopy(): boolean {
    for (const presentationId of this.#toCopy) {
      this.#toCopy.delete(presentationId)
      const log = this.#options.source.log(presentationId)
      if (!log) continue
      const regions: FeedEntry[] = []
      const entries = snapshotEntries(log, this.#options.source.place(presentationId), (bytes) =>
        this.#fragments.send(bytes, regions),
      )
      this.#copy = [...regions, ...entries]
      return true
    }
    if (this.#synced) return false
    this.#synced = true
    this.#pending.push({ kind: 'synced' })
    return true
  }

  #forgetUnsent(): void {
    this.#fragments.unsend(this.#copy)
    this.#fragments.unsend(this.#pending)
    this.#copy = []
    this.#pending = []
    this.#pendingBytes = 0
  }

  #isIdle(): boolean {
    return !this.#hasUnsent() && this.#window.isEmpty
  }

  #hasUnsent(): boolean {
    const unsent = this.#copy.length + this.#pending.length + this.#toCopy.size
    return this.#state !== 'running' || !this.#synced || unsent > 0
  }
}
