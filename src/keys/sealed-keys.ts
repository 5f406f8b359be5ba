import type { ContentKey } from '../domain/content-key.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import { AppError } from '../lib/errors.ts'
import { KEY_BYTES } from '../protection/derived-key.ts'
import { openValue, sealValue } from '../protection/sealed-value.ts'
import type { MasterKeys } from './master-keys.ts'

/** A key as it is stored. That of a period, which a provider gave, has no kind of its own. */
export type SealedKey = Pick<ContentKey, 'sealedValue' | 'masterKeyId'> & {
  readonly id: string
  readonly kind?: ContentKey['kind']
}

type KeyName = Omit<SealedKey, 'sealedValue' | 'masterKeyId'>

/** What a sealed value belongs to: moved to another key's entity, or marked as of another kind or master key, it doesn't open. */
function aboutOf({ id, kind }: KeyName, masterKeyId: string): string {
  return JSON.stringify([id, kind ?? 'period', masterKeyId])
}

/** Seals and opens what content keys are worth, under the master keys. */
export class SealedKeys {
  readonly #masterKeys: MasterKeys
  readonly #random: RandomBytes

  constructor(masterKeys: MasterKeys, random: RandomBytes) {
    this.#masterKeys = masterKeys
    this.#random = random
  }

  /** What is to be stored of the key. @throws AppError `MASTER_KEY_UNAVAILABLE` */
  async seal(
    key: KeyName,
    value: Uint8Array,
    masterKeyId: string,
  ): Promise<Pick<SealedKey, 'sealedValue' | 'masterKeyId'>> {
    const masterKey = await this.#masterKeys.load(masterKeyId)
    const sealed = sealValue(masterKey, value, aboutOf(key, masterKeyId), this.#random(KEY_BYTES))
    return { masterKeyId, sealedValue: Buffer.from(sealed).toString('base64') }
  }

  /** What was sealed. @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG` */
  async open(key: SealedKey): Promise<Uint8Array> {
    const { id, masterKeyId } = key
    const masterKey = await this.#masterKeys.load(masterKeyId)
    const value = openValue(masterKey, Buffer.from(key.sealedValue, 'base64'), aboutOf(key, masterKeyId))
    if (value) return value
    const message = `The content key ${id} doesn't open: the master key ${masterKeyId} is not the one it was sealed under.`
    throw new AppError('MASTER_KEY_WRONG', message, { details: { contentKeyId: id, masterKeyId } })
  }

  /** The key as it would be written under the first master key; `undefined` where it is. @throws AppError as `open` */
  async resealed<K extends SealedKey>(key: K): Promise<K | undefined> {
    const { primaryId } = this.#masterKeys
    if (primaryId === undefined || primaryId === key.masterKeyId) return undefined
    return { ...key, ...(await this.seal(key, await this.open(key), primaryId)) }
  }
}
