import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pinned } from '../events/webhook-sender.ts'
import type { TargetAddress, WebhookTargets } from '../events/webhook-target.ts'
import { AppError } from '../lib/errors.ts'
import { request as httpRequest } from '../lib/http.ts'

const MAX_HEADER_BYTES = 16_384

/** What is sent. */
export type GuardedRequest = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Absent: GET. */
  readonly body?: Uint8Array
}

/** What is answered. */
export type GuardedReply = {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: Uint8Array
}

/** How much may be answered, and until when. */
export type GuardedLimits = { readonly maxBytes: number; readonly signal: AbortSignal }

/** Asks at addresses that may be asked, as webhooks are posted: at the addresses that were checked, following no redirect. */
export class GuardedFetch {
  readonly #targets: Pick<WebhookTargets, 'addresses'>

  constructor(targets: Pick<WebhookTargets, 'addresses'>) {
    this.#targets = targets
  }

  /** A document. @throws AppError `TARGET_REFUSED`, `LIMIT_EXCEEDED`; what the connection throws; the signal's reason */
  async text(url: string, limits: GuardedLimits): Promise<string> {
    const { status, body } = await this.exchange(
      { url, headers: { Accept: 'application/json', 'User-Agent': 'Headend' } },
      limits,
    )
    if (status !== 200) throw new Error(`it answers ${status}`)
    return Buffer.from(body).toString('utf8')
  }

  /** An answer, whatever its status. @throws AppError as `text` */
  async exchange({ url, ...request }: GuardedRequest, limits: GuardedLimits): Promise<GuardedReply> {
    const target = new URL(url)
    const addresses = await this.#targets.addresses(target, limits.signal)
    return exchange(target, request, addresses, limits)
  }
}

function exchange(
  url: URL,
  { headers, body }: Omit<GuardedRequest, 'url'>,
  addresses: readonly TargetAddress[],
  { maxBytes, signal }: GuardedLimits,
): Promise<GuardedReply> {
  const { promise, resolve, reject } = Promise.withResolvers<GuardedReply>()
  const begin = url.protocol === 'https:' ? httpsRequest : httpRequest
  const request = begin(url, {
    method: body ? 'POST' : 'GET',
    headers: body ? { ...headers, 'Content-Length': String(body.byteLength) } : headers,
    agent: false,
    lookup: pinned(addresses),
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  })
  // An abort comes as an error of its own, whose cause says why.
  request.on('error', (error) => reject(signal.aborted ? signal.reason : error))
  request.once('close', () => reject(new Error('the connection was closed')))
  request.once('response', (response: IncomingMessage) => {
    const chunks: Buffer[] = []
    let leftBytes = maxBytes
    response.on('data', (chunk: Buffer) => {
      leftBytes -= chunk.byteLength
      chunks.push(chunk)
      if (leftBytes >= 0) return
      reject(new AppError('LIMIT_EXCEEDED', `it answers with more than ${maxBytes} bytes`))
      response.destroy()
    })
    response.on('error', (error) => reject(signal.aborted ? signal.reason : error))
    response.once('end', () => {
      // One that is cut off in the middle ends too.
      if (!response.complete) return reject(new Error('the answer was cut off'))
      resolve({
        status: response.statusCode ?? 0,
        contentType: response.headers['content-type'],
        body: Buffer.concat(chunks),
      })
    })
  })
  request.end(body)
  return promise
}
