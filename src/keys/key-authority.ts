import { type Admission, viewingAdmission } from '../domain/allow-list.ts'
import { keyOfKeyId } from '../domain/content-key.ts'
import type { KeyOption } from '../domain/key-authorization-policy.ts'
import type { KeyDelivery, KeyRefusal } from '../domain/key-refusal.ts'
import type { Clock } from '../lib/clock.ts'
import { contentKeyValue, KEY_AHEAD_MS } from '../protection/content-key-derivation.ts'
import type { KeyGrant } from './grant-cache.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** Who wants which key. */
export type KeyWish = {
  readonly kid: string
  readonly delivery: KeyDelivery
  readonly token: string | undefined
  readonly address: string
}

/** What becomes of it. */
export type KeyVerdict =
  | { readonly outcome: 'granted'; readonly grant: KeyGrant; readonly value: Uint8Array }
  | { readonly outcome: 'refused'; readonly reason: KeyRefusal; readonly grant?: KeyGrant }

/** What judging takes. */
export type KeyAuthorityPorts = {
  /** @throws AppError where it can't be told now */
  readonly find: (keyId: string) => Promise<KeyGrant | undefined>
  readonly tokens: Pick<TokenVerifier, 'refusal'>
  readonly clock: Clock
  /** How far the clocks of token issuers may be off. */
  readonly skewMs: number
}

/** Says who gets a key: whoever meets one option of its policy, for the kind of delivery that is asked for. */
export class KeyAuthority {
  readonly #ports: KeyAuthorityPorts
  readonly #admissions = new WeakMap<KeyOption, Admission>()

  constructor(ports: KeyAuthorityPorts) {
    this.#ports = ports
  }

  /** Never rejects: what can't be told is refused as `unavailable`. */
  async judge(wish: KeyWish): Promise<KeyVerdict> {
    const { keyId, startMs } = keyOfKeyId(wish.kid)
    let grant: KeyGrant | undefined
    try {
      grant = await this.#ports.find(keyId)
    } catch {
      // The node has said in its log what is wrong; the player is told to come again.
      return { outcome: 'refused', reason: 'unavailable' }
    }
    if (!grant || grant.rotating !== (startMs !== undefined)) return { outcome: 'refused', reason: 'key-unknown' }
    if (startMs !== undefined && startMs > this.#ports.clock.now() + KEY_AHEAD_MS) {
      return { outcome: 'refused', reason: 'key-not-yet', grant }
    }
    const reason = await this.#refusal(grant, wish, [wish.kid, keyId])
    if (reason !== undefined) return { outcome: 'refused', reason, grant }
    return { outcome: 'granted', grant, value: contentKeyValue(grant.material, keyId, wish.kid) }
  }

  async #refusal(grant: KeyGrant, wish: KeyWish, keyIds: readonly string[]): Promise<KeyRefusal | undefined> {
    const reasons: KeyRefusal[] = []
    for (const option of grant.options) {
      if (option.delivery !== wish.delivery) continue
      const reason = await this.#optionRefusal(option, wish, keyIds)
      if (reason === undefined) return undefined
      reasons.push(reason)
    }
    // Of several, what a token lacks tells the most to who has one.
    return reasons.find((reason) => reason !== 'address-not-allowed') ?? reasons[0] ?? 'delivery-not-allowed'
  }

  async #optionRefusal(
    option: KeyOption,
    { token, address }: KeyWish,
    keyIds: readonly string[],
  ): Promise<KeyRefusal | undefined> {
    const { restriction } = option
    if (restriction.kind === 'open') return undefined
    if (restriction.kind === 'ip') {
      const admits = this.#admissions.get(option) ?? viewingAdmission(restriction.allowIp)
      this.#admissions.set(option, admits)
      return admits(address) ? undefined : 'address-not-allowed'
    }
    if (token === undefined) return 'token-missing'
    const { clock, skewMs, tokens } = this.#ports
    return tokens.refusal(token, restriction, { nowMs: clock.now(), skewMs, keyIds })
  }
}
