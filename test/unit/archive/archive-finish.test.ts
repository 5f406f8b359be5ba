import { expect, it } from 'vitest'
import { ArchiveFinish, type ArchiveFinishPorts } from '../../../src/archive/archive-finish.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'

/** A recording that has ended, or goes on, as the test says. */
function setUp() {
  const clock = new VirtualClock()
  const view = { ended: true, archived: false, header: { targetDurationMs: 2_000 } }
  const state = { isOver: true, isPending: false, did: [] as string[] }
  const log = {
    view,
    append({ type }: { readonly type: string }) {
      view.archived = true
      state.did.push(type)
    },
  }
  const folder = { destroy: async () => void state.did.push('destroyed') }
  const ports = { log, folder, clock, logger: silentLogger } as unknown as ArchiveFinishPorts
  const finish = new ArchiveFinish(ports, {
    committed: async () => undefined,
    isCalledOff: () => !state.isOver,
    isPending: () => state.isPending,
    cool: () => void state.did.push('cooled'),
  })
  void finish.done.then(() => state.did.push('done'))
  return { clock, view, state, finish }
}

/** Time passes, and what is due is done. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await clock.advance(ms)
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

const DONE = ['archived', 'cooled', 'destroyed', 'done']

it('comes three target durations after the end, once storage has everything', async () => {
  const { clock, state, finish } = setUp()
  state.isPending = true
  finish.review()
  await pass(clock, 4_000)
  finish.review()
  await pass(clock, 2_000)
  expect(state.did).toEqual([])
  state.isPending = false
  await pass(clock, 9_999)
  expect(state.did).toEqual([])
  await pass(clock, 1)
  expect(state.did).toEqual(DONE)
  finish.review()
  await pass(clock, 60_000)
  expect(state.did).toEqual(DONE)
})

it('is for another time where the recording goes on, also before the log shows that', async () => {
  const { clock, view, state, finish } = setUp()
  finish.review()
  await pass(clock, 5_000)
  finish.callOff()
  state.isOver = false
  finish.review()
  await pass(clock, 60_000)
  view.ended = false
  finish.review()
  await pass(clock, 60_000)
  expect(state.did).toEqual([])
  state.isOver = true
  view.ended = true
  finish.review()
  await pass(clock, 6_000)
  expect(state.did).toEqual(DONE)
})
