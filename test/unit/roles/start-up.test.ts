import { describe, expect, it } from 'vitest'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { Repository } from '../../../src/domain/repository.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { whenUp } from '../../../src/roles/start-up.ts'

type Fake = { id: string; desiredState: string; lastError?: object; channelId?: string; assetId?: string }

function stage(channels: Fake[], programs: Fake[], endpoints: Fake[] = []) {
  const clock = new VirtualClock()
  const up = new Set<string>()
  const of: Record<string, Fake[]> = {
    account: [{ id: 'ac', desiredState: '' }],
    channel: channels,
    program: programs,
    'streaming-endpoint': endpoints,
  }
  let follow: (changes: readonly Change[]) => void = () => undefined
  const repository = {
    async *each(kind: string, { reference }: { reference?: { id: string } }) {
      for (const entity of of[kind] ?? []) if (!reference || entity.channelId === reference.id) yield entity
    },
    findAnywhere: async (kind: string, id: string) => of[kind]?.find((entity) => entity.id === id),
  } as unknown as Repository
  const changes = {
    onChange: (listener: typeof follow) => {
      follow = listener
      return () => undefined
    },
    onReset: () => () => undefined,
  }
  const isUp = {
    channel: ({ id }: { id: string }) => up.has(id),
    program: ({ assetId }: { assetId: string }) => up.has(assetId),
    endpoint: ({ id }: { id: string }) => up.has(id),
  }
  let left: number | undefined
  const done = whenUp({ repository, changes, clock, isUp }, 10_000).then((count) => {
    left = count
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const write = async (id: string) => {
    follow([{ sequence: 1, op: 'update', kind: 'channel', id, accountId: 'ac' }])
    await turn()
  }
  return { clock, up, write, turn, done, left: () => left }
}

const running = { desiredState: 'Running' }
const stopped = { desiredState: 'Stopped' }
const program = (id: string, channelId: string) => ({ ...running, id, channelId, assetId: `asset of ${id}` })

describe('whenUp', () => {
  it('waits for what is meant to run, on this node', async () => {
    const programs = [program('p1', 'c1'), program('p2', 'c2')]
    const endpoints = [
      { id: 'e1', ...running },
      { id: 'e2', ...stopped },
    ]
    const made = stage(
      [
        { id: 'c1', ...running },
        { id: 'c2', ...stopped },
      ],
      programs,
      endpoints,
    )
    await made.turn()
    expect(made.left()).toBeUndefined()
    made.up.add('c1')
    await made.write('c1')
    expect(made.left()).toBeUndefined()
    made.up.add('asset of p1')
    await made.write('something else')
    expect(made.left()).toBeUndefined()
    made.up.add('e1')
    await made.write('e1')
    expect(made.left()).toBe(0)
  })

  it('does not wait for what can not, nor for its programs', async () => {
    const channels: Fake[] = [
      { id: 'c1', ...running },
      { id: 'c2', ...running, lastError: {} },
    ]
    const made = stage(channels, [program('p1', 'c1'), program('p2', 'c2')])
    await made.turn()
    expect(made.left()).toBeUndefined()
    channels[0] = { id: 'c1', ...running, lastError: {} }
    await made.write('c1')
    expect(made.left()).toBe(0)
  })

  it('waits no longer than it may, and says for how many it did', async () => {
    const made = stage([{ id: 'c1', ...running }], [program('p1', 'c1')])
    await made.turn()
    made.up.add('c1')
    await made.clock.advance(10_000)
    await made.done
    expect(made.left()).toBe(1)
  })

  it('is done at once where nothing runs', async () => {
    const made = stage([], [])
    await made.done
    expect(made.left()).toBe(0)
  })
})
