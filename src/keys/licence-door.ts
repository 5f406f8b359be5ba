import type { KeyOption } from '../domain/key-authorization-policy.ts'
import type { KeyRefusal, LicenceDelivery } from '../domain/key-refusal.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import { kidValues, type LicenceValues } from '../domain/licence-template.ts'
import { challengedKeyIds } from './challenged-keys.ts'
import type { KeyGrant } from './grant-cache.ts'
import type { KeyAuthority } from './key-authority.ts'
import type { KeyDoorObserver, KeyDoorRequest } from './key-door-request.ts'
import { type LicenceProxy, MAX_CHALLENGE_BYTES } from './licence-proxy.ts'
import { type KeyDoorAnswer, refusalAnswer } from './refusal-answer.ts'

/** A request for a licence, or for the certificate that FairPlay wants before. */
export type LicenceRequest = {
  readonly delivery: LicenceDelivery
  readonly kid: string
  readonly token: string | undefined
  readonly parameters: URLSearchParams
  readonly isCertificate: boolean
  readonly request: Pick<KeyDoorRequest, 'method' | 'address' | 'body' | 'entry' | 'contentType'>
}

/** What the door for licences needs. */
export type LicenceDoorPorts = {
  readonly authority: Pick<KeyAuthority, 'admit' | 'findGrant'>
  readonly proxy: Pick<LicenceProxy, 'licence'>
  readonly observer: KeyDoorObserver
  readonly random: RandomBytes
}

const NO_STORE = ['Cache-Control', 'no-store', 'Pragma', 'no-cache']
/** PlayReady's servers are SOAP services. */
const SOAP_ACTION = '"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"'
const SESSION_BYTES = 16
const MAX_CHALLENGED_KEYS = 64

/**
 * Licences of outside servers: who asks has to meet an option of the key's policy first, and for each other key that the challenge asks
 * for too; then the challenge goes to that option's licence server, and what comes back to the player.
 */
export class LicenceDoor {
  readonly #ports: LicenceDoorPorts

  constructor(ports: LicenceDoorPorts) {
    this.#ports = ports
  }

  /** Never rejects. */
  async answer(asked: LicenceRequest): Promise<KeyDoorAnswer> {
    return asked.isCertificate ? this.#certificate(asked) : this.#licence(asked)
  }

  async #licence(asked: LicenceRequest): Promise<KeyDoorAnswer> {
    const { delivery, kid, request } = asked
    const body = request.method === 'POST' ? await request.body(MAX_CHALLENGE_BYTES) : undefined
    if (!body || body.byteLength === 0) return this.#refuse(asked, 'request-malformed')
    const verdict = await this.#admit(asked, kid)
    if (verdict.outcome === 'refused') return this.#refuse(asked, verdict.reason, verdict.grant)
    const { grant, option } = verdict
    const { licenceServer } = option
    if (!licenceServer) return this.#refuse(asked, 'licence-server-unknown', grant)
    const others = challengedKeyIds(delivery, body)?.filter((other) => other !== kid)
    // What can't be read may ask for anything, and the server would take our word that its bearer may have it.
    if (!others || others.length > MAX_CHALLENGED_KEYS) return this.#refuse(asked, 'request-malformed', grant)
    for (const other of others) {
      const found = await this.#admit(asked, other)
      if (found.outcome === 'refused') return this.#refuse(asked, found.reason, found.grant ?? grant)
    }
    const values = this.#valuesOf(asked, grant, option)
    const made = await this.#ports.proxy.licence(licenceServer, values, {
      body,
      contentType: request.contentType,
      ...(delivery === 'playready' && { soapAction: SOAP_ACTION }),
    })
    if (made.outcome === 'refused') return this.#refuse(asked, made.reason, grant)
    this.#ports.observer.granted(delivery, grant)
    return { status: 200, headers: ['Content-Type', made.contentType, ...NO_STORE], body: made.body }
  }

  #admit({ delivery, token, request: { address, entry } }: LicenceRequest, kid: string) {
    return this.#ports.authority.admit({ kid, delivery, token, address, entry })
  }

  /** The certificate is the same for everybody who may come to the endpoint, and no secret. */
  async #certificate(asked: LicenceRequest): Promise<KeyDoorAnswer> {
    const { kid, request } = asked
    const found = await this.#ports.authority.findGrant({ kid, entry: request.entry })
    if (found.outcome === 'refused') return this.#refuse(asked, found.reason, found.grant)
    const { grant } = found
    const server = grant.options.find(
      ({ delivery, licenceServer }) => delivery === 'fairplay' && licenceServer?.certificate,
    )
    const certificate = server?.licenceServer?.certificate
    if (certificate === undefined) return this.#refuse(asked, 'licence-server-unknown', grant)
    const headers = ['Content-Type', 'application/x-x509-ca-cert', 'Cache-Control', 'private, max-age=60']
    return { status: 200, headers, body: Buffer.from(certificate, 'base64') }
  }

  #refuse({ delivery, request }: LicenceRequest, reason: KeyRefusal, grant?: KeyGrant): KeyDoorAnswer {
    this.#ports.observer.refused(delivery, reason, request.address, grant)
    return refusalAnswer(reason)
  }

  #valuesOf({ kid, token, parameters, request }: LicenceRequest, grant: KeyGrant, option: KeyOption): LicenceValues {
    const given = parameters.get('session') ?? ''
    const { keyId, accountId, assetId } = grant
    return {
      ...kidValues(kid),
      keyId,
      accountId,
      ...(assetId !== undefined && { assetId }),
      ...(token !== undefined && { token }),
      subject: option.restriction.kind === 'token' ? subjectOf(token) : '',
      sessionId: /^[A-Za-z0-9._~-]{1,128}$/.test(given)
        ? given
        : Buffer.from(this.#ports.random(SESSION_BYTES)).toString('hex'),
      address: request.address,
    }
  }
}

/** Of a token that was verified: whom it is about (RFC 7519 §4.1.2). */
function subjectOf(token = ''): string {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : ''
    return typeof subject === 'string' ? subject.slice(0, 256) : ''
  } catch {
    // A simple web token, which has none.
    return ''
  }
}
