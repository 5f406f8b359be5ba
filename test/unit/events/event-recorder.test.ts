import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { WriteOperation } from '../../../src/domain/entity-store.ts'
import { type NewEvent, newEvent } from '../../../src/domain/events.ts'
import { EventRecorder } from '../../../src/events/event-recorder.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { createLogger } from '../../../src/lib/logger.ts'
import { channelNamed, EventStore, otherAccount, sampleEvent } from '../../support/event-store.ts'
import { until } from '../../support/until.ts'

const accountId = otherAccount()
const down = () => new AppError('STORE_DOWN', 'down', { details: { outcome: 'not-applied' } })

function heartbeat(count: number): NewEvent {
  const session = { sessionId: 's', input: 'primary', layer: 'default', address: '192.0.2.1' } as const
  const figures = { bitsPerSecond: 1, framesPerSecond: 25, driftMs: 0, framesDropped: count }
  const data = { ...session, ...figures, health: { status: 'good' as const, reasons: [] } }
  return newEvent('channel.ingest-heartbeat', { accountId, id: channelNamed('a') }, data, 0)
}

const input = (detail: number) => sampleEvent(accountId, 'a', `${detail}`)

/** A log whose state the test sets: what was written, and what a write meets. */
class FakeLog {
  readonly written: NewEvent[] = []
  readonly batches: number[] = []
  attempts = 0
  meet: (operations: readonly WriteOperation[]) => unknown = () => undefined

  transaction = (async (operations: readonly WriteOperation[]) => {
    this.attempts += 1
    const error = await this.meet(operations)
    if (error) throw error
    const events = operations.flatMap((one) => (one.op === 'append' ? [one.record.body as unknown as NewEvent] : []))
    this.written.push(...events)
    this.batches.push(events.length)
    return []
  }) as never
}

let clock: VirtualClock
let log: FakeLog
let told: { recorded: number; heartbeat: number; other: number; rings: number }
let lines: string[]
let recorder: EventRecorder

