import { type ContentKey, newContentKeyId } from '../domain/content-key.ts'
import type { Draft } from '../domain/envelope.ts'
import type { Id, RandomBytes } from '../domain/kinds.ts'
import { AppError } from '../lib/errors.ts'
import type { KeyProvider } from './key-provider.ts'
import type { MasterKeys } from './master-keys.ts'
import { SealedKeys } from './sealed-keys.ts'

/** A content key as a client states it, checked. */
export type GivenKey = Pick<ContentKey, 'kind' | 'rotating' | 'tags'> &
  Partial<Pick<ContentKey, 'name' | 'description' | 'keyAuthorizationPolicyId'>> & {
    readonly id?: Id<'content-key'> | undefined
    readonly value?: string | undefined
    readonly seed?: string | undefined
  }

type ContentKeyPorts = {
  readonly masterKeys: MasterKeys
  readonly provider: KeyProvider
  readonly random: RandomBytes
}

/** The keys that media is encrypted with on its way to players, sealed under the master keys like those of storage. */
export class ContentKeys {
  readonly #ports: ContentKeyPorts
  readonly #sealed: SealedKeys

  constructor(ports: ContentKeyPorts) {
    this.#ports = ports
    this.#sealed = new SealedKeys(ports.masterKeys, ports.random)
  }

  /**
   * A new key, its value sealed: what was given, what follows from the seed that was, else what the provider gives.
   *
   * @throws AppError `MASTER_KEY_MISSING`, `MASTER_KEY_UNAVAILABLE`, `KEY_PROVIDER_DOWN`; the signal's reason
   */
  async create(given: GivenKey, accountId: Id<'account'>, signal: AbortSignal): Promise<Draft<ContentKey>> {
    const { masterKeys, provider, random } = this.#ports
    const { primaryId } = masterKeys
    if (primaryId === undefined) {
      const message =
        'No content key can be kept: no master key is configured that it could be sealed under (storage.masterKeys).'
      throw new AppError('MASTER_KEY_MISSING', message)
    }
    const { id = newContentKeyId(given.rotating, random), value, seed, ...rest } = given
    const text = value ?? seed
    const wish = { keyId: id, kind: given.kind, accountId }
    const bytes = text === undefined ? await provider.valueOf(wish, signal) : Buffer.from(text, 'base64')
    const sealed = await this.#sealed.seal({ id, kind: given.kind }, bytes, primaryId)
    return { ...rest, id, accountId, source: seed === undefined ? 'value' : 'playready-seed', ...sealed }
  }

  /** What is kept of the key: its value or its seed. @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG` */
  open(key: Pick<ContentKey, 'id' | 'kind' | 'sealedValue' | 'masterKeyId'>): Promise<Uint8Array> {
    return this.#sealed.open(key)
  }
}
