import { afterEach, describe, expect, it } from 'vitest'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { Repository } from '../../../src/domain/repository.ts'
import type { AccountRules } from '../../../src/domain/serving-rules.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { AccountRulesKeeper } from '../../../src/roles/account-rules.ts'

/** A store and origins that the test plays. */
class Stage {
  readonly clock = new VirtualClock()
  readonly told: AccountRules[] = []
  filters: { readonly name: string; readonly assetId?: string }[] = []
  isDown = false
  /** What every reading waits for, once it has looked. */
  held: Promise<void> | undefined
  follow: (changes: readonly Change[]) => void = () => undefined
  reset: () => void = () => undefined
  readonly keeper: AccountRulesKeeper

  constructor() {
    const repository: Pick<Repository, 'each'> = { each: (kind: string) => this.#each(kind) as never }
    this.keeper = new AccountRulesKeeper({
      repository,
      changes: {
        onChange: (listener) => {
          this.follow = listener
          return () => undefined
        },
        onReset: (listener) => {
          this.reset = listener
          return () => undefined
        },
      },
      directory: { setRules: async (rules) => void this.told.push(rules) },
      clock: this.clock,
      logger: silentLogger,
    })
    this.keeper.begin()
  }

  async *#each(kind: string): AsyncGenerator<unknown> {
    if (this.isDown) throw new AppError('STORE_DOWN', 'down')
    const found = kind === 'filter' ? this.filters : ['se_one', 'se_two'].map((id) => ({ id, hostNames: [id] }))
    const { held } = this
    await held
    yield* found
  }

  change(kind: string, accountId = 'ac_one'): void {
    this.follow([{ sequence: 1, op: 'update', kind, id: 'x', accountId }])
  }

  get names(): string[][] {
    return this.told.map(({ filters }) => filters.map(({ name }) => name))
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
const running = new Set(['se_two'])
const stages: Stage[] = []
const stage = () => {
  const made = new Stage()
  stages.push(made)
  return made
}
afterEach(async () => {
  for (const { keeper } of stages.splice(0)) await keeper.stop()
})

describe('AccountRulesKeeper', () => {
  it('tells of filters and of the endpoints that run, then of every change of that account', async () => {
    const made = stage()
    made.change('filter')
    await settled()
    expect(made.told).toEqual([])
    made.filters = [{ name: 'a' }]
    await made.keeper.refresh('ac_one', running)
    expect(made.told).toMatchObject([
      { accountId: 'ac_one', filters: [{ name: 'a' }], endpoints: [{ hostNames: ['se_two'] }] },
    ])
    made.filters = [{ name: 'a' }, { name: 'b', assetId: 'as_x' }]
    made.change('filter')
    made.change('locator')
    made.change('filter', 'ac_other')
    await settled()
    made.filters = []
    made.change('streaming-endpoint')
    await settled()
    made.reset()
    await settled()
    expect(made.names).toEqual([['a'], ['a', 'b'], [], []])
  })

  it('tries again while the store is down, and says so to who starts an endpoint', async () => {
    const made = stage()
    await made.keeper.refresh('ac_one', running)
    made.isDown = true
    await expect(made.keeper.refresh('ac_one', running)).rejects.toMatchObject({ code: 'STORE_DOWN' })
    made.change('filter')
    await settled()
    made.filters = [{ name: 'late' }]
    await made.clock.advance(1_000)
    await settled()
    made.isDown = false
    await made.clock.advance(1_000)
    await settled()
    expect(made.names).toEqual([[], ['late']])
  })

  it('never tells of what is older than what it has told', async () => {
    const made = stage()
    await made.keeper.refresh('ac_one', running)
    const gate = Promise.withResolvers<void>()
    made.held = gate.promise
    made.filters = [{ name: 'old' }]
    made.change('filter')
    await settled()
    made.held = undefined
    made.filters = [{ name: 'new' }]
    await made.keeper.refresh('ac_one', running)
    gate.resolve()
    await settled()
    expect(made.names).toEqual([[], ['new']])
  })
})
