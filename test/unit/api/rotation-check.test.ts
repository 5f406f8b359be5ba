import { describe, expect, it } from 'vitest'
import { assertPolicyRotation, assertRotation } from '../../../src/api/resources/rotation-check.ts'
import type { ContentKey } from '../../../src/domain/content-key.ts'

const KEY = '21234567-89ab-8def-8123-000000000000'
const key = (source: ContentKey['source']) => ({ id: KEY, kind: 'cbcs', rotating: true, source }) as ContentKey
const protocols = { hls: ['cbcs'], dash: 'blocked', smooth: 'blocked', progressive: 'blocked' } as const
const terms = (keyRotationPeriod?: string) =>
  ({ id: 'dp', accountId: 'ac', protocols, ...(keyRotationPeriod && { keyRotationPeriod }) }) as never

describe('the period in which keys rotate', () => {
  const tooShort = (pointer: string) =>
    expect.objectContaining({
      code: 'ENTITY_INVALID',
      details: { problems: [{ pointer, detail: expect.stringContaining('PT10S is too short') }] },
    })

  it('is a minute at least where a provider gives their keys, each of which is kept', () => {
    expect(() => assertRotation([key('provider')], terms('PT10S'))).toThrow(tooShort('/deliveryPolicyId'))
    expect(() => assertRotation([key('provider')], terms('PT1M'))).not.toThrow()
    expect(() => assertRotation([key('value')], terms('PT10S'))).not.toThrow()
    expect(() => assertRotation([{ ...key('provider'), kind: 'cenc' }], terms('PT10S'))).not.toThrow()
    expect(() => assertRotation([key('value')], terms())).toThrow(expect.objectContaining({ code: 'ENTITY_INVALID' }))
  })

  it('becomes no shorter while such keys go by it', async () => {
    const asset = { id: 'as', accountId: 'ac', contentKeys: [{ contentKeyId: KEY }] }
    const repository = {
      referring: async (kind: string) => (kind === 'asset' ? [asset] : []),
      find: async () => key('provider'),
    }
    const deps = { repository } as never
    await expect(assertPolicyRotation(deps, terms('PT10S'))).rejects.toEqual(tooShort('/keyRotationPeriod'))
    await assertPolicyRotation(deps, terms('PT1M'))
  })
})
