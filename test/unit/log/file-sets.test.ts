import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { FileSet } from '../../../src/domain/file-set.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { Replica } from '../../../src/log/replica.ts'
import { TestLog } from '../../contract/log-fixture.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end()
})

const place: FileSet['place'] = { place: {} as FileSet['place']['place'], key: new Uint8Array([1, 2]), folder: 'p1' }
const setOf = (digest: string, assetId = 'p1'): FileSet => ({ assetId, manifestName: 'film', files: [], digest, place })

async function connected(directory: LogDirectory): Promise<Replica> {
  const { port1, port2 } = new MessageChannel()
  const feed = directory.connect(port1)
  const replica = new Replica(port2)
  ends.push(
    () => port1.close(),
    () => feed.stop(),
    () => replica.stop(),
  )
  await replica.ready
  return replica
}

describe('files in the feed', () => {
  it('are known to every replica under their locators, whenever it came, until they are closed', async () => {
    const directory = new LogDirectory({ memory: new FragmentMemory({ regionBytes: 1 << 20 }), clock: systemClock })
    const early = await connected(directory)
    directory.openFiles(setOf('first'))
    await directory.publish({ locatorId: 'Loc', manifestName: 'film', presentationId: 'p1', notAfterMs: 5 })
    const late = await connected(directory)
    for (const replica of [early, late]) {
      expect(replica.find('loc')).toBeUndefined()
      expect(replica.findFiles('LOC')).toEqual({
        ...{ locatorId: 'Loc', manifestName: 'film', notAfterMs: 5 },
        set: setOf('first'),
      })
      expect(replica.findFiles('other')).toBeUndefined()
    }
    directory.openFiles(setOf('second'))
    await directory.publish({ locatorId: 'two', manifestName: 'film', presentationId: 'p2' })
    for (const replica of [early, late]) {
      expect(replica.findFiles('loc')?.set.digest).toBe('second')
      expect(replica.findFiles('two')).toBeUndefined()
    }
    directory.closeFiles('p1')
    await directory.withdraw('two')
    for (const replica of [early, late, await connected(directory)]) expect(replica.findFiles('loc')).toBeUndefined()
  })

  it('give way to a log of the same asset', async () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const directory = new LogDirectory({ memory, clock: systemClock })
    directory.openFiles(setOf('first'))
    const live = new TestLog('p1', { memory }).addTracks()
    directory.open(live.log)
    await directory.publish({ locatorId: 'loc', manifestName: 'film', presentationId: 'p1' })
    const replica = await connected(directory)
    expect(replica.findFiles('loc')).toBeUndefined()
    expect(replica.find('loc')?.view.header.id).toBe('p1')
    live.log.stop()
    await directory.withdraw('other')
    expect(replica.findFiles('loc')?.set.digest).toBe('first')
  })
})
