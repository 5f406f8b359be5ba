import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { type Answer, problemAnswer } from './answer.ts'
import type { KeyDesk } from './ports.ts'
import { methodNotAllowed } from './problem.ts'

/** A licence request has a handful of KIDs. */
const MAX_BODY_BYTES = 16_384

const PREFLIGHT: readonly string[] = [
  ...['Allow', 'GET, HEAD, POST, OPTIONS'],
  ...['Access-Control-Allow-Methods', 'GET, HEAD, POST, OPTIONS'],
  ...['Access-Control-Allow-Headers', '*, Authorization, Content-Type'],
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

/** The answer to a request for keys: never kept by anybody, for pages of any origin. @throws AppError `URL_UNKNOWN` */
export async function keyAnswer(request: IncomingMessage, desk: KeyDesk): Promise<Answer> {
  const { method = '', headers } = request
  if (method === 'OPTIONS') return preflight
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    return problemAnswer({ ...methodNotAllowed, detail: 'Use GET, HEAD, POST or OPTIONS.' })
  const answer = await desk.answer({
    method,
    target: pathAndQuery(request.url ?? ''),
    authorization: headers.authorization,
    address: request.socket.remoteAddress ?? '',
    body: () => readBody(request),
  })
  if (!answer) throw new AppError('URL_UNKNOWN', 'Keys are at /keys/aes128/{kid} and /keys/clearkey.')
  const { status, body } = answer
  return { status, headers: answer.headers, chunks: [body], sizeBytes: body.byteLength }
}

/** Without ending the connection where it is too much: that is for the answer to do. The listener cuts what takes too long. */
function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let leftBytes = MAX_BODY_BYTES
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
