import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../src/log/log-directory.ts'
import { TestLog } from './log-fixture.ts'
import { Interview, type Question, stateOf } from './log-harness.ts'

/** One way to read what a directory publishes. `settled` waits until it has come through. */
type ReaderUnderTest = {
  ask(question: Question): Promise<unknown>
  settled(): Promise<void>
  stop(): Promise<void>
}

type Adapter = (directory: LogDirectory) => Promise<ReaderUnderTest>

const direct: Adapter = async (directory) => {
  const interview = new Interview(directory)
  return { ask: (question) => interview.answer(question), settled: async () => undefined, stop: async () => undefined }
}

const throughThread: Adapter = async (directory) => {
  const { port1, port2 } = new MessageChannel()
  const feed = directory.connect(port1)
  const worker = new Worker(new URL('./log-replica-thread.ts', import.meta.url), {
    workerData: { feed: port2 },
    transferList: [port2],
  })
  const waiting = new Map<number, (answer: unknown) => void>()
  let serial = 0
  const answerTo = (to: number) => new Promise<unknown>((resolve) => waiting.set(to, resolve))
  worker.on('message', ({ serial: answered, answer }: { serial: number; answer: unknown }) => {
    waiting.get(answered)?.(answer)
  })
  await answerTo(0)
  return {
    ask(question) {
      worker.postMessage({ serial: ++serial, question })
      return answerTo(serial)
    },
    settled: () => feed.settled(),
    async stop() {
      await worker.terminate()
      feed.stop()
      port1.close()
    },
  }
}

