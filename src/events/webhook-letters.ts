import { createHash } from 'node:crypto'
import { ChangeSet } from '../domain/change-set.ts'
import type { EntityStore } from '../domain/entity-store.ts'
import type { DeadLetter, EventSubscription } from '../domain/event-subscription.ts'
import { newEvent } from '../domain/events.ts'
import { newId } from '../domain/kinds.ts'
import { Repository } from '../domain/repository.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { DeliveryItem } from './webhook-lanes.ts'
import type { PostResult } from './webhook-sender.ts'

/** What an account may have of them: then the oldest go. */
const MAX_LETTERS = 10_000
const DETAIL_LENGTH = 1_024

/** Always the same for an event of a subscription: a repetition finds what the first attempt made. */
function letterId(subscriptionId: string, eventId: string) {
  const digest = createHash('sha256').update(`${subscriptionId}/${eventId}`).digest()
  return newId('dead-letter', (count) => digest.subarray(0, count))
}

function tried(result: PostResult, nowMs: number) {
  const lastStatus = result.status === undefined ? {} : { lastStatus: result.status }
  return { lastAttempt: formatTimestamp(nowMs), detail: result.detail.slice(0, DETAIL_LENGTH), ...lastStatus }
}

/** The dead letters of a store. Each call fails with `STORE_DOWN` where that is down, and may be repeated. */
export class DeadLetters {
  readonly #store: EntityStore
  readonly #repository: Repository
  readonly #clock: Clock

  constructor(store: EntityStore, clock: Clock) {
    this.#store = store
    this.#repository = new Repository(store)
    this.#clock = clock
  }

  /** Those of a subscription, oldest first. */
  of({ id, accountId }: EventSubscription, signal: AbortSignal): AsyncGenerator<DeadLetter> {
    const reference = { relation: 'subscription', id }
    return this.#repository.each('dead-letter', { accountId, reference }, { signal })
  }

  /** An event was given up on: it is kept, and an event says so. Nothing is kept where the subscription is gone. */
  async bury(subscription: EventSubscription, item: DeliveryItem, result: PostResult): Promise<void> {
    const { id: subscriptionId, accountId } = subscription
    const nowMs = this.#clock.now()
    const id = letterId(subscriptionId, item.event.id)
    const changes = new ChangeSet()
    await this.#makeRoom(changes, subscription)
    const { attempts, event } = item
    changes.create('dead-letter', { id, accountId, subscriptionId, event, attempts, ...tried(result, nowMs) })
    const detail = result.detail.slice(0, DETAIL_LENGTH)
    const data = { deadLetterId: id, attempts, detail }
    changes.event(newEvent('event-subscription.dead-letter', subscription, data, nowMs))
    await ignoring(['ENTITY_EXISTS', 'REFERENCE_MISSING'], () => this.#repository.commit(changes))
  }

  /** A replay has failed too. */
  async keep({ letter, attempts }: DeliveryItem, result: PostResult): Promise<void> {
    const now = letter && (await this.#repository.findAnywhere('dead-letter', letter.id))
    if (!now) return
    const changes = new ChangeSet()
    const { lastStatus: _before, ...rest } = now
    changes.update('dead-letter', {
      ...rest,
      attempts: now.attempts + attempts,
      ...tried(result, this.#clock.now()),
    })
    await ignoring(['ENTITY_NOT_FOUND'], () => this.#repository.commit(changes))
  }

  /** A replay was delivered. */
  async remove({ id }: DeadLetter): Promise<void> {
    await ignoring(['ENTITY_NOT_FOUND'], () => this.#store.delete('dead-letter', id))
  }

  async #makeRoom(changes: ChangeSet, { accountId }: EventSubscription): Promise<void> {
    if ((await this.#repository.count('dead-letter', accountId)) < MAX_LETTERS) return
    const { items } = await this.#repository.list('dead-letter', { accountId, limit: 1 })
    for (const oldest of items) changes.delete('dead-letter', oldest)
  }
}

async function ignoring(codes: readonly string[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof AppError && codes.includes(error.code))) throw error
  }
}
