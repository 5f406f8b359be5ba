/** Browsers take the prefixed one over TLS alone, so that nothing in the clear can plant it (RFC 6265bis §4.1.3). */
const names = { clear: 'headend-session', secure: '__Secure-headend-session' } as const

/** Only what needs it gets it: the origin and other services of this host have no business with it. */
const PATH = '/v1'

type Header = (name: string) => string | undefined

/** The session's token in a request's cookies. */
export function readSessionCookie(header: Header, secure: boolean): string | undefined {
  const name = secure ? names.secure : names.clear
  for (const pair of header('Cookie')?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim() || undefined
  }
  return undefined
}

/** `Set-Cookie` of a session; one of no length ends it. */
export function sessionCookie(token: string, lifetimeMs: number, secure: boolean): string {
  const attributes = [`Path=${PATH}`, 'HttpOnly', 'SameSite=Strict', `Max-Age=${Math.floor(lifetimeMs / 1_000)}`]
  return [`${secure ? names.secure : names.clear}=${token}`, ...attributes, ...(secure ? ['Secure'] : [])].join('; ')
}
