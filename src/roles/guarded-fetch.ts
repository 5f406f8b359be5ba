import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pinned } from '../events/webhook-sender.ts'
import type { TargetAddress, WebhookTargets } from '../events/webhook-target.ts'
import { AppError } from '../lib/errors.ts'
import { request as httpRequest } from '../lib/http.ts'

const MAX_HEADER_BYTES = 16_384

/** Fetches documents from addresses that may be asked, as webhooks are posted: to the addresses that were checked, following no redirect. */
export class GuardedFetch {
  readonly #targets: Pick<WebhookTargets, 'addresses'>

  constructor(targets: Pick<WebhookTargets, 'addresses'>) {
    this.#targets = targets
  }

  /** @throws AppError `TARGET_REFUSED`, `LIMIT_EXCEEDED`; what the connection throws; the signal's reason */
  async text(
    url: string,
    { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<string> {
    const target = new URL(url)
    const addresses = await this.#targets.addresses(target, signal)
    return exchange(target, addresses, maxBytes, signal)
  }
}

function exchange(
  url: URL,
  addresses: readonly TargetAddress[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const begin = url.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = { Accept: 'application/json', 'User-Agent': 'Headend' }
  const request = begin(url, {
    headers,
    agent: false,
    lookup: pinned(addresses),
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  })
  // An abort comes as an error of its own, whose cause says why.
  request.on('error', (error) => reject(signal.aborted ? signal.reason : error))
  request.once('close', () => reject(new Error('the connection was closed')))
  request.once('response', (response: IncomingMessage) => {
    if (response.statusCode !== 200) {
      response.destroy()
      reject(new Error(`it answers ${response.statusCode}`))
      return
    }
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
    response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
  })
  request.end()
  return promise
}
