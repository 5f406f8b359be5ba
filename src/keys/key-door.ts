import type { KeyDelivery, KeyRefusal } from '../domain/key-refusal.ts'
import type { AddressAllowance } from './address-allowance.ts'
import { clearKeyLicence, readClearKeyRequest } from './clear-key.ts'
import type { KeyAuthority } from './key-authority.ts'
import { type KeyDoorAnswer, refusalAnswer } from './refusal-answer.ts'

/** A request for keys, as the streaming listener has it. */
export type KeyDoorRequest = {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly authorization: string | undefined
  readonly address: string
  /** What was sent, in as many bytes as are read at most; `undefined`: there was more. */
  readonly body: () => Promise<Uint8Array | undefined>
}

/** One answer, for metrics and the log of events; a batch of KIDs is told of one by one. */
export type KeyDoorObserver = {
  granted(delivery: KeyDelivery, key: { readonly accountId: string; readonly keyId: string }): void
  refused(
    delivery: KeyDelivery,
    reason: KeyRefusal,
    address: string,
    /** Absent where there is none, or it isn't known. */
    key: { readonly accountId: string; readonly keyId: string } | undefined,
  ): void
}

/** What the door needs. */
export type KeyDoorPorts = {
  readonly authority: Pick<KeyAuthority, 'judge'>
  readonly allowance: Pick<AddressAllowance, 'take'>
  readonly observer: KeyDoorObserver
}

const PATH = /^\/keys\/(aes128|clearkey)(?:\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}))?$/i
const NO_STORE = ['Cache-Control', 'no-store', 'Pragma', 'no-cache']

/** `/keys/aes128/{kid}`: 16 bytes. `/keys/clearkey` and `/keys/clearkey/{kid}`: a licence as W3C EME has it for ClearKey. */
export class KeyDoor {
  readonly #ports: KeyDoorPorts

  constructor(ports: KeyDoorPorts) {
    this.#ports = ports
  }

  /** Answers a request for something below `/keys/`; `undefined` where there is nothing of this name. */
  async answer(request: KeyDoorRequest): Promise<KeyDoorAnswer | undefined> {
    const [path = '', query = ''] = request.target.split('?', 2)
    const [, deliveryText, kid] = PATH.exec(path) ?? []
    if (deliveryText === undefined) return undefined
    const delivery = deliveryText.toLowerCase() as KeyDelivery
    if (delivery === 'aes128' && kid === undefined) return undefined
    const { address } = request
    const waitMs = this.#ports.allowance.take(address)
    if (waitMs > 0) {
      this.#ports.observer.refused(delivery, 'rate-limited', address, undefined)
      return refusalAnswer('rate-limited', waitMs)
    }
    const token = tokenOf(request.authorization, query)
    if (kid !== undefined) return this.#give(delivery, [kid.toLowerCase()], token, address)
    const kids = readClearKeyRequest(request.method === 'POST' ? await request.body() : undefined)
    if (kids) return this.#give(delivery, kids, token, address)
    this.#ports.observer.refused(delivery, 'request-malformed', address, undefined)
    return refusalAnswer('request-malformed')
  }

  /** What may be had of these; where it is nothing, why the first may not. */
  async #give(
    delivery: KeyDelivery,
    kids: readonly string[],
    token: string | undefined,
    address: string,
  ): Promise<KeyDoorAnswer> {
    const { authority, observer } = this.#ports
    const given: { kid: string; value: Uint8Array }[] = []
    let refusal: KeyRefusal | undefined
    for (const kid of kids) {
      const verdict = await authority.judge({ kid, delivery, token, address })
      if (verdict.outcome === 'granted') {
        observer.granted(delivery, verdict.grant)
        given.push({ kid, value: verdict.value })
        continue
      }
      observer.refused(delivery, verdict.reason, address, verdict.grant)
      refusal ??= verdict.reason
    }
    const [first] = given
    if (!first) return refusalAnswer(refusal ?? 'request-malformed')
    if (delivery === 'aes128') {
      return { status: 200, headers: ['Content-Type', 'application/octet-stream', ...NO_STORE], body: first.value }
    }
    return { status: 200, headers: ['Content-Type', 'application/json', ...NO_STORE], body: clearKeyLicence(given) }
  }
}

/** Of the header, also as players of Azure Media Services write it (`Bearer=…`), else of the query. */
function tokenOf(authorization: string | undefined, query: string): string | undefined {
  const given = /^Bearer[ =]\s*(\S+)\s*$/i.exec(authorization ?? '')?.[1]
  return given ?? new URLSearchParams(query).get('token') ?? undefined
}
