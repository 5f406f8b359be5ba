import type { EntityStore } from '../domain/entity-store.ts'
import { matchesFilter } from '../domain/event-filter.ts'
import {
  deliveryDelayMs,
  type EventSubscription,
  isReplayDue,
  MAX_DELIVERY_ATTEMPTS,
  MAX_REPLAY_ATTEMPTS,
} from '../domain/event-subscription.ts'
import type { HeadendEvent } from '../domain/events.ts'
import { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Turns } from '../lib/turns.ts'
import { CursorKeeper } from './cursor-keeper.ts'
import type { FeedPage, WebhookObserver } from './ports.ts'
import { type CursorState, WebhookCursor } from './webhook-cursor.ts'
import { type DeliveryItem, DeliveryLanes } from './webhook-lanes.ts'
import { DeadLetters } from './webhook-letters.ts'
import type { PostResult, WebhookPost } from './webhook-sender.ts'

/** What delivering needs of the rest of the house. */
export type DispatcherDeps = {
  readonly store: EntityStore
  readonly feed: { follow(accountId: string, after: number, signal: AbortSignal): AsyncIterable<FeedPage> }
  readonly sender: { post(post: WebhookPost, signal: AbortSignal): Promise<PostResult> }
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: WebhookObserver
  /** A number from 0 to 1, to spread what is tried again. */
  readonly jitter: () => number
  /** How many posts one subscription may have under way, and all of them together. */
  readonly concurrency: number
  readonly slots: Turns
}

const HELD = { maxItems: 1_000, maxLength: 4_194_304 }
const RETRY_MS = 1_000

/**
 * Delivers one subscription's events: at least once, in order per entity, trying again with growing delays and giving up after
 * `MAX_DELIVERY_ATTEMPTS`. Its place in the log is written about once a second, so that a restart goes on where it was; with
 * 1,000 events, or 4 MiB, held it reads no further.
 */
export class WebhookDispatcher {
  readonly #deps: DispatcherDeps
  readonly #logger: Logger
  readonly #cursor: WebhookCursor
  readonly #keeper: CursorKeeper
  readonly #letters: DeadLetters
  readonly #lanes: DeliveryLanes
  readonly #ended = new AbortController()
  readonly #flights = new Map<AbortController, Promise<void>>()
  readonly #roomBell = new Bell()
  readonly #replayBell = new Bell()
  readonly #run: Promise<void>
  #subscription: EventSubscription
  #position: number | undefined
  #stopped: Promise<void> | undefined

  constructor(subscription: EventSubscription, deps: DispatcherDeps) {
    this.#subscription = subscription
    this.#deps = deps
    this.#logger = deps.logger.child({ subscription: subscription.id })
    this.#cursor = new WebhookCursor(deps.store, subscription)
    this.#letters = new DeadLetters(deps.store, deps.clock)
    this.#lanes = new DeliveryLanes(deps.clock, HELD, () => this.#pump())
    const { clock } = deps
    this.#keeper = new CursorKeeper({ cursor: this.#cursor, state: () => this.#state(), clock, logger: this.#logger })
    this.#run = this.#start()
  }

  get accountId(): string {
    return this.#subscription.accountId
  }

