import type { RecordPage, RecordQuery, StoredRecord } from '../domain/entity-store.ts'
import { eventOf } from '../domain/log-records.ts'
import { sequenceId } from '../domain/sequence-id.ts'
import { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Turns } from '../lib/turns.ts'
import { FeedWindow } from './feed-window.ts'
import type { ChangeNotices, EventLog, FeedEvent, FeedPage } from './ports.ts'

/** What the feed needs of the rest of the house. */
export type FeedDeps = {
  readonly log: EventLog
  readonly changes: Pick<ChangeNotices, 'onChange'>
  readonly clock: Clock
  readonly logger: Logger
}

/** How soon events are seen that no nudge announced: those of other nodes. */
const POLL_MS = 1_000
const RETRY_MS = 1_000
const READ_EVENTS = 500
const NEWEST = { log: 'event', order: 'newest-first', limit: 1 } as const
const WINDOW = { maxEvents: 1_000, maxLength: 4_194_304 }
/** What one who lags behind reads at once, and how many of them read at the same time. */
const CATCH_UP_EVENTS = 200
const CATCH_UP_READS = 8

/**
 * The log of events, for any number of followers from any position. One reading of the log serves all who are at its live
 * edge; who lags reads pages of its own, when it asks for the next, so that nothing is kept for anybody. It reads only while
 * somebody follows: when it is rung, when the store tells of changes, and once a second.
 */
export class EventFeed {
  readonly #deps: FeedDeps
  /** Rung to have the log read, and when that gave something. */
  readonly #bell = new Bell()
  readonly #news = new Bell()
  readonly #ended = new AbortController()
  readonly #catchUps = new Turns(CATCH_UP_READS)
  readonly #forgetChanges: () => void
  #followers = 0
  #reader: Promise<void> | undefined
  #window: FeedWindow | undefined

  constructor(deps: FeedDeps) {
    this.#deps = deps
    this.#forgetChanges = deps.changes.onChange(() => this.ring())
  }

  /** Something was written to the log just now. */
  ring(): void {
    this.#bell.ring()
  }

  /** Ends every following. */
  async stop(): Promise<void> {
    this.#forgetChanges()
    this.#ended.abort()
    await this.#reader
  }

  /** The position of the newest event. @throws AppError `STORE_DOWN` */
  async newest(): Promise<number> {
    const { records, prunedThrough } = await this.#deps.log.readRecords(NEWEST, { signal: this.#ended.signal })
    return newestOf(records, prunedThrough)
  }

  /**
   * An account's events after a position, or from now on, in order and without gap, page by page, until the signal is aborted
   * or the feed is stopped. A page may be empty: it says how far the log was looked through. While the store is down it waits.
   *
   * @throws AppError `EVENTS_GONE` where the position is older than what is kept, or of another log.
   */
  async *follow(accountId: string, after: number | undefined, asked: AbortSignal): AsyncGenerator<FeedPage> {
    const signal = AbortSignal.any([asked, this.#ended.signal])
    this.#join()
    try {
      let position = after
      while (!signal.aborted) {
        const heard = this.#news.rings
        const window = this.#window
        position ??= window?.head
        if (!window || position === undefined) {
          await this.#news.wait(heard, this.#deps.clock, undefined, signal)
          continue
        }
        const page = await this.#pageAfter(accountId, position, window, signal)
        if (signal.aborted) return
        if (page) {
          position = page.position
          yield page
        } else await this.#news.wait(heard, this.#deps.clock, undefined, signal)
      }
    } finally {
      this.#followers -= 1
    }
  }

  /** What follows a position now; `undefined` where nothing does yet. */
  async #pageAfter(
    accountId: string,
    position: number,
    window: FeedWindow,
    signal: AbortSignal,
  ): Promise<FeedPage | undefined> {
    if (position > window.head) await this.#assertKnown(position, signal)
    const { head } = window
    if (position >= head) return undefined
    const held = window.after(position, accountId)
    if (held) return { position: head, events: held }
    const query = { log: 'event', accountId, afterSequence: position, order: 'oldest-first' } as const
    const page = await this.#read({ ...query, limit: CATCH_UP_EVENTS }, signal)
    if (!page) return undefined
    if (page.prunedThrough > position) throw gone(position, page.prunedThrough)
    const events = page.records.map(feedEvent)
    const last = events.at(-1)?.position ?? position
    // Everything up to the head could be seen when the page was read: a page that is not full reaches there.
    return { position: events.length < CATCH_UP_EVENTS ? Math.max(last, head) : last, events }
  }

  /** A position past the head is one that another node has told already, or not of this log. */
  async #assertKnown(position: number, signal: AbortSignal): Promise<void> {
    const page = await this.#read(NEWEST, signal)
    if (!page) return
    const newest = newestOf(page.records, page.prunedThrough)
    if (newest < position) throw gone(position, newest)
    this.ring()
  }

