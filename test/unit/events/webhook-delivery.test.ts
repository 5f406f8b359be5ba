import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Store } from '../../../src/domain/entity-store.ts'
import type { DeadLetter, EventSubscription } from '../../../src/domain/event-subscription.ts'
import { formatTimestamp } from '../../../src/domain/scalars.ts'
import { EventFeed } from '../../../src/events/event-feed.ts'
import type { DeliveryOutcome } from '../../../src/events/ports.ts'
import { WebhookDelivery } from '../../../src/events/webhook-delivery.ts'
import { WebhookSender } from '../../../src/events/webhook-sender.ts'
import { WebhookTargets } from '../../../src/events/webhook-target.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Arrivals, channelNamed, EventStore, sampleEvent } from '../../support/event-store.ts'
import { until } from '../../support/until.ts'
import { isSigned, type Manner, WebhookReceiver } from '../../support/webhook-receiver.ts'

// Thousands of posts, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 })

let clock: VirtualClock
let events: EventStore
let feed: EventFeed
let delivery: WebhookDelivery
let receiver: WebhookReceiver
let outcomes: Arrivals<DeliveryOutcome>
/** Whether nothing that is written reaches the store any more, as after a kill. */
let isKilled = false

/** The store as a process sees it that may be killed. */
function mortalStore(): Store {
  return new Proxy(events.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      const writes = ['create', 'update', 'delete', 'transaction'].includes(String(name))
      return (...args: unknown[]) =>
        isKilled && writes ? Promise.reject(new AppError('STORE_DOWN', 'killed')) : value.apply(target, args)
    },
  })
}

function start(): void {
  isKilled = false
  feed = new EventFeed({ log: events.store, changes: events.changes, clock, logger: silentLogger })
  delivery = new WebhookDelivery({
    store: mortalStore(),
    feed,
    changes: events.changes,
    // No attempt is late, however far a test moves the clock while it is under way.
    sender: new WebhookSender({ targets: new WebhookTargets({ allowPrivate: true }), clock, timeoutMs: 1e12 }),
    clock,
    logger: silentLogger,
    observer: { delivery: (outcome) => outcomes.push(outcome) },
    jitter: () => 1,
    concurrency: 4,
  })
}

async function stop(): Promise<void> {
  await delivery.stop()
  await feed.stop()
}

beforeEach(async () => {
  clock = new VirtualClock(Date.now())
  events = await EventStore.open()
  receiver = await WebhookReceiver.open()
  outcomes = new Arrivals()
  start()
})
afterEach(async () => {
  await stop()
  await receiver.close()
  await events.close()
})

/** Events of several channels, numbered for each, in one transaction. */
async function write(channels: readonly string[], from: number, to: number): Promise<void> {
  const batch = []
  for (let count = from; count <= to; count += 1) {
    for (const channel of channels) batch.push(sampleEvent(events.accountId, channel, `${channel}${count}`))
  }
  await events.append(...batch)
  feed.ring()
}

/** Moves time on, a second at a time, with turns for sockets and the store between, until it is so. */
function pass(isSo: () => boolean | Promise<boolean>, stepMs = 1_000): Promise<void> {
  return until(isSo, 20_000, async () => {
    await clock.advance(stepMs)
    await new Promise((resolve) => setImmediate(resolve))
  })
}

const of = (channel: string) =>
  receiver.taken.filter(({ event }) => event.subject.id === channelNamed(channel)).map(({ reason }) => reason)
