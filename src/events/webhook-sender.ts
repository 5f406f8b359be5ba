import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { request as httpRequest } from '../lib/http.ts'
import { timeLimit } from '../lib/time-limit.ts'
import { webhookSignature } from './webhook-signature.ts'
import type { TargetAddress, WebhookTargets } from './webhook-target.ts'

/** One attempt to post one event. */
export type WebhookPost = {
  readonly url: string
  readonly secret: string
  readonly eventId: string
  readonly eventType: string
  /** From 1. */
  readonly attempt: number
  readonly body: string
}

/** How an attempt ended; `status` is what the receiver answered, if it did. */
export type PostResult = {
  readonly outcome: 'delivered' | 'failed' | 'refused'
  readonly status?: number
  readonly detail: string
}

/** What posting needs of the rest of the house. */
export type SenderDeps = {
  readonly targets: WebhookTargets
  readonly clock: Clock
  /** For the whole of an attempt, name look-up included. */
  readonly timeoutMs: number
}

const MAX_ANSWER_BYTES = 65_536
const MAX_HEADER_BYTES = 16_384

/**
 * Posts events: signed, to the addresses that were checked and to no other, over TLS as the URL says (verified), following no
 * redirect. Whatever 2xx the receiver answers is a delivery; its body is read, up to 64 KiB, and ignored.
 */
export class WebhookSender {
  readonly #deps: SenderDeps

  constructor(deps: SenderDeps) {
    this.#deps = deps
  }

  /** Rejects, with the signal's reason, only when that is aborted; everything else is a result. */
  async post(post: WebhookPost, signal: AbortSignal): Promise<PostResult> {
    const { clock, targets, timeoutMs } = this.#deps
    const late = new AppError('PART_UNRESPONSIVE', `The receiver did not answer within ${timeoutMs / 1_000} s.`)
    const time = timeLimit(clock, timeoutMs, signal, late)
    try {
      const url = new URL(post.url)
      const addresses = await targets.addresses(url, time.signal)
      return resultOf(await exchange(url, addresses, this.#headers(post), post.body, time.signal))
    } catch (error) {
      signal.throwIfAborted()
      if (time.isOver) return { outcome: 'failed', detail: late.message }
      const isRefused = error instanceof AppError && error.code === 'TARGET_REFUSED'
      const detail = isRefused ? error.message : `The receiver could not be reached: ${reasonOf(error)}.`
      return { outcome: isRefused ? 'refused' : 'failed', detail }
    } finally {
      time.end()
    }
  }

  #headers(post: WebhookPost): Record<string, string> {
    return {
      'Content-Type': 'application/json',
      'Content-Length': String(Buffer.byteLength(post.body)),
      'User-Agent': 'Headend-Webhook',
      'Headend-Event-Id': post.eventId,
      'Headend-Event-Type': post.eventType,
      'Headend-Delivery-Attempt': String(post.attempt),
      'Headend-Signature': webhookSignature(post.secret, this.#deps.clock.now(), post.body),
    }
  }
}

/** A refused connection to several addresses is an error without a message around those of each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return messageOf(error)
}

function resultOf(status: number): PostResult {
  if (status >= 200 && status < 300) return { outcome: 'delivered', status, detail: `The receiver answered ${status}.` }
  const redirect = status >= 300 && status < 400 ? '; redirects are not followed' : ''
  return { outcome: 'failed', status, detail: `The receiver answered ${status}${redirect}.` }
}

/** Gives what has been resolved and checked before, whatever the name leads to by now. */
export function pinned(addresses: readonly TargetAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses
    if (options.all) callback(null, [...addresses])
    else callback(first ? null : new Error('there is no address'), first?.address ?? '', first?.family)
  }
}

/** The status of the answer. */
function exchange(
  url: URL,
  addresses: readonly TargetAddress[],
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const begin = url.protocol === 'https:' ? httpsRequest : httpRequest
  const options = { method: 'POST', headers, agent: false, lookup: pinned(addresses), maxHeaderSize: MAX_HEADER_BYTES }
  const request = begin(url, { ...options, signal })
  let status: number | undefined
  // Once there is a status it says whether the event was taken; what becomes of the rest of the answer doesn't change that.
  const end = (error: Error) => (status === undefined ? reject(error) : resolve(status))
  request.on('error', end)
  request.once('close', () => end(new Error('the connection was closed')))
  request.once('response', (response: IncomingMessage) => {
    status = response.statusCode ?? 0
    let sizeBytes = 0
    response.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length
      if (sizeBytes > MAX_ANSWER_BYTES) response.destroy()
    })
    response.on('error', end)
    response.once('close', () => end(new Error('the answer was closed')))
  })
  request.end(body)
  return promise
}
