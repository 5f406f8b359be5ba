import type { Answer } from '../rest/route.ts'

/** The errors of RFC 6749 §5.2 that can happen here. */
type OAuthErrorCode = 'invalid_request' | 'invalid_client' | 'unsupported_grant_type' | 'invalid_scope'

/** An answer of RFC 6749 §5.2. */
export type OAuthError = { readonly error: OAuthErrorCode; readonly description: string; readonly challenge: boolean }

/** An error of a token request; `challenge`: say how to authenticate (a must where it was tried by header). */
export function oauthError(error: OAuthErrorCode, description: string, challenge = false): OAuthError {
  return { error, description, challenge }
}

/** How it is sent. */
export function oauthErrorAnswer({ error, description, challenge }: OAuthError): Answer {
  return {
    status: error === 'invalid_client' ? 401 : 400,
    body: { error, error_description: description },
    headers: { Pragma: 'no-cache', ...(challenge && { 'WWW-Authenticate': 'Basic realm="headend", charset="UTF-8"' }) },
  }
}