const numbered = (channel: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${channel}${from + index}`)
/** Each once, the first time that it came. */
const once = (reasons: readonly string[]) => [...new Set(reasons)]

async function letters(subscription: EventSubscription): Promise<DeadLetter[]> {
  const reference = { relation: 'subscription', id: subscription.id }
  return events.repository.referring('dead-letter', events.accountId, reference)
}

describe('webhook delivery', () => {
  it('posts what matches, signed, in order, from the creation of the subscription on', async () => {
    await write(['a'], 1, 3)
    const writtenMs = Date.now()
    await pass(() => Date.now() > writtenMs)
    const subscription = await events.subscribe({ url: receiver.url, subjectIds: [channelNamed('a')] })
    await write(['a', 'b'], 4, 33)
    await pass(() => of('a').length >= 30)
    expect(of('a')).toEqual(numbered('a', 4, 33))
    expect(of('b')).toEqual([])
    expect(receiver.arrivals.all.every((received) => isSigned(received, subscription.secret))).toBe(true)
    const [first] = receiver.arrivals.all
    expect(first?.headers['headend-event-id']).toBe(first?.event.id)
    expect(first?.attempt).toBe(1)
  })

  it('gets everything to a receiver that fails for a while, in order for each entity', async () => {
    const channels = ['a', 'b', 'c', 'd', 'e', 'f']
    await events.subscribe({ url: receiver.url })
    let failures = 0
    receiver.manner = () => {
      failures += 1
      return failures <= 60 ? 503 : 204
    }
    for (let from = 1; from <= 40; from += 10) await write(channels, from, from + 9)
    await pass(() => receiver.taken.length >= 240)
    for (const channel of channels) expect(of(channel)).toEqual(numbered(channel, 1, 40))
    expect(receiver.arrivals.all.some(({ attempt }) => attempt > 1)).toBe(true)
    expect(outcomes.all.filter((outcome) => outcome === 'failed')).toHaveLength(60)
  })

  it('goes on with other entities while one is stuck', async () => {
    await events.subscribe({ url: receiver.url })
    let isStuck = true
    receiver.manner = ({ event }) => (isStuck && event.subject.id === channelNamed('a') ? 500 : 204)
    await write(['a', 'b'], 1, 40)
    await pass(() => of('b').length >= 40)
    expect(of('b')).toEqual(numbered('b', 1, 40))
    expect(of('a')).toEqual([])
    isStuck = false
    await pass(() => of('a').length >= 40)
    expect(of('a')).toEqual(numbered('a', 1, 40))
  })

  it('loses nothing when it is stopped or killed in the middle, and keeps the order', async () => {
    const channels = ['a', 'b', 'c']
    await events.subscribe({ url: receiver.url })
    let answers = 0
    receiver.manner = () => {
      answers += 1
      return answers % 3 === 0 ? 500 : 204
    }
    for (let round = 0; round < 6; round += 1) {
      await write(channels, round * 20 + 1, round * 20 + 20)
      const before = receiver.taken.length
      await pass(() => receiver.taken.length >= before + 17)
      isKilled = round % 2 === 1
      await stop()
      start()
    }
    await pass(() => channels.every((channel) => once(of(channel)).length === 120))
    for (const channel of channels) expect(once(of(channel))).toEqual(numbered(channel, 1, 120))
  })

  it('goes on after a restart with what was pending, and does not repeat what was delivered', async () => {
    await events.subscribe({ url: receiver.url })
    receiver.manner = ({ event }) => (event.subject.id === channelNamed('a') ? 500 : 204)
    await write(['a', 'b'], 1, 20)
    const delivered = () => outcomes.all.filter((outcome) => outcome === 'delivered').length
    await pass(() => delivered() >= 20 && receiver.arrivals.all.some(({ attempt }) => attempt === 3))
    await stop()
    const before = receiver.arrivals.all.length
    receiver.manner = () => 204
    start()
    await write(['b'], 21, 21)
    await pass(() => of('a').length >= 20 && of('b').length >= 21)
    expect(of('a')).toEqual(numbered('a', 1, 20))
    expect(of('b')).toEqual(numbered('b', 1, 21))
    expect(receiver.arrivals.all[before]?.attempt).toBeGreaterThan(3)
  })

  it('gives up after 27 attempts, keeps a dead letter, says so, and goes on with the next', async () => {
    const subscription = await events.subscribe({ url: receiver.url })
    const watching = await events.subscribe({ url: receiver.url, types: ['event-subscription.dead-letter'] })
    receiver.manner = ({ reason }) => (reason === 'a1' ? 500 : 204)
    await write(['a'], 1, 2)
    await pass(() => outcomes.all.includes('dead-letter'), 60_000)
    await pass(() => receiver.taken.length >= 2)
    expect(receiver.arrivals.all.filter(({ reason }) => reason === 'a1').map(({ attempt }) => attempt)).toEqual(
      Array.from({ length: 27 }, (_, index) => index + 1),
    )
    expect(of('a')).toEqual(['a2'])
    const [letter, ...others] = await letters(subscription)
    expect(others).toEqual([])
    expect(letter).toMatchObject({ attempts: 27, lastStatus: 500, detail: 'The receiver answered 500.' })
    expect(letter?.event.data).toMatchObject({ reason: 'a1' })
    const told = receiver.taken.filter(({ event }) => event.type === 'event-subscription.dead-letter')
    expect(told).toHaveLength(1)
    expect(told[0] && isSigned(told[0], watching.secret)).toBe(true)
    expect(told[0]?.event).toMatchObject({
      subject: { kind: 'event-subscription', id: subscription.id },
      data: { deadLetterId: letter?.id, attempts: 27 },
    })
  })

  async function withDeadLetters(...reasons: string[]): Promise<EventSubscription> {
    const subscription = await events.subscribe({ url: receiver.url })
    receiver.manner = ({ reason }) => (reasons.includes(reason) ? 500 : 204)
    await write(['a', 'b'], 1, 2)
    await pass(async () => (await letters(subscription)).length === reasons.length, 60_000)
    await pass(() => receiver.taken.length === 4 - reasons.length)
    return subscription
  }

  it('replays a dead letter on request, deletes it when it is delivered, and keeps it when it is not', async () => {
    const subscription = await withDeadLetters('a1', 'b1')
    const ask = async (letter: DeadLetter) => {
      await clock.advance(1_000)
      const replayRequested = formatTimestamp(clock.now())
      await events.write((changes) => changes.update('dead-letter', { ...letter, replayRequested }))
    }
    const ofEvent = async (reason: string) =>
      (await letters(subscription)).find(({ event }) => 'reason' in event.data && event.data.reason === reason)
    await ask((await ofEvent('a1'))!)
    await pass(async () => (await ofEvent('a1'))?.attempts === 32)
    expect(await ofEvent('b1')).toMatchObject({ attempts: 27 })
    receiver.manner = () => 204
    await ask((await ofEvent('a1'))!)
    await pass(async () => (await ofEvent('a1')) === undefined)
    expect(of('a')).toEqual(['a2', 'a1'])
    expect(await letters(subscription)).toHaveLength(1)
  })

  it('replays all of a subscription, also when it was asked before a restart', async () => {
    const subscription = await withDeadLetters('a1', 'b1', 'b2')
    await stop()
    await clock.advance(1_000)
    await events.change(subscription, { replayRequested: formatTimestamp(clock.now()) })
    receiver.manner = () => 204
    start()
    await pass(async () => (await letters(subscription)).length === 0)
    expect(of('a')).toEqual(['a2', 'a1'])
    expect(of('b')).toEqual(['b1', 'b2'])
  })

  it('stops at once when it is disabled, and goes on where it was when it is enabled', async () => {
    const subscription = await events.subscribe({ url: receiver.url })
    const cut = Promise.withResolvers<void>()
    receiver.manner = (_received, response) => {
      response.once('close', () => cut.resolve())
      return undefined
    }
    await write(['a'], 1, 3)
    await receiver.arrivals.count(1)
    await events.change(subscription, { enabled: false })
    await cut.promise
    receiver.manner = () => 204
    await write(['a'], 4, 4)
    const seen = receiver.arrivals.all.length
    await clock.advance(60_000)
    expect(receiver.arrivals.all.length).toBe(seen)
    await events.change(subscription, { enabled: true })
    await pass(() => of('a').length >= 4)
    expect(of('a')).toEqual(numbered('a', 1, 4))
  })

  it('ends with its subscription, which takes its cursor with it', async () => {
    const subscription = await events.subscribe({ url: receiver.url })
    await write(['a'], 1, 1)
    // Before time is moved: an attempt that it moves past is made again, and counts as another arrival.
    await receiver.arrivals.count(1)
    await pass(async () => (await events.store.get('event-cursor', subscription.id)) !== undefined)
    const cut = Promise.withResolvers<void>()
    receiver.manner = (_received, response) => {
      response.once('close', () => cut.resolve())
      return undefined
    }
    await write(['a'], 2, 2)
    await receiver.arrivals.count(2)
    await events.store.delete('event-subscription', subscription.id)
    await cut.promise
    expect(await events.store.get('event-cursor', subscription.id)).toBeUndefined()
  })

  it('calls back what is on its way to another URL, and posts it to the new one, signed with the new secret', async () => {
    const second = await WebhookReceiver.open()
    const subscription = await events.subscribe({ url: receiver.url })
    receiver.manner = () => undefined
    await write(['a'], 1, 3)
    await receiver.arrivals.count(1)
    await events.change(subscription, { url: second.url, secret: 'another secret of ours' })
    await second.arrivals.count(3)
    expect(second.arrivals.all.map(({ reason, attempt }) => [reason, attempt])).toEqual([
      ['a1', 1],
      ['a2', 1],
      ['a3', 1],
    ])
    expect(second.arrivals.all.every((received) => isSigned(received, 'another secret of ours'))).toBe(true)
    await second.close()
  })

  it('reads no further than 1,000 events ahead, with four posts under way', async () => {
    const subscription = await events.subscribe({ url: receiver.url })
    const hang: Manner = () => undefined
    receiver.manner = hang
    const channels = Array.from({ length: 22 }, (_, index) => `c${String(index).padStart(2, '0')}`)
    for (let round = 0; round < 50; round += 1) await write(channels, round, round)
    await receiver.arrivals.count(4)
    await stop()
    expect(receiver.arrivals.all).toHaveLength(4)
    const cursor = await events.store.get('event-cursor', subscription.id)
    expect(cursor?.body).toMatchObject({ position: 1_000, pending: { length: 1_000 } })
    receiver.manner = () => 204
    start()
    await pass(() => receiver.taken.length >= 1_100)
    for (const channel of channels) expect(of(channel)).toEqual(numbered(channel, 0, 49))
  })
})
