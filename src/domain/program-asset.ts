import { AppError } from '../lib/errors.ts'
import { type Asset, assetCreateSchema, newAsset, programAssetName } from './asset.ts'
import type { Draft } from './envelope.ts'
import type { Id, RandomBytes } from './kinds.ts'
import type { Repository } from './repository.ts'

/**
 * An asset for a program to record into, in the account's default storage account, called as the program is where that name is
 * free.
 *
 * @throws AppError `STATE_CONFLICT` where the account has no default storage account
 */
export async function assetForProgram(
  repository: Repository,
  accountId: Id<'account'>,
  programName: string,
  random: RandomBytes,
  storageEncryption: Asset['storageEncryption'] = 'none',
): Promise<Draft<Asset>> {
  const storages = await Array.fromAsync(repository.each('storage-account', { accountId }))
  const storage = storages.find(({ isDefault }) => isDefault)
  if (!storage) throw new AppError('STATE_CONFLICT', 'The account has no default storage account for a new asset.')
  const isTaken = (await repository.findByName('asset', programName, accountId)) !== undefined
  const fresh = newAsset(
    assetCreateSchema.parse({ name: programName, storageEncryption }),
    storage.id,
    accountId,
    random,
  )
  return { ...fresh, name: programAssetName(programName, fresh.id, isTaken) }
}
