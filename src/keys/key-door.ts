import { isLicenceDelivery, type KeyDelivery, type KeyRefusal } from '../domain/key-refusal.ts'
import type { AddressAllowance } from './address-allowance.ts'
import { clearKeyLicence, readClearKeyRequest } from './clear-key.ts'
import type { KeyAuthority } from './key-authority.ts'
import type { KeyDoorObserver, KeyDoorRequest } from './key-door-request.ts'
import type { LicenceDoor } from './licence-door.ts'
import { type KeyDoorAnswer, refusalAnswer } from './refusal-answer.ts'

/** What the door needs. */
export type KeyDoorPorts = {
  readonly authority: Pick<KeyAuthority, 'judge'>
  readonly allowance: Pick<AddressAllowance, 'take'>
  readonly observer: KeyDoorObserver
  /** Absent: no licences are passed on. */
  readonly licences?: Pick<LicenceDoor, 'answer'>
}

const PATH =
  /^\/keys\/(aes128|clearkey|widevine|playready|fairplay)(?:\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(\/certificate)?)?$/i
const NO_STORE = ['Cache-Control', 'no-store', 'Pragma', 'no-cache']
/** A ClearKey request has a handful of KIDs. */
const MAX_REQUEST_BYTES = 16_384

type Asked = { readonly delivery: KeyDelivery; readonly token: string | undefined; readonly request: KeyDoorRequest }

/**
 * `/keys/aes128/{kid}`: 16 bytes. `/keys/clearkey` and `/keys/clearkey/{kid}`: a licence as W3C EME has it for ClearKey.
 * `/keys/widevine/{kid}`, `/keys/playready/{kid}`, `/keys/fairplay/{kid}`: a licence of the policy's server, for a challenge.
 */
export class KeyDoor {
  readonly #ports: KeyDoorPorts

  constructor(ports: KeyDoorPorts) {
    this.#ports = ports
  }

  /** Answers a request for something below `/keys/`; `undefined` where there is nothing of this name. */
  async answer(request: KeyDoorRequest): Promise<KeyDoorAnswer | undefined> {
    const [path = '', query = ''] = request.target.split('?', 2)
    const [, deliveryText, kid, certificate] = PATH.exec(path) ?? []
    if (deliveryText === undefined) return undefined
    const delivery = deliveryText.toLowerCase() as KeyDelivery
    if (delivery !== 'clearkey' && kid === undefined) return undefined
    if (certificate !== undefined && delivery !== 'fairplay') return undefined
    const { address } = request
    const tooOften = this.#tooOften(delivery, address, 1)
    if (tooOften) return tooOften
    const parameters = new URLSearchParams(query)
    const token = tokenOf(request.authorization, parameters)
    if (isLicenceDelivery(delivery)) {
      const isCertificate = certificate !== undefined
      return this.#ports.licences?.answer({
        delivery,
        kid: kid?.toLowerCase() ?? '',
        token,
        request,
        parameters,
        isCertificate,
      })
    }
    const asked = { delivery, token, request }
    if (kid !== undefined) return this.#give([kid.toLowerCase()], asked)
    const kids = readClearKeyRequest(request.method === 'POST' ? await request.body(MAX_REQUEST_BYTES) : undefined)
    // Each KID is a question of its own: the request has counted for one of them.
    if (kids) return this.#tooOften(delivery, address, kids.length - 1) ?? this.#give(kids, asked)
    this.#ports.observer.refused(delivery, 'request-malformed', address, undefined)
    return refusalAnswer('request-malformed')
  }

  /** Counts so many questions; the refusal, where those are too many. */
  #tooOften(delivery: KeyDelivery, address: string, many: number): KeyDoorAnswer | undefined {
    const waitMs = this.#ports.allowance.take(address, many)
    if (waitMs === 0) return undefined
    this.#ports.observer.refused(delivery, 'rate-limited', address, undefined)
    return refusalAnswer('rate-limited', waitMs)
  }

  /** What may be had of these; where it is nothing, why the first may not. */
  async #give(kids: readonly string[], { delivery, token, request }: Asked): Promise<KeyDoorAnswer> {
    const { authority, observer } = this.#ports
    const { address, entry } = request
    const given: { kid: string; value: Uint8Array }[] = []
    let refusal: KeyRefusal | undefined
    for (const kid of kids) {
      const verdict = await authority.judge({ kid, delivery, token, address, entry })
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
function tokenOf(authorization: string | undefined, parameters: URLSearchParams): string | undefined {
  const given = /^Bearer[ =]\s*(\S+)\s*$/i.exec(authorization ?? '')?.[1]
  return given ?? parameters.get('token') ?? undefined
}