  /** Goes on by what the subscription says now; what is on its way to another URL, or signed otherwise, is called back. */
  update(subscription: EventSubscription): void {
    const { url, secret } = this.#subscription
    this.#subscription = subscription
    if (subscription.url !== url || subscription.secret !== secret) {
      for (const flight of this.#flights.keys()) flight.abort()
      this.#lanes.retryAllNow()
    }
    this.replay()
    this.#pump()
  }

  /** Looks for dead letters that somebody wants to be tried again. */
  replay(): void {
    this.#replayBell.ring()
  }

  /** Ends deliveries at once and keeps the place in the log. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#ended.abort()
    this.#lanes.stop()
    await this.#run
    await Promise.all(this.#flights.values())
    await this.#keeper.stop()
  }

  async #start(): Promise<void> {
    const { signal } = this.#ended
    await this.#untilDone('the place in the log can not be read', async () => {
      const state = await this.#cursor.load(signal)
      const pending = await this.#cursor.pendingEvents(state.pending, signal)
      for (const item of pending) this.#lanes.add(item)
      this.#position = state.position
    })
    this.#pump()
    await Promise.all([this.#follow(), this.#replayOnDemand()])
  }

  /** Repeats what fails until it succeeds or the dispatcher is to end. */
  async #untilDone(problem: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#ended
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) return
        if (failures === 0) this.#logger.warn({ problem: messageOf(error) }, `${problem}; tried again`)
        await this.#deps.clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ended
    await this.#untilDone('events can not be followed', async () => {
      try {
        for await (const page of this.#deps.feed.follow(this.accountId, this.#position ?? 0, signal)) {
          await this.#takeIn(page)
        }
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'EVENTS_GONE')) throw error
        this.#logger.error({ ...error.details }, 'events were not delivered: the log had forgotten them')
        this.#position = Number(error.details['prunedThrough'])
        throw error
      }
    })
  }

  async #takeIn(page: FeedPage): Promise<void> {
    let wanted = 0
    for (const item of page.events) {
      if (this.#isWanted(item.event)) {
        if (!(await this.#hasRoom())) return
        this.#lanes.add({ ...item, attempts: 0 })
        wanted += 1
      }
      this.#position = item.position
      this.#pump()
    }
    this.#position = page.position
    this.#keeper.moved(wanted === 0)
  }

  /** A receiver that is told of its own dead letters would make more of them. */
  #isWanted(event: HeadendEvent): boolean {
    const isOwn = event.type === 'event-subscription.dead-letter' && event.subject.id === this.#subscription.id
    return !isOwn && matchesFilter(this.#subscription, event)
  }

  /** Resolves when one more may be held; false when the dispatcher is to end. */
  async #hasRoom(): Promise<boolean> {
    const { signal } = this.#ended
    while (this.#lanes.isFull && !signal.aborted) {
      await this.#roomBell.wait(this.#roomBell.rings, this.#deps.clock, undefined, signal)
    }
    return !signal.aborted
  }

  async #replayOnDemand(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      const heard = this.#replayBell.rings
      await this.#untilDone('dead letters can not be read', async () => {
        for await (const letter of this.#letters.of(this.#subscription, signal)) {
          if (!isReplayDue(letter, this.#subscription) || this.#lanes.hasLetter(letter.id)) continue
          if (!(await this.#hasRoom())) return
          this.#lanes.add({ position: 0, event: letter.event, text: JSON.stringify(letter.event), attempts: 0, letter })
          this.#pump()
        }
      })
      await this.#replayBell.wait(heard, this.#deps.clock, undefined, signal)
    }
  }

  #pump(): void {
    while (this.#flights.size < this.#deps.concurrency && !this.#ended.signal.aborted) {
      const item = this.#lanes.take()
      if (!item) return
      const flight = new AbortController()
      const landed = this.#deliver(item, flight.signal).finally(() => {
        this.#flights.delete(flight)
        this.#pump()
      })
      this.#flights.set(flight, landed)
    }
  }

  async #deliver(item: DeliveryItem, called: AbortSignal): Promise<void> {
    if (!item.letter && !this.#isWanted(item.event)) return this.#settle(item)
    const result = await this.#attempt(item, AbortSignal.any([called, this.#ended.signal]))
    if (!result) {
      this.#lanes.retry(item, 0)
      return
    }
    if (result.outcome === 'delivered') {
      const { letter } = item
      if (letter) await this.#untilDone('a dead letter can not be deleted', () => this.#letters.remove(letter))
      return this.#settle(item)
    }
    item.attempts += 1
    if (item.attempts < (item.letter ? MAX_REPLAY_ATTEMPTS : MAX_DELIVERY_ATTEMPTS)) {
      this.#lanes.retry(item, deliveryDelayMs(item.attempts, this.#deps.jitter()))
      return this.#keeper.moved(false)
    }
    await this.#giveUp(item, result)
  }

  /** `undefined` where the attempt was called back: it doesn't count. */
  async #attempt({ event, text, attempts }: DeliveryItem, signal: AbortSignal): Promise<PostResult | undefined> {
    const { clock, observer, sender, slots } = this.#deps
    const { url, secret } = this.#subscription
    const post = { url, secret, eventId: event.id, eventType: event.type, attempt: attempts + 1, body: text }
    try {
      return await slots.run(
        async () => {
          const startedMs = clock.monotonicMs()
          const result = await sender.post(post, signal)
          observer.delivery(result.outcome, (clock.monotonicMs() - startedMs) / 1_000)
          return result
        },
        { signal },
      )
    } catch (error) {
      if (signal.aborted) return undefined
      // A sender makes results of everything that a receiver can do.
      this.#logger.error({ err: error }, 'a delivery failed unexpectedly')
      return { outcome: 'failed', detail: messageOf(error) }
    }
  }

  async #giveUp(item: DeliveryItem, result: PostResult): Promise<void> {
    await this.#untilDone('a dead letter can not be kept', () =>
      item.letter ? this.#letters.keep(item, result) : this.#letters.bury(this.#subscription, item, result),
    )
    if (this.#ended.signal.aborted) return
    this.#deps.observer.delivery('dead-letter', 0)
    this.#logger.warn(
      { event: item.event.id, attempts: item.attempts, problem: result.detail },
      'an event was given up on',
    )
    this.#settle(item)
  }

  #settle(item: DeliveryItem): void {
    this.#lanes.settle(item)
    this.#roomBell.ring()
    if (!item.letter) this.#keeper.moved(false)
  }

  #state(): CursorState | undefined {
    return this.#position === undefined ? undefined : { position: this.#position, pending: this.#lanes.pending() }
  }
}
