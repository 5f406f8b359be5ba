import { describe, expect, it } from 'vitest'
import { periodKeyId } from '../../../src/domain/key-id.ts'
import type { KeyPeriod } from '../../../src/keys/key-provider.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { KeyBureau, openKeyBureau } from '../../../src/roles/key-bureau.ts'
import { decodeGrant } from '../../../src/roles/key-grants.ts'

const KEY = '21234567-89ab-8def-8123-000000000000'
const CREATED = '2026-03-01T00:00:00Z'
const DAY_MS = 86_400_000
const PERIOD_MS = 10_000

/** A bureau over one asset whose key rotates by a provider, and what that was asked. */
function bureauOf(asset: object = {}, others: Readonly<Record<string, object>> = {}) {
  const asked: KeyPeriod[] = []
  const held: PromiseWithResolvers<void>[] = []
  let isHeld = false
  const entities: Readonly<Record<string, object>> = {
    [KEY]: { id: KEY, accountId: 'ac', kind: 'cbcs', rotating: true, source: 'provider' },
    dp: { id: 'dp', keyRotationPeriod: 'PT10S' },
    as: { id: 'as', accountId: 'ac', created: CREATED, deliveryPolicyId: 'dp', ...asset },
    ...others,
  }
  const repository = {
    findAnywhere: async (_kind: string, id: string) => entities[id],
    find: async (_kind: string, id: string) => entities[id],
    referring: async (kind: string) => (kind === 'asset' ? [entities['as']] : []),
  }
  const contentKeys = {
    open: async () => new Uint8Array(16),
    async periodKey(_key: object, period: KeyPeriod) {
      asked.push(period)
      const turn = Promise.withResolvers<void>()
      held.push(turn)
      if (isHeld) await turn.promise
      return { value: new Uint8Array(16).fill(9) }
    },
  }
  const bureau = new KeyBureau({ repository, contentKeys, logger: silentLogger } as never)
  const desk = bureau.deskWith({} as never)
  return {
    asked,
    held,
    hold: () => {
      isHeld = true
    },
    at: async (startMs: number) => {
      const found = await desk.contentKey?.(periodKeyId(KEY, startMs))
      return found && decodeGrant(found)
    },
  }
}

describe('the periods that a provider is asked for', () => {
  const created = Date.parse(CREATED)

  it('are those of media that there may be', async () => {
    const { at, asked } = bureauOf()
    expect((await at(created + PERIOD_MS))?.material.bytes).toEqual(new Uint8Array(16).fill(9))
    // A program may have begun in what its channel had at hand.
    expect(await at(created - DAY_MS)).toBeDefined()
    expect(asked).toHaveLength(2)
    for (const startMs of [created - DAY_MS - 2 * PERIOD_MS, Date.parse('1990-01-01T00:00:00Z'), PERIOD_MS]) {
      expect(await at(startMs)).toBeUndefined()
    }
    expect(asked).toHaveLength(2)
  })

  it('of a clip are as old as what it was cut from', async () => {
    const clip = { created: '2026-06-01T00:00:00Z', clip: { assetId: 'source' } }
    const source = { id: 'source', accountId: 'ac', created: CREATED }
    const known = bureauOf(clip, { source })
    expect(await known.at(created + PERIOD_MS)).toBeDefined()
    expect(await known.at(Date.parse('1990-01-01T00:00:00Z'))).toBeUndefined()
  })

  it('of a clip of a clip are as old as what the first was cut from, however often it was cut', async () => {
    const clip = { created: '2026-06-01T00:00:00Z', clip: { assetId: 'clip' } }
    const source = { id: 'source', accountId: 'ac', created: CREATED }
    const first = { id: 'clip', accountId: 'ac', created: '2026-05-01T00:00:00Z', clip: { assetId: 'source' } }
    const { at } = bureauOf(clip, { clip: first, source })
    expect(await at(created + PERIOD_MS)).toBeDefined()
    expect(await at(Date.parse('1990-01-01T00:00:00Z'))).toBeUndefined()
    // Nobody can make a circle; were there one, it would be left.
    expect(await bureauOf(clip, { clip: { ...first, clip: { assetId: 'clip' } } }).at(created)).toBeDefined()
  })

  it('are so many at a time, and more than wait are told to come again', async () => {
    const { at, asked, held, hold } = bureauOf()
    hold()
    const many = Array.from({ length: 50 }, (_, index) => at(created + index * PERIOD_MS))
    const settled = Promise.allSettled(many)
    const refused = (await Promise.allSettled(many.slice(40))).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(10)
    expect(asked).toHaveLength(8)
    for (let index = 0; index < 40; index++) {
      held[index]?.resolve()
      await many[index]
    }
    expect((await settled).filter(({ status }) => status === 'fulfilled')).toHaveLength(40)
  })
})

describe('what threads hold of keys', () => {
  it.each([
    ['content-key', true],
    ['key-authorization-policy', true],
    ['asset', true],
    // Which periods there are follows from these two.
    ['locator', true],
    ['delivery-policy', true],
    ['channel', false],
  ])('is forgotten when a %s is written: %s', (kind, isForgotten) => {
    const told: (string | undefined)[] = []
    let tell: (changes: readonly object[]) => void = () => undefined
    const changes = {
      onChange(listener: typeof tell) {
        tell = listener
        return () => undefined
      },
      onReset: () => () => undefined,
    }
    const directory = { keysChanged: async (accountId?: string) => void told.push(accountId) }
    openKeyBureau({ directory } as never, { changes } as never, { add: () => undefined } as never)
    tell([
      { kind, accountId: 'ac', id: 'x', op: 'update' },
      { kind, accountId: 'ac', id: 'y', op: 'delete' },
    ])
    expect(told).toEqual(isForgotten ? ['ac'] : [])
  })
})
