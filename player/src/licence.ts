import type { Problem } from './engine.ts'

/** What carries a viewer's token to whoever gives keys; nothing where there is none. */
export function tokenHeaders(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` }
}

/** A URL with the token in its query, for what can send no headers: the browser's own HLS. */
export function withToken(url: string, token: string | undefined): string {
  if (token === undefined) return url
  const target = new URL(url, location.href)
  target.searchParams.set('token', token)
  return target.href
}

/**
 * The problem that a refused key stands for. Headend's key door says why in a problem document (RFC 9457) with a `reason`; of other
 * servers there is the status alone. `body` is as the engine read it: text, bytes or parsed JSON. Status 0: nobody answered.
 */
export function refusalOf(status: number, body: unknown, technical: string): Problem {
  if (status === 0) return { kind: 'network', technical }
  const { reason, detail } = problemDocument(body)
  return {
    ...{ kind: 'licence', status, technical },
    ...(typeof reason === 'string' && { reason }),
    ...(typeof detail === 'string' && { detail }),
  }
}

function problemDocument(body: unknown): { readonly reason?: unknown; readonly detail?: unknown } {
  try {
    const text = body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? new TextDecoder().decode(body) : body
    const document: unknown = typeof text === 'string' ? JSON.parse(text) : text
    return typeof document === 'object' && document !== null ? document : {}
  } catch {
    // No JSON: another server's page, of which the status is all there is to tell.
    return {}
  }
}

/** Whether another token may help: then it makes no sense to try again with this one. */
export function wantsToken({ kind, status, reason }: Problem): boolean {
  if (kind !== 'licence') return false
  if (reason === undefined) return status === 401 || status === 403
  return (
    /^(?:token|algorithm|critical|signature|issuer|audience|claim|key-id)-/.test(reason) ||
    reason === 'verification-key-unknown'
  )
}

/** A playlist without the raw keys that stand beside ClearKey for other players: the engine would take those first, and can't decrypt fMP4 with them. */
export function withoutIdentity(playlist: string): string {
  if (!playlist.includes('KEYFORMAT="org.w3.clearkey"')) return playlist
  return playlist.replace(/^#EXT-X-KEY:.*KEYFORMAT="identity".*\r?\n/gm, '')
}
