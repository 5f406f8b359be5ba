import type { Account } from './account.ts'
import type { Draft } from './envelope.ts'
import type { RandomBytes } from './kinds.ts'
import { newStorageAccount, type StorageAccount, storageAccountCreateSchema } from './storage-account.ts'
import { defaultStreamingEndpoint, type StreamingEndpoint } from './streaming-endpoint.ts'

/** What every account is made with. */
export type AccountDefaults = {
  readonly storageAccount: Draft<StorageAccount>
  readonly streamingEndpoint: Draft<StreamingEndpoint>
}

/** A place for media and an endpoint that is meant to run, both named `default`, so that a new account can be used at once. */
export function accountDefaults(account: Pick<Account, 'id'>, random: RandomBytes): AccountDefaults {
  const storage = storageAccountCreateSchema.parse({ name: 'default', isDefault: true })
  return {
    storageAccount: newStorageAccount(storage, account.id, random),
    streamingEndpoint: defaultStreamingEndpoint(account.id, random),
  }
}
