import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import type { FeedBatch, FeedPort, FeedReply } from '../../../src/log/feed-messages.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { Replica } from '../../../src/log/replica.ts'
import { TestLog } from '../../contract/log-fixture.ts'
import { stateOf } from '../../contract/log-harness.ts'

/** What comes within so little goes in one message. */
const TURN_MS = 20

/** One end of a connection whose messages arrive when the test says so. */
class ManualPort implements FeedPort {
  readonly sent: unknown[] = []
  readonly #listeners = new Set<(message: unknown) => void>()

  postMessage(message: unknown): void {
    this.sent.push(message)
  }
  on(_event: 'message', listener: (message: unknown) => void): void {
    this.#listeners.add(listener)
  }
  off(_event: 'message', listener: (message: unknown) => void): void {
    this.#listeners.delete(listener)
  }
  hear(message: unknown): void {
    for (const listener of this.#listeners) listener(message)
  }
}

function setUp(limits = { entries: 60, bytes: 1 << 20 }) {
  const clock = new VirtualClock()
  const memory = new FragmentMemory({ regionBytes: 1 << 20 })
  const directory = new LogDirectory({ memory, clock, feedLimits: limits })
  const live = new TestLog('p1', { memory }).addTracks()
  directory.open(live.log)
  void directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
  const [near, far] = [new ManualPort(), new ManualPort()]
  const feed = directory.connect(near)
  const failures: string[] = []
  const replica = new Replica(far, { onFailure: (reason) => void failures.push(reason) })
  const deliver = () => {
    for (const message of near.sent.splice(0)) far.hear(structuredClone(message))
  }
  const reply = () => {
    for (const message of far.sent.splice(0)) near.hear(structuredClone(message))
  }
  /** Until nothing has been said for two turns. */
  const settle = async () => {
    for (let quiet = 0; quiet < 2; quiet++) {
      await clock.advance(TURN_MS)
      if (near.sent.length + far.sent.length > 0) quiet = -1
      reply()
      deliver()
      reply()
    }
  }
  return { clock, memory, directory, live, near, far, feed, replica, failures, deliver, reply, settle }
}

describe('ThreadFeed', () => {
  it('sends the records of a turn in one message', async () => {
    const { live, near, clock, settle } = setUp()
    await settle()
    live.addSegments(1)
    await clock.advance(TURN_MS - 1)
    live.addSegments(2)
    expect(near.sent).toHaveLength(0)
    await clock.advance(1)
    expect(near.sent).toHaveLength(1)
    expect((near.sent[0] as FeedBatch).entries.length).toBeGreaterThanOrEqual(3 * 5)
  })

  it('sends nothing before hello, and what is withdrawn at once', async () => {
    const { near, settle, directory, deliver, replica } = setUp()
    expect(near.sent).toHaveLength(0)
    await settle()
    expect(replica.find('L')).toBeDefined()
    void directory.withdraw('l')
    deliver()
    expect(replica.find('l')).toBeUndefined()
  })

  it.each([
    ['entries', { entries: 60, bytes: 1 << 30 }],
    ['bytes', { entries: 1e6, bytes: 2_000 }],
  ])(
    'stops at the budget of %s, stays there, and starts afresh when the replica has caught up',
    async (_name, limits) => {
      const { live, near, clock, feed, replica, settle, memory, deliver } = setUp(limits)
      await settle()
      for (let round = 0; round < 200; round++) {
        live.addSegments(1)
        await clock.advance(TURN_MS)
      }
      expect(feed.state.staleCount).toBe(1)
      expect(feed.state.unackedEntries).toBeLessThanOrEqual(limits.entries)
      expect(feed.state.unackedBytes).toBeLessThanOrEqual(limits.bytes)
      expect(near.sent.length).toBeLessThan(30)
      deliver()
      expect(replica.find('l')?.view.endSequence).toBeLessThan(200)
      await settle()
      expect(stateOf(replica.find('l')!.view)).toEqual(stateOf(live.log.view))
      expect(feed.state).toMatchObject({ staleCount: 1, unackedEntries: 0, unackedBytes: 0 })
      expect(memory.usedBytes).toBe(13 * 3 * 1024)
      live.addSegments(1)
      await settle()
      expect(stateOf(replica.find('l')!.view)).toEqual(stateOf(live.log.view))
    },
  )

  it('sends a large copy in slices, and records that come meanwhile after it', async () => {
    const { live, near, replica, clock, deliver, reply, settle } = setUp({ entries: 600, bytes: 1 << 30 })
    live.addSegments(10)
    const all = new TestLog('p2', { memory: live.memory, retainMs: undefined }).addTracks().addSegments(600)
    all.log.stop()
    reply()
    await clock.advance(TURN_MS)
    live.addSegments(5)
    deliver()
    await settle()
    expect(near.sent).toHaveLength(0)
    expect(stateOf(replica.find('l')!.view)).toEqual(stateOf(live.log.view))
  })

  it('holds what the replica reads until it says otherwise, and takes all back when it stops', async () => {
    const { live, memory, replica, settle, feed } = setUp({ entries: 10_000, bytes: 1 << 30 })
    live.addSegments(1)
    await settle()
    const reading = new AbortController()
    const held = replica.read('p1', 0, 0, reading.signal)
    live.addSegments(100)
    await settle()
    expect(held?.map((bytes) => [...bytes])).toEqual(TestLog.videoOf(0))
    expect(memory.usedBytes).toBe((13 * 3 + 2) * 1024)
    reading.abort()
    await settle()
    expect(memory.usedBytes).toBe(13 * 3 * 1024)
    feed.stop()
    feed.stop()
    live.log.stop()
    expect(memory.usedBytes).toBe(0)
  })

  it('starts afresh, after a second, for a replica that could not apply what it got', async () => {
    const { live, near, far, clock, replica, settle, failures, feed, memory } = setUp()
    await settle()
    live.addSegments(2)
    await clock.advance(TURN_MS)
    // The message that opens a segment is lost on the way.
    const batch = near.sent.shift() as FeedBatch
    far.hear({ ...batch, entries: batch.entries.slice(2) })
    live.addSegments(2)
    await settle()
    expect(failures).toHaveLength(1)
    expect(replica.find('l')?.view.endSequence).toBe(0)
    await clock.advance(1_000)
    await settle()
    expect(stateOf(replica.find('l')!.view)).toEqual(stateOf(live.log.view))
    expect(feed.state.staleCount).toBe(1)
    live.log.stop()
    await settle()
    // Only what the lost entries held, which the replica never heard of, is still taken.
    expect(memory.usedBytes).toBeLessThanOrEqual(2 * 1024)
  })

  it('tells of the terms of a publication, and of a changed rewind window, also to a replica that starts later', async () => {
    const { live, far, directory, replica, settle } = setUp()
    const terms = { notBeforeMs: 1, notAfterMs: 2, allowIp: ['192.0.2.0/24'] }
    void directory.publish({ locatorId: 'Terms', manifestName: 'm', presentationId: 'p1', ...terms })
    live.addSegments(1)
    await settle()
    live.log.append({ type: 'rewind-changed', rewindWindowMs: 90_000 })
    await settle()
    const expected = { locatorId: 'Terms', manifestName: 'm', ...terms }
    const later = () => new Replica(far)
    for (const reader of [directory, replica, later()]) {
      await settle()
      const { view, ...rest } = reader.find('terms')!
      expect(rest).toEqual(expected)
      expect(view.header.rewindWindowMs).toBe(90_000)
      expect(view.version).toBe(live.log.view.version)
    }
  })

  it('sends everything to a replica that starts again', async () => {
    const { live, far, near, settle, memory } = setUp()
    live.addSegments(3)
    await settle()
    const second = new Replica(far)
    expect((far.sent.at(-1) as FeedReply).kind).toBe('hello')
    await settle()
    expect(stateOf(second.find('l')!.view)).toEqual(stateOf(live.log.view))
    expect([...second.read('p1', 1, 2, new AbortController().signal)![0]!]).toEqual(Array(10).fill(2))
    expect(near.sent).toHaveLength(0)
    expect(memory.usedBytes).toBe(3 * 3 * 1024)
  })
})
