import { z } from 'zod'
import type { Entity, EntityContent, EntityStore } from '../domain/entity-store.ts'
import type { EventSubscription } from '../domain/event-subscription.ts'
import { eventOf } from '../domain/log-records.ts'
import { AppError } from '../lib/errors.ts'
import type { FeedEvent } from './ports.ts'
import type { Pending } from './webhook-lanes.ts'

/** How far a subscription has come: everything up to `position` is settled but for what is pending. */
export type CursorState = { readonly position: number; readonly pending: readonly Pending[] }

const KIND = 'event-cursor'
const PAGE = 500

const count = z.int().min(0)
const stateSchema = z.strictObject({ position: count, pending: z.array(z.tuple([count, count])) })

/** A subscription's place in the log, kept in the store, where it goes away with the subscription. */
export class WebhookCursor {
  readonly #store: EntityStore
  readonly #subscription: EventSubscription
  #stored: Entity | undefined

  constructor(store: EntityStore, subscription: EventSubscription) {
    this.#store = store
    this.#subscription = subscription
  }

  /** Where it stands; of a new subscription, at its creation. @throws AppError `STORE_DOWN` */
  async load(signal: AbortSignal): Promise<CursorState> {
    this.#stored = await this.#store.get(KIND, this.#subscription.id, { signal })
    const state = stateSchema.safeParse(this.#stored?.body)
    return state.success ? state.data : { position: await this.#positionAtCreation(signal), pending: [] }
  }

  /** @throws AppError `STORE_DOWN`; `ENTITY_NOT_FOUND` or `REFERENCE_MISSING` where the subscription is gone */
  async save(state: CursorState): Promise<void> {
    const { id } = this.#subscription
    const refs = [{ kind: 'event-subscription', id, relation: 'subscription', onDelete: 'cascade' }] as const
    const content = { kind: KIND, id, refs, body: { position: state.position, pending: [...state.pending] } }
    try {
      await this.#write(content)
    } catch (error) {
      const isOther = error instanceof AppError && (error.code === 'ETAG_MISMATCH' || error.code === 'ENTITY_EXISTS')
      if (!isOther) throw error
      // A write whose outcome was unknown had happened.
      this.#stored = await this.#store.get(KIND, id)
      await this.#write(content)
    }
  }

  async #write(content: EntityContent): Promise<void> {
    const { accountId } = this.#subscription
    this.#stored = this.#stored
      ? await this.#store.update(content, this.#stored.etag)
      : await this.#store.create({ ...content, accountId })
  }

  /** The pending events, read again from the log; what the log has forgotten is left out. */
  async pendingEvents(pending: readonly Pending[], signal: AbortSignal): Promise<(FeedEvent & { attempts: number })[]> {
    const attempts = new Map(pending)
    const found: (FeedEvent & { attempts: number })[] = []
    let after = 0
    for (const [position] of pending) {
      if (position <= after) continue
      const { records } = await this.#store.readRecords(
        {
          log: 'event',
          accountId: this.#subscription.accountId,
          afterSequence: position - 1,
          order: 'oldest-first',
          limit: PAGE,
        },
        { signal },
      )
      for (const record of records) {
        const failed = attempts.get(record.sequence)
        if (failed === undefined) continue
        const event = eventOf(record)
        found.push({ position: record.sequence, event, text: JSON.stringify(event), attempts: failed })
      }
      after = Math.max(position, records.at(-1)?.sequence ?? 0)
    }
    return found
  }

  /** The position of the last event before the subscription was made. */
  async #positionAtCreation(signal: AbortSignal): Promise<number> {
    const { accountId, created } = this.#subscription
    const createdMs = Date.parse(created)
    let before: number | undefined
    for (;;) {
      const page = await this.#store.readRecords(
        {
          log: 'event',
          accountId,
          order: 'newest-first',
          limit: PAGE,
          ...(before !== undefined && { beforeSequence: before }),
        },
        { signal },
      )
      const older = page.records.find(({ at }) => at < createdMs)
      if (older) return older.sequence
      if (page.records.length < PAGE) return page.prunedThrough
      before = page.records.at(-1)?.sequence
    }
  }
}
