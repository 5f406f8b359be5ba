import type { Login } from './authenticator.ts'
import type { OAuthError } from './oauth-error.ts'
import { oauthError } from './oauth-error.ts'

type Body = Readonly<Record<string, unknown>>

/** What a token request says of its client, and whether by header. */
export type ClientLogin = Login & { readonly byHeader: boolean }

/** RFC 6749 §2.3.1: both parts are form-encoded before they are joined and encoded once more. */
function readBasic(header: string): Login | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(header) ?? []
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at < 1) return undefined
  try {
    const [credentialId, secret] = [text.slice(0, at), text.slice(at + 1)].map((part) =>
      decodeURIComponent(part.replaceAll('+', ' ')),
    )
    return credentialId === undefined || secret === undefined ? undefined : { credentialId, secret }
  } catch {
    return undefined
  }
}

/** The only value that a request with these parameters can have: none may be repeated (RFC 6749 §3.2). */
function single(body: Body, name: string): string | undefined | OAuthError {
  const value = body[name]
  // An empty parameter counts as left out (RFC 6749 §3.2).
  if (value === undefined || value === '') return undefined
  return typeof value === 'string' ? value : oauthError('invalid_request', `${name} must be given once, as text.`)
}

/**
 * The client of a token request: HTTP Basic, or `client_id` and `client_secret` in the body, never both (RFC 6749 §2.3).
 * Anything else is an answer that says what is wrong (§5.2).
 */
export function clientLogin(body: Body, authorization: string | undefined): ClientLogin | OAuthError {
  const fields = ['grant_type', 'scope', 'client_id', 'client_secret'].map((name) => single(body, name))
  const wrong = fields.find((field) => typeof field === 'object')
  if (wrong) return wrong
  const [grantType, scope, clientId, clientSecret] = fields as (string | undefined)[]
  if (grantType === undefined) return oauthError('invalid_request', 'grant_type is missing.')
  if (grantType !== 'client_credentials') {
    return oauthError('unsupported_grant_type', 'grant_type must be client_credentials.')
  }
  if (scope !== undefined) {
    return oauthError('invalid_scope', 'There are no scopes: what a credential may is said by its role.')
  }
  if (authorization !== undefined) {
    if (clientSecret !== undefined) {
      return oauthError('invalid_request', 'The client must authenticate in one way: by header or in the body.')
    }
    const login = readBasic(authorization)
    if (!login) return oauthError('invalid_client', 'The header must be HTTP Basic of client id and secret.', true)
    if (clientId === undefined || clientId === login.credentialId) return { ...login, byHeader: true }
    return oauthError('invalid_request', 'client_id is not the one in the header.')
  }
  if (clientId === undefined || clientSecret === undefined) {
    return oauthError(
      'invalid_client',
      'Client id and secret are missing: send them by HTTP Basic or in the form.',
      true,
    )
  }
  return { credentialId: clientId, secret: clientSecret, byHeader: false }
}
