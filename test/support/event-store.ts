import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accountCreateSchema, newAccount } from '../../src/domain/account.ts'
import { ChangeSet } from '../../src/domain/change-set.ts'
import type { Store } from '../../src/domain/entity-store.ts'
import { type EventSubscription, newEventSubscription } from '../../src/domain/event-subscription.ts'
import { type NewEvent, newEvent } from '../../src/domain/events.ts'
import { type Id, newId } from '../../src/domain/kinds.ts'
import { Repository } from '../../src/domain/repository.ts'
import { sequenceId } from '../../src/domain/sequence-id.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { ChangeFeed } from '../../src/store/change-feed.ts'
import { openStore } from '../../src/store/open-store.ts'

/** What comes in, for a test to wait for instead of sleeping. */
export class Arrivals<T> {
  readonly all: T[] = []
  readonly #waiting = new Set<() => void>()

  push(item: T): void {
    this.all.push(item)
    for (const look of [...this.#waiting]) look()
  }

  until(isEnough: (all: readonly T[]) => boolean): Promise<readonly T[]> {
    return new Promise((resolve) => {
      const look = () => {
        if (!isEnough(this.all)) return
        this.#waiting.delete(look)
        resolve(this.all)
      }
      this.#waiting.add(look)
      look()
    })
  }

  count(count: number): Promise<readonly T[]> {
    return this.until((all) => all.length >= count)
  }
}

/** A channel id that is the same for the same name. */
export function channelNamed(name: string): Id<'channel'> {
  return `ch_${name.padEnd(22, '0')}` as Id<'channel'>
}

/** An event about a channel; `detail` tells one from another. */
export function sampleEvent(accountId: Id<'account'>, channel: string, detail: string): NewEvent {
  const about = { accountId, id: channelNamed(channel), name: channel }
  return newEvent('channel.input-lost', about, { input: 'primary', reason: detail }, Date.parse('2026-11-21T12:00:00Z'))
}

/** A store in a folder of its own with an account, and its feed of changes. */
export class EventStore {
  readonly store: Store
  readonly repository: Repository
  readonly accountId: Id<'account'>
  readonly #folder: string
  readonly changes: ChangeFeed

  /** On the machine's clock: a test that moves its own must not make calls of the store late. */
  static async open(): Promise<EventStore> {
    const folder = mkdtempSync(join(tmpdir(), 'headend-events-'))
    const options = { url: `sqlite:${join(folder, 'store.db')}`, timeoutMs: 30_000 }
    const store = await openStore(options, { clock: systemClock, logger: silentLogger })
    const changes = new ChangeSet()
    const handle = changes.create('account', newAccount(accountCreateSchema.parse({ name: 'studio' }), randomBytes))
    const account = (await new Repository(store).commit(changes)).get(handle)
    const feed = new ChangeFeed({ store, clock: systemClock, logger: silentLogger })
    await feed.start()
    return new EventStore(folder, store, account.id, feed)
  }

  private constructor(folder: string, store: Store, accountId: Id<'account'>, changes: ChangeFeed) {
    this.#folder = folder
    this.store = store
    this.repository = new Repository(store)
    this.accountId = accountId
    this.changes = changes
  }

  /** Writes events in one transaction; their ids. */
  async append(...events: NewEvent[]): Promise<string[]> {
    const changes = new ChangeSet()
    for (const event of events) changes.event(event)
    const results = await this.store.transaction(changes.operations)
    return results.map((sequence) => sequenceId('ev', Number(sequence)))
  }

  async subscribe(fields: Partial<EventSubscription> & { url: string }): Promise<EventSubscription> {
    const name = `hook-${randomBytes(4).toString('hex')}`
    const draft = newEventSubscription({ name, tags: {}, enabled: true, ...fields }, this.accountId, randomBytes)
    return this.write((changes) => changes.create('event-subscription', draft))
  }

  async change(subscription: EventSubscription, fields: Partial<EventSubscription>): Promise<EventSubscription> {
    const now = await this.repository.get('event-subscription', subscription.id, this.accountId)
    return this.write((changes) => changes.update('event-subscription', { ...now, ...fields }))
  }

  async write<K extends 'event-subscription' | 'dead-letter'>(
    put: (changes: ChangeSet) => { readonly kind: K; readonly index: number },
  ) {
    const changes = new ChangeSet()
    const handle = put(changes)
    return (await this.repository.commit(changes)).get(handle)
  }

  async close(): Promise<void> {
    await this.changes.stop()
    await this.store.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** An account of another owner. */
export function otherAccount(): Id<'account'> {
  return newId('account', randomBytes)
}
