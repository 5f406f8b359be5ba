import type { DrmSignalling } from '../domain/drm-signalling.ts'
import type { KeyOption } from '../domain/key-authorization-policy.ts'
import { signallingBytes } from '../domain/signalling-size.ts'
import type { KeyMaterial } from '../protection/content-key-derivation.ts'

/** A content key, opened, and who gets it. Never logged, never sent anywhere but to the node's own threads. */
export type KeyGrant = {
  readonly keyId: string
  readonly accountId: string
  readonly rotating: boolean
  readonly material: KeyMaterial
  /** What its provider wants players to be told of it. */
  readonly signalling?: DrmSignalling | undefined
  /** The asset that it is a key of, where it is one asset's alone. */
  readonly assetId?: string | undefined
  /** Of its policy; none: nobody gets it. */
  readonly options: readonly KeyOption[]
}

const MAX_GRANTS = 10_000
/** Of what providers want players to be told, of all of them together. */
const MAX_SIGNALLING_BYTES = 64 * 1_024 * 1_024
/** Ids that there are no keys of are anybody's to think of: they have little room, and push out nothing but each other. */
const MAX_ABSENT = 1_000
const MAX_TRIES = 3

/**
 * What was asked lately of the node about keys, also that there are none, until something changes in their account: a thread hears
 * of that before the change is answered, so that what is taken away is gone with the next request.
 */
export class GrantCache {
  readonly #ask: (keyId: string) => Promise<KeyGrant | undefined>
  /** In the order of use. */
  readonly #known = new Map<string, KeyGrant>()
  #signallingBytes = 0
  /** There are no such keys. In the order of use. */
  readonly #absent = new Set<string>()
  readonly #asking = new Map<string, Promise<KeyGrant | undefined>>()
  #changes = 0

  constructor(ask: (keyId: string) => Promise<KeyGrant | undefined>) {
    this.#ask = ask
  }

  /** `undefined`: there is no such key. @throws AppError what the node answers */
  async find(keyId: string): Promise<KeyGrant | undefined> {
    const known = this.#known.get(keyId)
    if (known || this.#absent.has(keyId)) {
      this.#keep(keyId, known)
      return known
    }
    for (let attempt = 1; ; attempt += 1) {
      const seen = this.#changes
      const asked = this.#asking.get(keyId) ?? this.#begin(keyId)
      const grant = await asked
      // What was read before a change says nothing of what holds after it.
      if (seen === this.#changes) {
        this.#keep(keyId, grant)
        return grant
      }
      if (attempt === MAX_TRIES) return grant
    }
  }

  /** As `find`, with what it takes to open the key of this KID, which is the key's own or that of one of its periods. */
  async findFor(keyId: string, kid: string): Promise<KeyGrant | undefined> {
    const grant = await this.find(keyId)
    return grant?.material.source === 'provider' && kid !== keyId ? this.find(kid) : grant
  }

  /** Keys or policies of an account were written, or who knows what of which (`undefined`). */
  changed(accountId?: string): void {
    this.#changes += 1
    this.#asking.clear()
    this.#absent.clear()
    for (const [keyId, grant] of this.#known) {
      if (accountId === undefined || grant.accountId === accountId) this.#forget(keyId)
    }
  }

  #keep(keyId: string, grant: KeyGrant | undefined): void {
    this.#forget(keyId)
    this.#absent.delete(keyId)
    if (!grant) {
      this.#absent.add(keyId)
      const [oldest] = this.#absent
      if (this.#absent.size > MAX_ABSENT && oldest !== undefined) this.#absent.delete(oldest)
      return
    }
    this.#known.set(keyId, grant)
    this.#signallingBytes += bytesOf(grant)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_GRANTS && this.#signallingBytes <= MAX_SIGNALLING_BYTES) break
      this.#forget(oldest)
    }
  }

  #forget(keyId: string): void {
    const grant = this.#known.get(keyId)
    if (!grant) return
    this.#known.delete(keyId)
    this.#signallingBytes -= bytesOf(grant)
  }

  #begin(keyId: string): Promise<KeyGrant | undefined> {
    const asked = this.#ask(keyId).finally(() => {
      if (this.#asking.get(keyId) === asked) this.#asking.delete(keyId)
    })
    this.#asking.set(keyId, asked)
    return asked
  }
}

function bytesOf({ signalling = [] }: KeyGrant): number {
  return signallingBytes(signalling)
}
