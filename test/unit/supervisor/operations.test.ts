import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newOperation } from '../../../src/domain/operation.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { OperationWatch } from '../../../src/supervisor/operation-watch.ts'
import { Bench } from './bench.ts'
import { FaultyStore } from './faulty-store.ts'

let bench: Bench
const never = new AbortController().signal

beforeEach(async () => {
  bench = await Bench.open()
  await bench.start()
})

afterEach(() => bench.close())

describe('waiting for an operation', () => {
  let watch: OperationWatch
  let store: FaultyStore

  beforeEach(() => {
    store = new FaultyStore(bench.store)
    const repository = new Repository(store.seen)
    watch = new OperationWatch({
      repository,
      changes: bench.process.feed,
      clock: bench.clock,
      logger: silentLogger,
      maxWaiters: 2,
    })
  })

  afterEach(() => watch.stop())

  async function starting() {
    const id = await bench.createChannel()
    const release = bench.node.hold('start')
    const operation = await bench.get('operation', await bench.startChannel(id))
    await bench.quiet()
    return { channel: id, operation, release }
  }

  it('ends with the operation', async () => {
    const { operation, release } = await starting()
    const waiting = watch.wait(operation, 30_000, never)
    release()
    expect(await waiting).toMatchObject({ id: operation.id, state: 'succeeded' })
  })

  it('ends at once where it has ended already, also where only the store knows', async () => {
    const { operation, release } = await starting()
    release()
    await bench.quiet()
    expect(await watch.wait(operation, 30_000, never)).toMatchObject({ state: 'succeeded' })
    const done = await bench.get('operation', operation.id)
    expect(await watch.wait(done, 30_000, never)).toBe(done)
  })

  it('ends when the time is over, or the client has gone, with what is known', async () => {
    const { operation } = await starting()
    const waiting = watch.wait(operation, 30_000, never)
    const leaving = new AbortController()
    const left = watch.wait(operation, 30_000, leaving.signal)
    leaving.abort()
    expect((await left).id).toBe(operation.id)
    await bench.pass(30_000)
    expect(await waiting).toMatchObject({ id: operation.id, state: 'running' })
    expect(await watch.wait(operation, 0, never)).toBe(operation)
  })

  it('is refused beyond the limit: who comes then is answered at once', async () => {
    const { operation, release } = await starting()
    const waiting = [watch.wait(operation, 30_000, never), watch.wait(operation, 30_000, never)]
    expect(await watch.wait(operation, 30_000, never)).toBe(operation)
    release()
    for (const one of await Promise.all(waiting)) expect(one.state).toBe('succeeded')
    expect((await watch.wait(operation, 30_000, never)).state).toBe('succeeded')
  })

  it('survives a store that is down for a while', async () => {
    const { operation, release } = await starting()
    store.fault = 'all'
    const waiting = watch.wait(operation, 30_000, never)
    release()
    await bench.pass(1_000)
    store.fault = 'none'
    await bench.pass(1_000)
    expect((await waiting).state).toBe('succeeded')
  })

  it('ends when the process stops', async () => {
    const { operation } = await starting()
    const waiting = watch.wait(operation, 30_000, never)
    await watch.stop()
    expect((await waiting).id).toBe(operation.id)
  })
})

describe('operations', () => {
  it('are forgotten a day after their end', async () => {
    const id = await bench.createChannel()
    const first = await bench.startChannel(id)
    await bench.pass(86_000_000)
    const second = await bench.stopChannel(id)
    await bench.pass(300_000)
    expect(await bench.find('operation', first)).toBeDefined()
    await bench.pass(600_000)
    expect(await bench.find('operation', first)).toBeUndefined()
    expect(await bench.find('operation', second)).toBeDefined()
  })

  it('that nobody carries out end', async () => {
    const id = await bench.createChannel()
    const orphans = await bench.write((changes) => {
      const drafts = ['ch_4fZ0mTq2LrX8bNcVdKs1Ye', id].map((subject) =>
        newOperation('channel.start', { kind: 'channel', id: subject }, bench.account.id, (count) =>
          crypto.getRandomValues(new Uint8Array(count)),
        ),
      )
      for (const draft of drafts) changes.create('operation', draft)
      return drafts.map((draft) => draft.id)
    })
    await bench.pass(600_000)
    for (const orphan of orphans) {
      expect(await bench.get('operation', orphan)).toMatchObject({ state: 'failed', error: { status: 409 } })
    }
  })
})