/** Lets promises that are due have their turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve))
const details = () => log.written.map(({ data }) => ('reason' in data ? data.reason : 'heartbeat'))

beforeEach(() => {
  clock = new VirtualClock()
  log = new FakeLog()
  told = { recorded: 0, heartbeat: 0, other: 0, rings: 0 }
  lines = []
  const logger = createLogger('silent')
  for (const level of ['info', 'warn', 'error'] as const) {
    logger[level] = ((...given: unknown[]) => void lines.push(`${level} ${String(given.at(-1))}`)) as never
  }
  recorder = new EventRecorder({
    store: log,
    clock,
    logger,
    observer: {
      recorded(count) {
        told.recorded += count
      },
      dropped(what, count) {
        told[what] += count
      },
    },
    onRecorded() {
      told.rings += 1
    },
  })
})
afterEach(async () => {
  log.meet = () => undefined
  const stopped = recorder.stop()
  await clock.advance(10_000)
  await stopped
})

describe('the recorder of events', () => {
  it('writes what comes while a write is under way in one batch, of at most 99, in order', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    log.meet = () => promise
    recorder.record(input(0))
    await turn()
    for (let count = 1; count <= 150; count += 1) recorder.record(input(count))
    log.meet = () => undefined
    resolve()
    await turn()
    expect(log.batches).toEqual([1, 99, 51])
    expect(details()).toEqual(Array.from({ length: 151 }, (_, count) => `${count}`))
    expect(told).toMatchObject({ recorded: 151, rings: 3, other: 0 })
  })

  it('tries again with growing delays while the store is down, says so once, and loses nothing', async () => {
    log.meet = down
    recorder.record(input(1))
    await turn()
    for (let count = 2; count <= 200; count += 1) recorder.record(input(count))
    for (const delayMs of [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
      const { attempts } = log
      await clock.advance(delayMs - 1)
      await turn()
      expect(log.attempts).toBe(attempts)
      await clock.advance(1)
      await turn()
      expect(log.attempts).toBe(attempts + 1)
    }
    log.meet = () => undefined
    await clock.advance(10_000)
    await turn()
    expect(details()).toEqual(Array.from({ length: 200 }, (_, count) => `${count + 1}`))
    expect(lines).toEqual(['warn events can not be written; they wait', 'info events are written again'])
  })

  it('drops heartbeats first when too many wait, then the oldest, and says so once', async () => {
    log.meet = down
    recorder.record(input(-1))
    await turn()
    for (let count = 0; count < 4_094; count += 1) recorder.record(input(count))
    recorder.record(heartbeat(1))
    recorder.record(heartbeat(2))
    recorder.record(input(4_094))
    recorder.record(input(4_095))
    expect(told).toMatchObject({ heartbeat: 2, other: 0 })
    recorder.record(heartbeat(3))
    expect(told).toMatchObject({ heartbeat: 3, other: 0 })
    recorder.record(input(4_096))
    expect(told).toMatchObject({ heartbeat: 3, other: 1 })
    log.meet = () => undefined
    await clock.advance(10_000)
    await turn()
    expect(details()).toEqual(['-1', ...Array.from({ length: 4_096 }, (_, count) => `${count + 1}`)])
    expect(lines.filter((line) => line === 'error events are lost: too many wait')).toHaveLength(1)
  })

  it('leaves out what the store refuses, and that alone', async () => {
    const isBad = (one: WriteOperation) =>
      one.op === 'append' && JSON.stringify(one.record.body).includes('"reason":"2"')
    log.meet = (operations) => (operations.some(isBad) ? new AppError('STORE_INPUT_INVALID', 'bad') : undefined)
    for (let count = 0; count < 5; count += 1) recorder.record(input(count))
    await turn()
    expect(details()).toEqual(['0', '1', '3', '4'])
    expect(told).toMatchObject({ recorded: 4, other: 1 })
    expect(lines).toEqual(['error an event was refused by the store'])
  })

  it('leaves out what the catalogue does not know', async () => {
    recorder.record(sampleEvent(accountId, 'a', 'x'.repeat(1_025)))
    recorder.record(input(1))
    await turn()
    expect(details()).toEqual(['1'])
    expect(told.other).toBe(1)
    expect(lines).toEqual(['error an event is not what the catalogue says, and is left out'])
  })

  it('writes what waits when it is stopped, and takes no more', async () => {
    recorder.record(input(1))
    const stopped = recorder.stop()
    recorder.record(input(2))
    await stopped
    expect(details()).toEqual(['1'])
    expect(told).toMatchObject({ recorded: 1, other: 1 })
  })

  it('gives up after 3 s when it is stopped while the store is down', async () => {
    log.meet = down
    for (let count = 0; count < 150; count += 1) recorder.record(input(count))
    await turn()
    const stopped = recorder.stop()
    await clock.advance(3_000)
    await stopped
    expect(told).toMatchObject({ recorded: 0, other: 150 })
    expect(lines.at(-1)).toBe('error events are lost: the store is down')
  })

  it('writes a batch once though the outcome of the first attempt was unknown', async () => {
    const events = await EventStore.open()
    // The store's clock is the machine's, and forgets marks of long ago.
    clock = new VirtualClock(Date.now())
    let hides = 1
    const lossy = {
      async transaction(operations: readonly WriteOperation[]) {
        const results = await events.store.transaction(operations)
        if (hides-- > 0) throw new AppError('STORE_DOWN', 'late', { details: { outcome: 'unknown' } })
        return results
      },
    }
    let isRecorded = false
    const observer = {
      recorded() {
        isRecorded = true
      },
      dropped: () => undefined,
    }
    const logger = createLogger('silent')
    const real = new EventRecorder({ store: lossy as never, clock, logger, observer, onRecorded: () => undefined })
    real.record(sampleEvent(events.accountId, 'a', 'once'))
    await until(
      () => isRecorded,
      10_000,
      async () => {
        await clock.advance(250)
        await turn()
      },
    )
    await real.stop()
    const { records } = await events.store.readRecords({ log: 'event', order: 'oldest-first', limit: 10 })
    expect(records).toHaveLength(1)
    await events.close()
  })
})
