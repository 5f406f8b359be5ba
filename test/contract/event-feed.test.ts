import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RecordQuery } from '../../src/domain/entity-store.ts'
import { parseSequenceId } from '../../src/domain/sequence-id.ts'
import { EventFeed } from '../../src/events/event-feed.ts'
import type { FeedPage } from '../../src/events/ports.ts'
import { systemClock, VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { Arrivals, EventStore, otherAccount, sampleEvent } from '../support/event-store.ts'

let events: EventStore
let feed: EventFeed
let reads: RecordQuery[]
let ended: AbortController
let followers: Promise<void>[]
/** What a reading of the log meets instead of the log. */
let meet: () => unknown

beforeEach(async () => {
  events = await EventStore.open()
  reads = []
  followers = []
  meet = () => undefined
  ended = new AbortController()
  feed = openFeed(systemClock)
})
afterEach(async () => {
  ended.abort()
  await feed.stop()
  await Promise.allSettled(followers)
  await events.close()
})

function openFeed(clock: EventFeedClock): EventFeed {
  const log = {
    readRecords(query: RecordQuery, limits?: object) {
      const error = meet()
      if (error) return Promise.reject(error)
      reads.push(query)
      return events.store.readRecords(query, limits)
    },
  }
  return new EventFeed({ log, changes: events.changes, clock, logger: silentLogger })
}
type EventFeedClock = ConstructorParameters<typeof EventFeed>[0]['clock']

/** What a follower is told, each event by what it says. */
function follow(after?: number, accountId: string = events.accountId): Arrivals<string> {
  const arrivals = new Arrivals<string>()
  const run = async () => {
    for await (const page of feed.follow(accountId, after, ended.signal)) tell(page, arrivals)
  }
  followers.push(run())
  return arrivals
}

function tell(page: FeedPage, arrivals: Arrivals<string>): void {
  for (const { event, text } of page.events) {
    expect(JSON.parse(text)).toEqual(event)
    arrivals.push('reason' in event.data ? String(event.data.reason) : event.type)
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`)
const write = (from: number, to: number, accountId = events.accountId) =>
  events.append(...numbers(from, to).map((reason) => sampleEvent(accountId, 'a', reason)))
const positionOf = (id: string | undefined) => parseSequenceId('ev', id ?? '') ?? 0

/** Follows until the first event has come: from then on it is at the live edge. */
async function live(): Promise<Arrivals<string>> {
  const arrivals = follow(0)
  await arrivals.count(1)
  return arrivals
}

describe('the feed of events over SQLite', () => {
  it('tells from the beginning, from a position, and from now, without gap and in order', async () => {
    const ids = await write(1, 90)
    const all = follow(0)
    const some = follow(positionOf(ids[39]))
    const fresh = follow()
    await all.count(90)
    await some.count(50)
    await write(91, 95)
    feed.ring()
    expect(await all.count(95)).toEqual(numbers(1, 95))
    expect(await some.count(55)).toEqual(numbers(41, 95))
    expect(await fresh.count(5)).toEqual(numbers(91, 95))
  })

  it('reads once for all who are at the live edge', async () => {
    await write(1, 1)
    const all = await Promise.all(Array.from({ length: 50 }, live))
    const before = reads.length
    await write(2, 2)
    feed.ring()
    await Promise.all(all.map((arrivals) => arrivals.count(2)))
    expect(reads.length - before).toBeLessThanOrEqual(2)
  })

  it('gives who lags behind pages of its own, of its account alone', async () => {
    for (let from = 1; from <= 2_400; from += 60) {
      await write(from, from + 59)
      await write(from, from + 39, otherAccount())
    }
    const late = follow(0)
    expect(await late.count(2_400)).toEqual(numbers(1, 2_400))
    const own = reads.filter(({ accountId }) => accountId !== undefined)
    expect(own.length).toBeGreaterThan(3)
    expect(own.every(({ limit, accountId }) => limit === 200 && accountId === events.accountId)).toBe(true)
  })

  it('misses nothing while several write at once, whoever follows from where', async () => {
    const all = follow(0)
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; count < 60; count += 1) {
        await events.append(sampleEvent(events.accountId, `w${writer}`, `${writer}/${count}`))
        if (count % 20 === 10) followers.push(expectAll(follow(0)))
      }
    })
    await Promise.all(writers)
    feed.ring()
    await expectAll(all)
    async function expectAll(arrivals: Arrivals<string>) {
      const told = await arrivals.count(240)
      for (let writer = 0; writer < 4; writer += 1) {
        const own = told.filter((text) => text.startsWith(`${writer}/`))
        expect(own).toEqual(Array.from({ length: 60 }, (_, count) => `${writer}/${count}`))
      }
    }
  })

  it('is woken by the store’s changes, and by asking once a second where nothing announces an event', async () => {
    await feed.stop()
    const clock = new VirtualClock()
    feed = openFeed(clock)
    await write(1, 1)
    const arrivals = await live()
    await write(2, 2)
    await events.subscribe({ url: 'https://example.com/' })
    expect(await arrivals.count(2)).toEqual(['1', '2'])
    await write(3, 3)
    const told = arrivals.count(3)
    await clock.advance(1_000)
    expect(await told).toEqual(['1', '2', '3'])
  })

  it('refuses a position that the log has forgotten, and one that it never had', async () => {
    const [first] = await write(1, 3)
    const next = async (after: number) => feed.follow(events.accountId, after, ended.signal).next()
    await expect(next(positionOf(first) + 1_000)).rejects.toMatchObject({ code: 'EVENTS_GONE' })
    const forgetful = {
      readRecords: async (query: RecordQuery) => ({ ...(await events.store.readRecords(query)), prunedThrough: 2 }),
    }
    const pruned = new EventFeed({
      log: forgetful,
      changes: events.changes,
      clock: systemClock,
      logger: silentLogger,
    })
    const iterate = pruned.follow(events.accountId, 1, ended.signal).next()
    await expect(iterate).rejects.toMatchObject({ code: 'EVENTS_GONE', details: { position: 1, prunedThrough: 2 } })
    await pruned.stop()
  })

  it('waits while the store is down, for who begins and for who lags, and goes on', async () => {
    await feed.stop()
    const clock = new VirtualClock()
    feed = openFeed(clock)
    await write(1, 3)
    let failures = 0
    meet = () => {
      failures += 1
      return failures <= 3 ? new AppError('STORE_DOWN', 'down') : undefined
    }
    const arrivals = follow(0)
    for (let turns = 0; failures <= 3 && turns < 1_000; turns += 1) {
      await clock.advance(1_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await arrivals.count(3)).toEqual(['1', '2', '3'])
    expect(failures).toBeGreaterThan(3)
  })

  it('reads nothing while nobody follows', async () => {
    await write(1, 1)
    feed.ring()
    const arrivals = await live()
    expect(arrivals.all).toEqual(['1'])
    ended.abort()
    await Promise.all(followers)
    feed.ring()
    await feed.stop()
    const before = reads.length
    await events.subscribe({ url: 'https://example.com/' })
    expect(reads.length).toBe(before)
  })
})
