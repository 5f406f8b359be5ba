import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { AccountRules } from '../../../src/domain/serving-rules.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { Replica } from '../../../src/log/replica.ts'
import { TestLog } from '../../contract/log-fixture.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end()
})

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

const rulesOf = (accountId: string, ...names: string[]): AccountRules => ({
  accountId,
  filters: names.map((name) => ({ name, tracks: [] })),
  endpoints: [],
})

describe('rules of an account in the feed', () => {
  it('stand beside its publications in every reader, whenever that came, as they are now', async () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const directory = new LogDirectory({ memory, clock: systemClock })
    const live = new TestLog('p1', { memory }).addTracks()
    directory.open(live.log)
    const early = await connected(directory)
    await directory.setRules(rulesOf('one', 'a'))
    await directory.setRules(rulesOf('two', 'b'))
    const of = { manifestName: 'm', presentationId: 'p1' }
    await directory.publish({ locatorId: 'ruled', accountId: 'one', filters: ['a'], ...of })
    await directory.publish({ locatorId: 'free', ...of })
    const late = await connected(directory)
    for (const reader of [directory, early, late]) {
      const { view: _view, ...terms } = reader.find('ruled') ?? { view: undefined }
      expect(terms).toEqual({ locatorId: 'ruled', manifestName: 'm', filters: ['a'], rules: rulesOf('one', 'a') })
      expect(reader.find('free')).not.toHaveProperty('rules')
    }
    await directory.setRules(rulesOf('one'))
    for (const reader of [directory, early, late]) expect(reader.find('ruled')?.rules).toEqual(rulesOf('one'))
  })
})
