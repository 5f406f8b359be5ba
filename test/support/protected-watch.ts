import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Browser } from 'playwright-core'
import type { ApiUser } from './api.ts'
import { WatchPage } from './browser.ts'
import type { Headend } from './headend.ts'

export const ISSUER = 'https://issuer.example'
const AUDIENCE = 'player'

/** Keys that are given for tokens of one secret, and tokens. */
export class TokenKeys {
  readonly #api: ApiUser
  readonly #secret = randomBytes(32)
  #policyId: unknown

  constructor(api: ApiUser) {
    this.#api = api
  }

  /** A content key that is given as EME's ClearKey has it, or as it is, to whoever has a token; gives its id. */
  async make(kind: 'cenc' | 'cbcs' | 'envelope', more: object = {}): Promise<string> {
    const restriction = {
      ...{ kind: 'token', issuer: ISSUER, audience: AUDIENCE },
      primaryKey: { kind: 'symmetric', value: this.#secret.toString('base64') },
    }
    const options = ['clearkey', 'aes128'].map((delivery) => ({ delivery, restriction }))
    const policies = '/v1/key-authorization-policies'
    this.#policyId ??= (await this.#api.ask(201, 'POST', policies, { name: 'tokens', options }))['id']
    const key = { kind, keyAuthorizationPolicyId: this.#policyId, ...more }
    return String((await this.#api.ask(201, 'POST', '/v1/content-keys', key))['id'])
  }

  /** `time`: when it expires, as `10m` or `-1h`. */
  token(time: string, audience = AUDIENCE): Promise<string> {
    const jwt = new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setIssuer(ISSUER).setAudience(audience)
    return jwt.setExpirationTime(time).sign(this.#secret)
  }
}

/** How a page is to play a stream. */
export type ProtectedPlay = { readonly url: string; readonly token?: string; readonly shaka?: boolean }

/** The watch page on a stream; the token stands where it is sent to nobody. */
export function watchProtected(
  browser: Browser,
  headend: Headend,
  { url, token, shaka = false }: ProtectedPlay,
): Promise<WatchPage> {
  const query = new URLSearchParams({ url, ...(shaka && { player: 'shaka' }) })
  const hash = token === undefined ? '' : `#token=${token}`
  return WatchPage.open(browser, `${headend.quickstart.controlUrl}/player/?${query}${hash}`)
}
