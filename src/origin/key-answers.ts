import type { IncomingMessage } from 'node:http'
import type { AccountRules } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'
import { type Answer, problemAnswer } from './answer.ts'
import { allowedOrigin, type EndpointGate } from './endpoint-rules.ts'
import type { KeyDesk } from './ports.ts'
import { methodNotAllowed } from './problem.ts'

const PREFLIGHT: readonly string[] = [
  ...['Allow', 'GET, HEAD, POST, OPTIONS'],
  ...['Access-Control-Allow-Methods', 'GET, HEAD, POST, OPTIONS'],
  ...['Access-Control-Allow-Headers', '*, Authorization, Content-Type, SOAPAction'],
  ...['Access-Control-Max-Age', '86400'],
  ...['Vary', 'Access-Control-Request-Headers'],
]
const preflight: Answer = { status: 204, headers: PREFLIGHT, chunks: [], sizeBytes: 0 }

/** Whether a request is for key delivery, whatever comes of it. */
export function isKeyTarget(url = ''): boolean {
  return pathAndQuery(url).toLowerCase().startsWith('/keys/')
}

/** Of origin form and, as proxies send it, of absolute form (RFC 9112 §3.2). */
function pathAndQuery(url: string): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '')
}

/** A request for keys, and what its account's endpoints are looked up by. */
export type KeyVisit = {
  readonly request: IncomingMessage
  readonly address: string
  readonly gate: Pick<EndpointGate, 'enter'>
  /** Absent: no account has any rules. */
  readonly rulesOf: ((accountId: string) => AccountRules | undefined) | undefined
}

/**
 * The answer to a request for keys: never kept by anybody, for the pages that the endpoint of the key's account allows, where the endpoint runs,
 * has that host and lets the address in.
 * @throws AppError `URL_UNKNOWN`
 */
export async function keyAnswer({ request, address, gate, rulesOf }: KeyVisit, desk: KeyDesk): Promise<Answer> {
  const { method = '', headers } = request
  if (method === 'OPTIONS') return preflight
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    return problemAnswer({ ...methodNotAllowed, detail: 'Use GET, HEAD, POST or OPTIONS.' })
  let allowOrigin: string | null | undefined
  const answer = await desk.answer({
    method,
    target: pathAndQuery(request.url ?? ''),
    authorization: headers.authorization,
    contentType: headers['content-type'],
    address,
    ...(rulesOf && {
      entry(accountId: string) {
        const found = gate.enter(rulesOf(accountId), request, address)
        if (typeof found === 'string') return found
        // Of several keys, the page has to be one that each allows.
        const allowed = allowedOrigin(found, request)
        if (allowOrigin !== null) allowOrigin = allowed ?? allowOrigin
        if (allowed === null) allowOrigin = null
        return undefined
      },
    }),
    body: (maxBytes) => readBody(request, maxBytes),
  })
  if (!answer) {
    throw new AppError(
      'URL_UNKNOWN',
      'Keys are at /keys/{delivery}/{kid}; a delivery is aes128, clearkey, widevine, playready or fairplay.',
    )
  }
  const { status, body } = answer
  const made = { status, headers: answer.headers, chunks: [body], sizeBytes: body.byteLength }
  return allowOrigin === undefined ? made : { ...made, allowOrigin }
}

/** Without ending the connection where it is too much: that is for the answer to do. The listener cuts what takes too long. */
function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let leftBytes = maxBytes
  return new Promise((resolve) => {
    request.on('data', (chunk: Uint8Array) => {
      leftBytes -= chunk.byteLength
      if (leftBytes >= 0) chunks.push(chunk)
      else resolve(undefined)
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    // A client that goes away in the middle has not asked for anything.
    request.once('error', () => resolve(undefined))
    request.once('close', () => resolve(undefined))
  })
}
