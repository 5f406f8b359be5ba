import { ChangeSet } from '../domain/change-set.ts'
import type { Id } from '../domain/kinds.ts'
import { newPeriodKey } from '../domain/period-key.ts'
import type { Repository } from '../domain/repository.ts'
import { AppError } from '../lib/errors.ts'
import type { KeyWish, ProvidedKey } from './key-provider.ts'
import type { MasterKeys } from './master-keys.ts'
import type { PeriodShelf } from './period-keys.ts'
import type { SealedKeys } from './sealed-keys.ts'

type ShelfPorts = {
  readonly repository: Pick<Repository, 'find' | 'commit'>
  readonly masterKeys: Pick<MasterKeys, 'primaryId'>
  readonly sealed: Pick<SealedKeys, 'seal' | 'open'>
}

/**
 * Keeps in the store what a provider gave for periods, sealed like every other key. The first to write a period's key decides for all nodes, so that
 * what is encrypted with it, and what players are told of it, is the same everywhere and stays so.
 */
export class StoredPeriodKeys implements PeriodShelf {
  readonly #ports: ShelfPorts

  constructor(ports: ShelfPorts) {
    this.#ports = ports
  }

  /** @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG`, and as the store does */
  async find({ accountId }: KeyWish, kid: string): Promise<ProvidedKey | undefined> {
    const { repository, sealed } = this.#ports
    const found = await repository.find('period-key', kid, accountId)
    if (!found) return undefined
    const value = await sealed.open(found)
    const { signalling } = found
    return signalling ? { value, signalling } : { value }
  }

  /** @throws AppError `MASTER_KEY_MISSING`, `MASTER_KEY_UNAVAILABLE`, and as the store does */
  async keep(wish: KeyWish, kid: string, key: ProvidedKey): Promise<ProvidedKey> {
    const { masterKeys, repository, sealed } = this.#ports
    const { primaryId } = masterKeys
    if (primaryId === undefined) {
      const message =
        'The key of a period can’t be kept: no master key is configured that it could be sealed under (storage.masterKeys).'
      throw new AppError('MASTER_KEY_MISSING', message)
    }
    const id = kid as Id<'period-key'>
    const { value, signalling } = key
    const { accountId, keyId: contentKeyId } = wish
    const changes = new ChangeSet()
    const content = { ...(signalling && { signalling }), ...(await sealed.seal({ id }, value, primaryId)) }
    changes.create('period-key', newPeriodKey({ id, accountId, contentKeyId, ...content }))
    try {
      await repository.commit(changes)
      return key
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'ENTITY_EXISTS') throw error
      // Another node was first, and what it has holds.
      return (await this.find(wish, kid)) ?? key
    }
  }
}
