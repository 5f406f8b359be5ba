import { ChangeSet } from '../domain/change-set.ts'
import { type RandomBytes, SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import type { StorageAccount } from '../domain/storage-account.ts'
import type { SecretKeeper } from '../domain/stored-secret.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { KEY_BYTES } from '../protection/derived-key.ts'
import { openValue, sealValue } from '../protection/sealed-value.ts'
import type { MasterKeys } from './master-keys.ts'

/** No secret of S3 or of a service like it has spaces in it. */
const SEALED = /^sealed 1 (\S+) ([A-Za-z0-9+/=]+)$/

/** Secrets sealed under the first master key; where none is configured, kept as they are. */
export class SealedSecrets implements SecretKeeper {
  readonly #masterKeys: MasterKeys
  readonly #random: RandomBytes

  constructor(masterKeys: MasterKeys, random: RandomBytes) {
    this.#masterKeys = masterKeys
    this.#random = random
  }

  /** @throws AppError `MASTER_KEY_UNAVAILABLE` */
  async seal(secret: string, accountId: string): Promise<string> {
    const { primaryId } = this.#masterKeys
    if (primaryId === undefined) return secret
    const masterKey = await this.#masterKeys.load(primaryId)
    const sealed = sealValue(masterKey, Buffer.from(secret), aboutOf(accountId, primaryId), this.#random(KEY_BYTES))
    return `sealed 1 ${primaryId} ${Buffer.from(sealed).toString('base64')}`
  }

  /** @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG` */
  async open(stored: string, accountId: string): Promise<string> {
    const [, masterKeyId, text] = SEALED.exec(stored) ?? []
    if (masterKeyId === undefined || text === undefined) return stored
    const masterKey = await this.#masterKeys.load(masterKeyId)
    const opened = openValue(masterKey, Buffer.from(text, 'base64'), aboutOf(accountId, masterKeyId))
    if (opened) return Buffer.from(opened).toString()
    const message = `A stored secret doesn't open: the master key ${masterKeyId} is not the one it was sealed under.`
    throw new AppError('MASTER_KEY_WRONG', message, { details: { accountId, masterKeyId } })
  }

  /** The same secret under the first master key; `undefined` where it is, or there is none. @throws AppError as `open` and `seal` */
  async resealed(stored: string, accountId: string): Promise<string | undefined> {
    const { primaryId } = this.#masterKeys
    if (primaryId === undefined || SEALED.exec(stored)?.[1] === primaryId) return undefined
    return this.seal(await this.open(stored, accountId), accountId)
  }
}

function aboutOf(accountId: string, masterKeyId: string): string {
  return JSON.stringify(['stored secret', accountId, masterKeyId])
}

type ResealPorts = { readonly repository: Repository; readonly secrets: SealedSecrets; readonly logger: Logger }

/**
 * Seals the secrets of storage accounts under the first master key: those that are not sealed, and those under another, which can
 * be taken out of the configuration then. What can't be done is in the log, and stays as it is until the next start.
 */
export async function resealSecrets({ repository, secrets, logger }: ResealPorts, signal: AbortSignal): Promise<void> {
  for await (const { id } of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
    for await (const storage of repository.each('storage-account', { accountId: id })) {
      if (signal.aborted) return
      await reseal({ repository, secrets, logger }, storage).catch((error: unknown) => {
        const about = { storageAccountId: storage.id, error: messageOf(error) }
        logger.error(about, 'the secret of a storage account could not be sealed under the first master key')
      })
    }
  }
}

async function reseal({ repository, secrets }: ResealPorts, storage: StorageAccount): Promise<void> {
  const { accountId, credentials } = storage
  if (!credentials) return
  const secretAccessKey = await secrets.resealed(credentials.secretAccessKey, accountId)
  if (secretAccessKey === undefined) return
  const changes = new ChangeSet()
  changes.update('storage-account', { ...storage, credentials: { ...credentials, secretAccessKey } })
  await repository.commit(changes).catch((error: unknown) => {
    // Somebody has changed it meanwhile, and with that sealed it, or deleted it.
    const isOver = error instanceof AppError && (error.code === 'ETAG_MISMATCH' || error.code === 'ENTITY_NOT_FOUND')
    if (!isOver) throw error
  })
}
