import { type ContentKey, newContentKeyId } from '../domain/content-key.ts'
import type { Draft } from '../domain/envelope.ts'
import type { Id, RandomBytes } from '../domain/kinds.ts'
import { AppError } from '../lib/errors.ts'
import type { KeyPeriod, KeyProvider, ProvidedKey } from './key-provider.ts'
import type { MasterKeys } from './master-keys.ts'
import { SealedKeys } from './sealed-keys.ts'

/** A content key as a client states it, checked. */
export type GivenKey = Pick<ContentKey, 'kind' | 'rotating' | 'tags'> &
  Partial<Pick<ContentKey, 'name' | 'description' | 'keyAuthorizationPolicyId' | 'contentId' | 'intendedTracks'>> & {
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
    const { kind, contentId, intendedTracks: tracks } = given
    const text = value ?? seed
    const provided =
      text === undefined ? await provider.keyOf({ keyId: id, kind, accountId, contentId, tracks }, signal) : undefined
    const bytes = provided?.value ?? Buffer.from(text ?? '', 'base64')
    const sealed = await this.#sealed.seal({ id, kind }, bytes, primaryId)
    const isPeriodic = provided !== undefined && given.rotating && provider.periodKeyOf !== undefined
    const source = seed !== undefined ? 'playready-seed' : isPeriodic ? 'provider' : 'value'
    const { signalling } = provided ?? {}
    return { ...rest, id, accountId, source, ...(signalling && { signalling }), ...sealed }
  }

  /**
   * The key of a period, of one whose source is the provider, and what players are to be told of it.
   *
   * @throws AppError `KEY_PROVIDER_DOWN`; the signal's reason
   */
  async periodKey(key: ContentKey, period: KeyPeriod, signal: AbortSignal): Promise<ProvidedKey> {
    const { provider } = this.#ports
    if (!provider.periodKeyOf) {
      throw new AppError(
        'KEY_PROVIDER_DOWN',
        'Its keys come from a key provider, and none is configured (keys.provider).',
      )
    }
    const { id: keyId, kind, accountId, contentId, intendedTracks: tracks } = key
    return provider.periodKeyOf({ keyId, kind, accountId, contentId, tracks }, period, signal)
  }

  /** What is kept of the key: its value or its seed. @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG` */
  open(key: Pick<ContentKey, 'id' | 'kind' | 'sealedValue' | 'masterKeyId'>): Promise<Uint8Array> {
    return this.#sealed.open(key)
  }
}
