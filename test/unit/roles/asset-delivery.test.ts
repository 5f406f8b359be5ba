import { describe, expect, it } from 'vitest'
import type { Repository } from '../../../src/domain/repository.ts'
import { readAssetDelivery } from '../../../src/roles/asset-delivery.ts'

const store = (entities: Readonly<Record<string, object>>) =>
  ({ findAnywhere: async (_kind: string, id: string) => entities[id] }) as unknown as Repository

describe('how an asset may be delivered', () => {
  it('is not at all where there is no such asset, whatever policy a locator names', async () => {
    const gone = await readAssetDelivery(store({}), 'as_gone', [])
    const nothing = { hls: [], dash: [], smooth: [], progressive: [] }
    expect(gone.termsOf({})).toMatchObject({ protocols: nothing, keys: [] })
    expect(gone.termsOf({ deliveryPolicyId: 'Predefined_ClearStreamingOnly' })).toMatchObject({ protocols: nothing })
  })

  it('is in the clear where nobody says otherwise', async () => {
    const open = await readAssetDelivery(
      store({ as_open: { id: 'as_open', storageEncryption: 'none' } }),
      'as_open',
      [],
    )
    expect(open.termsOf({})).toBeUndefined()
    const sealed = { id: 'as_sealed', storageEncryption: 'aes256' }
    const kept = await readAssetDelivery(store({ as_sealed: sealed }), 'as_sealed', [])
    expect(kept.termsOf({})?.protocols.hls).toEqual([])
  })
})
