import { beforeEach, expect, it } from 'vitest'
import type { BlobInfo, BlobStorage } from '../../../src/domain/blob-storage.ts'
import type { StoragePlace } from '../../../src/domain/storage-account.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { UsageMeter } from '../../../src/storage/usage-meter.ts'

const place = { accountId: 'ac_1', kind: 'filesystem', location: { directory: 'main' } } as unknown as StoragePlace
const signal = new AbortController().signal

let clock: VirtualClock
let counted: string[]
let list: (folder: string) => AsyncGenerator<BlobInfo>
let meter: UsageMeter

beforeEach(() => {
  clock = new VirtualClock()
  counted = []
  list = async function* () {
    yield { name: 'a', sizeBytes: 3 }
    yield { name: 'b', sizeBytes: 4 }
  }
  const storage = {
    of: () =>
      ({
        list: (folder: string) => {
          counted.push(folder)
          return list(folder)
        },
      }) as unknown as BlobStorage,
  }
  meter = new UsageMeter({ storage, clock })
})

it('counts once for all who ask at the same time, and again when that is old', async () => {
  const asked = [
    meter.measure(place, 'x', signal),
    meter.measure(place, 'x', signal),
    meter.measure(place, 'y', signal),
  ]
  expect(await asked[0]).toMatchObject({ bytes: 7, objects: 2, isPartial: false, measured: '2023-11-14T22:13:20.000Z' })
  await Promise.all(asked)
  expect(counted).toEqual(['x', 'y'])
  await clock.advance(29_999)
  await meter.measure(place, 'x', signal)
  expect(counted.length).toBe(2)
  await clock.advance(1)
  await meter.measure(place, 'x', signal)
  expect(counted.length).toBe(3)
})

it('remembers longer what took long to count', async () => {
  list = async function* () {
    await clock.advance(5_000)
    yield { name: 'a', sizeBytes: 1 }
  }
  await meter.measure(place, '', signal)
  await clock.advance(99_000)
  await meter.measure(place, '', signal)
  expect(counted.length).toBe(1)
  await clock.advance(1_000)
  await meter.measure(place, '', signal)
  expect(counted.length).toBe(2)
})

it('stops at its bounds, and says so', async () => {
  list = async function* () {
    for (;;) yield { name: 'a', sizeBytes: 1 }
  }
  expect(await meter.measure(place, 'many', signal)).toMatchObject({
    objects: 200_000,
    bytes: 200_000,
    isPartial: true,
  })
  list = async function* () {
    for (;;) {
      await clock.advance(1_000)
      yield { name: 'a', sizeBytes: 1 }
    }
  }
  expect(await meter.measure(place, 'slow', signal)).toMatchObject({ objects: 10, isPartial: true })
})

it('a failure is not remembered; who has left hears of it, and the others are served', async () => {
  const begin = Promise.withResolvers<void>()
  list = async function* () {
    await begin.promise
    yield { name: 'a', sizeBytes: 1 }
    throw new Error('down')
  }
  const leaving = new AbortController()
  const left = meter.measure(place, 'x', leaving.signal)
  const stayed = meter.measure(place, 'x', signal)
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  begin.resolve()
  await expect(stayed).rejects.toThrow('down')
  list = async function* () {
    yield { name: 'a', sizeBytes: 9 }
  }
  expect(await meter.measure(place, 'x', signal)).toMatchObject({ bytes: 9 })
  expect(counted.length).toBe(2)
})

it('ends what it counts when it is stopped', async () => {
  const storage = {
    of: () =>
      ({
        list: async function* (_folder: string, { signal: ending }: { signal: AbortSignal }) {
          await new Promise((_resolve, reject) => ending.addEventListener('abort', () => reject(ending.reason)))
          yield { name: 'a', sizeBytes: 1 }
        },
      }) as unknown as BlobStorage,
  }
  const stopped = new UsageMeter({ storage, clock })
  const measuring = stopped.measure(place, '', signal)
  const end = expect(measuring).rejects.toMatchObject({ code: 'STOPPED' })
  await Promise.resolve()
  await stopped.stop()
  await end
})