describe.each([
  ['in the same thread', direct],
  ['in another thread', throughThread],
])('a log reader %s', (_name, adapter) => {
  let memory: FragmentMemory
  let directory: LogDirectory
  let reader: ReaderUnderTest
  let live: TestLog
  const publication = { locatorId: 'Loc-1', manifestName: 'Stream', presentationId: 'p1' }

  beforeEach(async () => {
    memory = new FragmentMemory({ regionBytes: 1 << 20 })
    directory = new LogDirectory({ memory, clock: systemClock, feedLimits: { entries: 200, bytes: 1 << 20 } })
    live = new TestLog('p1', { memory }).addTracks().addSegments(3)
    directory.open(live.log)
    await directory.publish(publication)
    reader = await adapter(directory)
  })
  afterEach(async () => {
    await reader.stop()
    live.log.stop()
    // Whatever happened, nobody holds a fragment now.
    expect(memory.usedBytes).toBe(0)
  })

  it('has what was there before it, and what comes after', async () => {
    expect(await reader.ask({ ask: 'find', locatorId: 'lOC-1' })).toEqual({
      locatorId: 'Loc-1',
      manifestName: 'Stream',
      id: 'p1',
    })
    live.addSegments(4)
    await reader.settled()
    expect(await reader.ask({ ask: 'state', locatorId: 'loc-1' })).toEqual(stateOf(live.log.view))
    for (let sequence = 0; sequence < 7; sequence++) {
      expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence })).toEqual(TestLog.videoOf(sequence))
    }
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 1, sequence: 4 })).toEqual([Array(10).fill(4)])
  })

  it('shows of an open segment what there is', async () => {
    live.open()
    live.fragment(0)
    await reader.settled()
    const [first] = TestLog.videoOf(3)
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence: 3 })).toEqual([first])
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 1, sequence: 3 })).toBeUndefined()
    live.fragment(1)
    live.audio()
    live.close()
    await reader.settled()
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence: 3 })).toEqual(TestLog.videoOf(3))
  })

  it('forgets what is evicted, but not under the hands of who reads it', async () => {
    expect(await reader.ask({ ask: 'hold', id: 'p1', rendition: 0, sequence: 0 })).toEqual(TestLog.videoOf(0))
    live.addSegments(40)
    await reader.settled()
    live.addSegments(40)
    await reader.settled()
    expect(live.log.view.firstSequence).toBeGreaterThan(0)
    expect(await reader.ask({ ask: 'state', locatorId: 'loc-1' })).toEqual(stateOf(live.log.view))
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence: 0 })).toBeUndefined()
    expect(await reader.ask({ ask: 'held' })).toEqual(TestLog.videoOf(0))
    const { firstSequence } = live.log.view
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence: firstSequence })).toEqual(
      TestLog.videoOf(firstSequence),
    )
    await reader.ask({ ask: 'let-go' })
    expect(memory.reservedBytes).toBe(1 << 20)
  })

  it('sees publishing and withdrawing with the next request', async () => {
    await directory.withdraw('LOC-1')
    expect(await reader.ask({ ask: 'find', locatorId: 'loc-1' })).toBeUndefined()
    await directory.publish({ ...publication, manifestName: 'Other' })
    expect(await reader.ask({ ask: 'find', locatorId: 'loc-1' })).toMatchObject({ manifestName: 'Other' })
    await directory.publish({ locatorId: 'loc-2', manifestName: 'x', presentationId: 'unknown' })
    expect(await reader.ask({ ask: 'find', locatorId: 'loc-2' })).toBeUndefined()
  })

  it('takes up a log that is opened later, and loses one that is stopped', async () => {
    const second = new TestLog('p2', { memory }).addTracks().addSegments(2)
    directory.open(second.log)
    await directory.publish({ locatorId: 'loc-2', manifestName: 'x', presentationId: 'p2' })
    second.addSegments(1)
    await reader.settled()
    expect(await reader.ask({ ask: 'state', locatorId: 'loc-2' })).toEqual(stateOf(second.log.view))
    second.log.stop()
    await reader.settled()
    expect(await reader.ask({ ask: 'find', locatorId: 'loc-2' })).toBeUndefined()
    expect(await reader.ask({ ask: 'read', id: 'p2', rendition: 0, sequence: 0 })).toBeUndefined()
    const again = new TestLog('p2', { memory }).addTracks().addSegments(5)
    directory.open(again.log)
    await reader.settled()
    expect(await reader.ask({ ask: 'state', locatorId: 'loc-2' })).toEqual(stateOf(again.log.view))
    again.log.stop()
    await reader.settled()
  })

  it('wakes who waits for a version: when it is there, when it is time, when the log stops', async () => {
    const { version } = live.log.view
    expect(await reader.ask({ ask: 'wait', id: 'p1', version, timeoutMs: 1_000 })).toBe(version)
    expect(await reader.ask({ ask: 'wait', id: 'nobody', version: 1, timeoutMs: 1_000 })).toBe('gone')
    expect(await reader.ask({ ask: 'wait', id: 'p1', version: version + 1, timeoutMs: 20 })).toBe('timeout')
    const next = reader.ask({ ask: 'wait', id: 'p1', version: version + 1, timeoutMs: 2_000 })
    live.addSegments(1)
    expect(await next).toBeGreaterThan(version)
    const never = reader.ask({ ask: 'wait', id: 'p1', version: 1e9, timeoutMs: 2_000 })
    await reader.ask({ ask: 'find', locatorId: 'loc-1' })
    live.log.stop()
    expect(await never).toBe('gone')
    await reader.settled()
  })

  it('wakes who waits for a part when it is there, though it changes no version', async () => {
    const parted = new TestLog('p3', { memory }, { partDurationMs: 1_000 }).addTracks().addSegments(2)
    directory.open(parted.log)
    parted.open()
    await reader.settled()
    const { version, live: edge } = parted.log.view
    const partVersion = edge?.partVersion ?? 0
    const ask = { ask: 'wait-part', id: 'p3', timeoutMs: 2_000 } as const
    expect(await reader.ask({ ...ask, partVersion })).toBe(partVersion)
    expect(await reader.ask({ ...ask, partVersion: partVersion + 1, timeoutMs: 20 })).toBe('timeout')
    const next = reader.ask({ ...ask, partVersion: partVersion + 1 })
    parted.fragment(0)
    expect(await next).toBe(partVersion + 1)
    expect(parted.log.view.version).toBe(version)
    const never = reader.ask({ ...ask, partVersion: Number.MAX_SAFE_INTEGER })
    await reader.ask({ ask: 'find', locatorId: 'loc-1' })
    parted.log.stop()
    expect(await never).toBe('gone')
    await reader.settled()
  })

  it('comes back to the truth after it has been busy for longer than the feed waits', async () => {
    const stalled = reader.ask({ ask: 'stall', ms: 150 })
    for (let round = 0; round < 20; round++) {
      live.addSegments(10)
      await systemClock.sleep(3)
    }
    const changes = [directory.withdraw('loc-1'), directory.publish({ ...publication, locatorId: 'loc-9' })]
    await Promise.all([stalled, ...changes])
    await reader.settled()
    expect(await reader.ask({ ask: 'find', locatorId: 'loc-1' })).toBeUndefined()
    expect(await reader.ask({ ask: 'state', locatorId: 'loc-9' })).toEqual(stateOf(live.log.view))
    const { firstSequence } = live.log.view
    expect(await reader.ask({ ask: 'read', id: 'p1', rendition: 0, sequence: firstSequence })).toEqual(
      TestLog.videoOf(firstSequence),
    )
  })
})
