import { randomUUID } from 'node:crypto'
import type { EntityStore, JsonValue, WriteOperation } from '../domain/entity-store.ts'
import { eventCatalog, type NewEvent } from '../domain/events.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import { fieldProblems } from '../domain/validation.ts'
import { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { EventQueue, isHeartbeat } from './event-queue.ts'
import type { RecorderObserver } from './ports.ts'

/** What the recorder needs of the rest of the house. */
export type RecorderDeps = {
  readonly store: Pick<EntityStore, 'transaction'>
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RecorderObserver
  /** Called after every write, so that who follows the log looks at once. */
  readonly onRecorded: () => void
}

const MAX_WAITING = 4_096
/** With the mark beside them they make the 100 operations that a transaction takes. */
const BATCH = 99
const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000
const STOP_GRACE_MS = 3_000
/** Longer than any call of the store may take: after that nobody repeats the batch. */
const MARK_KEPT_MS = 3_600_000

/** Events that are written together, under a mark that tells a repetition of the write from the first. */
type Batch = { readonly mark: string; readonly events: readonly NewEvent[] }

/**
 * Writes the events of the node's own parts to the log. `record` never waits and never fails: what comes while the store is
 * down is kept, up to 4,096 events, and written when it is back, each once. Beyond that heartbeats are dropped first, then
 * the oldest, which the observer is told and the log says once per outage.
 */
export class EventRecorder {
  readonly #deps: RecorderDeps
  readonly #queue = new EventQueue(MAX_WAITING)
  readonly #bell = new Bell()
  readonly #ended = new AbortController()
  readonly #run: Promise<void>
  #isClosing = false
  #isOverfull = false
  #stopped: Promise<void> | undefined

  constructor(deps: RecorderDeps) {
    this.#deps = deps
    this.#run = this.#write()
  }

  record(event: NewEvent): void {
    if (this.#isClosing) {
      this.#dropped([event])
      return
    }
    if (!this.#isAsDeclared(event)) return
    const dropped = this.#queue.push(event)
    if (dropped) {
      this.#dropped([dropped])
      if (!this.#isOverfull) this.#deps.logger.error({ waiting: this.#queue.size }, 'events are lost: too many wait')
      this.#isOverfull = true
    }
    this.#bell.ring()
  }

  /** Takes no more events and writes what waits; what is not written after 3 s is given up. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** What follows the log, and the API's documentation, rely on the catalogue. */
  #isAsDeclared(event: NewEvent): boolean {
    const { error } = eventCatalog[event.type].data.safeParse(event.data)
    if (!error) return true
    const problems = fieldProblems(error)
    this.#deps.logger.error({ type: event.type, problems }, 'an event is not what the catalogue says, and is left out')
    this.#dropped([event])
    return false
  }

  async #stop(): Promise<void> {
    this.#isClosing = true
    this.#bell.ring()
    const deadline = this.#deps.clock.after(STOP_GRACE_MS, () => this.#ended.abort())
    await this.#run
    deadline.cancel()
    const lost = this.#queue.take(MAX_WAITING)
    this.#dropped(lost)
    if (lost.length > 0) this.#deps.logger.error({ count: lost.length }, 'events are lost: the store is down')
  }

  async #write(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      const heard = this.#bell.rings
      const events = this.#queue.take(BATCH)
      if (events.length > 0) await this.#writeBatch(events)
      else if (this.#isClosing) return
      else await this.#bell.wait(heard, this.#deps.clock, undefined, signal)
    }
  }

  /** Until it is written. A batch that the store refuses is written one by one, and what is refused then is dropped. */
  async #writeBatch(events: readonly NewEvent[]): Promise<void> {
    const batch: Batch = { mark: `events-${randomUUID()}`, events }
    for (let failures = 0; !this.#ended.signal.aborted; failures += 1) {
      const error = await this.#attempt(batch)
      if (error === undefined) return this.#written(events, failures)
      if (isUnavailable(error)) await this.#backOff(error, failures)
      else if (events.length > 1) {
        for (const event of events) await this.#writeBatch([event])
        return
      } else {
        this.#deps.logger.error({ err: error, type: events[0]?.type }, 'an event was refused by the store')
        return this.#dropped(events)
      }
    }
    this.#dropped(events)
  }

  async #attempt({ mark, events }: Batch): Promise<unknown> {
    const { clock, store } = this.#deps
    const nowMs = clock.now()
    const operations: WriteOperation[] = events.map((event) => {
      const { accountId, type, subject } = event
      const record = { accountId, kind: type, subject: subject.id, body: event as unknown as JsonValue }
      return { op: 'append', log: 'event', record }
    })
    const answer = { accountId: SYSTEM_ACCOUNT, key: mark, requestHash: mark, answer: null }
    operations.push({ op: 'remember', ...answer, expires: Math.trunc(nowMs) + MARK_KEPT_MS })
    try {
      await store.transaction(operations, { signal: this.#ended.signal })
      return undefined
    } catch (error) {
      // The mark is there: an attempt whose outcome was unknown had written the batch.
      if (error instanceof AppError && error.code === 'IDEMPOTENCY_KEY_USED') return undefined
      return error
    }
  }

  async #backOff(error: unknown, failures: number): Promise<void> {
    const { clock, logger } = this.#deps
    if (failures === 0) logger.warn({ problem: messageOf(error) }, 'events can not be written; they wait')
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)
    // Rejects when the recorder is to end, which the caller looks for.
    await clock.sleep(delayMs, this.#ended.signal).catch(() => undefined)
  }

  #written(events: readonly NewEvent[], failures: number): void {
    this.#isOverfull = false
    if (failures > 0) this.#deps.logger.info({ waiting: this.#queue.size }, 'events are written again')
    this.#deps.observer.recorded(events.length)
    this.#deps.onRecorded()
  }

  #dropped(events: readonly NewEvent[]): void {
    const heartbeats = events.filter(isHeartbeat).length
    if (heartbeats > 0) this.#deps.observer.dropped('heartbeat', heartbeats)
    if (events.length > heartbeats) this.#deps.observer.dropped('other', events.length - heartbeats)
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'unavailable'
}
