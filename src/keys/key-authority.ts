import { type Admission, viewingAdmission } from '../domain/allow-list.ts'
import type { KeyOption } from '../domain/key-authorization-policy.ts'
import { keyOfKeyId } from '../domain/key-id.ts'
import type { EntryRefusal, KeyDelivery, KeyRefusal } from '../domain/key-refusal.ts'
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
  /** Whether the endpoints of an account let who asks in, and if not why; absent: they do. */
  readonly entry?: ((accountId: string) => EntryRefusal | undefined) | undefined
}

type KeyRefused = { readonly outcome: 'refused'; readonly reason: KeyRefusal; readonly grant?: KeyGrant }

/** What becomes of it. */
export type KeyVerdict =
  | { readonly outcome: 'granted'; readonly grant: KeyGrant; readonly value: Uint8Array }
  | KeyRefused

/** Whether somebody may have a key, and by which option of its policy. */
export type KeyAdmission =
  | { readonly outcome: 'admitted'; readonly grant: KeyGrant; readonly option: KeyOption }
  | KeyRefused

/** What judging takes. */
export type KeyAuthorityPorts = {
  /** @throws AppError where it can't be told now */
  readonly find: (keyId: string) => Promise<KeyGrant | undefined>
  /** The same with what opens the key of that KID; absent: any does. @throws AppError where it can't be had now */
  readonly findFor?: (keyId: string, kid: string) => Promise<KeyGrant | undefined>
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
    const admitted = await this.admit(wish)
    if (admitted.outcome === 'refused') return admitted
    const { grant } = admitted
    const { keyId } = grant
    const { findFor } = this.#ports
    try {
      const opened = findFor ? await findFor(keyId, wish.kid) : grant
      if (!opened) return { outcome: 'refused', reason: 'key-unknown', grant }
      return { outcome: 'granted', grant, value: contentKeyValue(opened.material, keyId, wish.kid) }
    } catch {
      // The key provider is down, which the node has said in its log.
      return { outcome: 'refused', reason: 'unavailable', grant }
    }
  }

  /** As `judge`, without the key: by which option of its policy it may be had. */
  async admit(wish: KeyWish): Promise<KeyAdmission> {
    const found = await this.findGrant(wish)
    if (found.outcome === 'refused') return found
    const { grant } = found
    const option = await this.#optionFor(grant, wish, [wish.kid, grant.keyId])
    if (typeof option === 'string') return { outcome: 'refused', reason: option, grant }
    return { outcome: 'admitted', grant, option }
  }

  /** The key that a KID leads to and what is known of it, where its account's endpoints let the asker in. Never rejects. */
  async findGrant(
    wish: Pick<KeyWish, 'kid' | 'entry'>,
  ): Promise<{ readonly outcome: 'found'; readonly grant: KeyGrant } | KeyRefused> {
    const { keyId, startMs } = keyOfKeyId(wish.kid)
    let grant: KeyGrant | undefined
    try {
      grant = await this.#ports.find(keyId)
    } catch {
      // The node has said in its log what is wrong; the player is told to come again.
      return { outcome: 'refused', reason: 'unavailable' }
    }
    // A key that rotates is none itself: from its value those of all periods follow.
    if (!grant || grant.rotating !== (startMs !== undefined) || startMs === 0) {
      return { outcome: 'refused', reason: 'key-unknown' }
    }
    const closed = wish.entry?.(grant.accountId)
    if (closed !== undefined) return { outcome: 'refused', reason: closed, grant }
    if (startMs !== undefined && startMs > this.#ports.clock.now() + KEY_AHEAD_MS) {
      return { outcome: 'refused', reason: 'key-not-yet', grant }
    }
    return { outcome: 'found', grant }
  }

  /** The option that is met, else why none is. */
  async #optionFor(grant: KeyGrant, wish: KeyWish, keyIds: readonly string[]): Promise<KeyOption | KeyRefusal> {
    const reasons: KeyRefusal[] = []
    for (const option of grant.options) {
      if (option.delivery !== wish.delivery) continue
      const reason = await this.#optionRefusal(option, wish, keyIds)
      if (reason === undefined) return option
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
