import type { Change } from '../domain/entity-store.ts'
import type { EventSubscription } from '../domain/event-subscription.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import { Repository } from '../domain/repository.ts'
import { Bell } from '../lib/bell.ts'
import { messageOf } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import type { ChangeNotices } from './ports.ts'
import { type DispatcherDeps, WebhookDispatcher } from './webhook-dispatcher.ts'

/** What delivering every subscription needs of the rest of the house. */
export type WebhookDeps = Omit<DispatcherDeps, 'slots'> & { readonly changes: ChangeNotices }

/** Posts that may be under way on this node, of all subscriptions together. */
const POSTS_AT_ONCE = 256
const RETRY_MS = 1_000
/** How often all subscriptions are looked through, whatever was announced. */
const REVIEW_MS = 300_000

/** Delivers the events of every enabled subscription of every account, following what becomes of the subscriptions. */
export class WebhookDelivery {
  readonly #deps: DispatcherDeps
  readonly #repository: Repository
  readonly #dispatchers = new Map<string, WebhookDispatcher>()
  /** Subscriptions that were written since they were last looked at. */
  readonly #changed = new Set<string>()
  readonly #bell = new Bell()
  readonly #ended = new AbortController()
  readonly #forgetChanges: readonly (() => void)[]
  readonly #run: Promise<void>
  #isReviewDue = true
  #stopped: Promise<void> | undefined

  constructor({ changes, ...deps }: WebhookDeps) {
    this.#deps = { ...deps, slots: new Turns(POSTS_AT_ONCE) }
    this.#repository = new Repository(deps.store)
    this.#forgetChanges = [
      changes.onChange((batch) => this.#take(batch)),
      changes.onReset(() => {
        this.#isReviewDue = true
        this.#bell.ring()
      }),
    ]
    this.#run = this.#keepUp()
  }

  /** Ends deliveries at once; what was not settled is delivered after the next start. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    for (const forget of this.#forgetChanges) forget()
    this.#ended.abort()
    await this.#run
    await Promise.all(this.#dispatchers.values().map((dispatcher) => dispatcher.stop()))
  }

  #take(batch: readonly Change[]): void {
    const replaying = new Set<string>()
    for (const { kind, id, op, accountId } of batch) {
      if (kind === 'dead-letter' && op === 'update') replaying.add(accountId)
      if (kind === 'event-subscription') this.#changed.add(id)
      // Awaited when it is taken off the list.
      if (kind === 'event-subscription' && op === 'delete') void this.#dispatchers.get(id)?.stop()
    }
    for (const dispatcher of this.#dispatchers.values()) {
      if (replaying.has(dispatcher.accountId)) dispatcher.replay()
    }
    if (this.#changed.size > 0) this.#bell.ring()
  }

  async #keepUp(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#ended
    let failures = 0
    while (!signal.aborted) {
      const heard = this.#bell.rings
      try {
        if (this.#isReviewDue) await this.#review()
        for (const id of this.#changed) await this.#refresh(id)
        failures = 0
      } catch (error) {
        if (failures === 0 && !signal.aborted)
          logger.warn({ problem: messageOf(error) }, 'event subscriptions can not be read; tried again')
        failures += 1
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
        continue
      }
      await this.#bell.wait(heard, clock, REVIEW_MS, signal)
      if (this.#bell.rings === heard) this.#isReviewDue = true
    }
  }

  async #review(): Promise<void> {
    const { signal } = this.#ended
    this.#isReviewDue = false
    try {
      await this.#reviewAll(signal)
    } catch (error) {
      this.#isReviewDue = true
      throw error
    }
  }

  async #reviewAll(signal: AbortSignal): Promise<void> {
    const found = new Set<string>()
    for await (const account of this.#repository.each('account', { accountId: SYSTEM_ACCOUNT }, { signal })) {
      const query = { accountId: account.id }
      for await (const subscription of this.#repository.each('event-subscription', query, { signal })) {
        found.add(subscription.id)
        await this.#apply(subscription)
      }
    }
    for (const id of this.#dispatchers.keys()) {
      if (!found.has(id)) this.#changed.add(id)
    }
  }

  async #refresh(id: string): Promise<void> {
    const { signal } = this.#ended
    // Taken off first: what is written while this reads puts it there again.
    this.#changed.delete(id)
    try {
      const subscription = await this.#repository.findAnywhere('event-subscription', id, { signal })
      if (subscription) await this.#apply(subscription)
      else await this.#end(id)
    } catch (error) {
      this.#changed.add(id)
      throw error
    }
  }

  async #apply(subscription: EventSubscription): Promise<void> {
    const { id } = subscription
    const running = this.#dispatchers.get(id)
    if (!subscription.enabled) await this.#end(id)
    else if (running) running.update(subscription)
    else if (!this.#ended.signal.aborted) this.#dispatchers.set(id, new WebhookDispatcher(subscription, this.#deps))
  }

  async #end(id: string): Promise<void> {
    const running = this.#dispatchers.get(id)
    this.#dispatchers.delete(id)
    await running?.stop()
  }
}