  /** One of few such reads at once; `undefined` when there is nothing more to read for. While the store is down it waits. */
  async #read(query: RecordQuery, signal: AbortSignal): Promise<RecordPage | undefined> {
    while (!signal.aborted) {
      try {
        return await this.#catchUps.run(() => this.#deps.log.readRecords(query, { signal }), { signal })
      } catch (error) {
        if (signal.aborted) return undefined
        if (!(error instanceof AppError && error.kind === 'unavailable')) throw error
        await this.#deps.clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
    return undefined
  }

  #join(): void {
    this.#followers += 1
    this.#reader ??= this.#readWhileFollowed()
  }

  async #readWhileFollowed(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#ended
    let failures = 0
    while (!signal.aborted && this.#followers > 0) {
      const heard = this.#bell.rings
      let waitMs: number | undefined = POLL_MS
      try {
        if (await this.#readOn()) waitMs = undefined
        if (failures > 0) logger.info('the log of events is read again')
        failures = 0
      } catch (error) {
        if (failures === 0 && !signal.aborted)
          logger.warn({ problem: messageOf(error) }, 'the log of events can not be read; tried again')
        failures += 1
      }
      if (waitMs !== undefined) await this.#bell.wait(heard, clock, waitMs, signal)
    }
    this.#reader = undefined
    this.#window = undefined
  }

  /** Reads what is new into the window; true where there may be more. */
  async #readOn(): Promise<boolean> {
    const { log } = this.#deps
    const { signal } = this.#ended
    const window = this.#window
    if (!window) {
      const page = await log.readRecords({ log: 'event', order: 'newest-first', limit: WINDOW.maxEvents }, { signal })
      const records = page.records.toReversed()
      // Not full: the log holds no more than this, and begins where it is pruned.
      const isAll = records.length < WINDOW.maxEvents
      const opened = new FeedWindow(isAll ? page.prunedThrough : (records[0]?.sequence ?? 0), WINDOW)
      opened.append((isAll ? records : records.slice(1)).map(feedEvent))
      this.#window = opened
      this.#news.ring()
      return false
    }
    const query = { log: 'event', afterSequence: window.head, order: 'oldest-first', limit: READ_EVENTS } as const
    const { records, prunedThrough } = await log.readRecords(query, { signal })
    if (prunedThrough > window.head) window.reset(prunedThrough)
    window.append(records.map(feedEvent))
    if (records.length > 0) this.#news.ring()
    return records.length === READ_EVENTS
  }
}

function newestOf(records: readonly StoredRecord[], prunedThrough: number): number {
  return Math.max(prunedThrough, records[0]?.sequence ?? 0)
}

function feedEvent(record: StoredRecord): FeedEvent {
  const event = eventOf(record)
  return { position: record.sequence, event, text: JSON.stringify(event) }
}

function gone(position: number, prunedThrough: number): AppError {
  const message = `The log of events does not reach back to ${sequenceId('ev', position)}: begin anew from now.`
  return new AppError('EVENTS_GONE', message, { details: { position, prunedThrough } })
}
