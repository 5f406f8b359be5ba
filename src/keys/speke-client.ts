import type { KeyObject } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { timeLimit } from '../lib/time-limit.ts'
import { type CpixWish, writeCpixRequest } from './cpix/cpix-request.ts'
import { type CpixKey, readCpixResponse } from './cpix/cpix-response.ts'
import type { PostLicence } from './licence-proxy.ts'

/** Where a key provider is, and what is agreed with it. */
export type SpekeTerms = {
  readonly url: string
  /** For every request, those that say who we are among them. */
  readonly headers: Readonly<Record<string, string>>
  /** The protection systems whose signalling is wanted. */
  readonly systemIds: readonly string[]
  /** For whom answers are encrypted: DER in base64, and the key of it. Absent: keys come as TLS protects them. */
  readonly recipient?: { readonly certificate: string; readonly privateKey: KeyObject }
  readonly timeoutMs: number
}

/** What asking a key provider needs. */
export type SpekePorts = { readonly post: PostLicence; readonly clock: Clock }

const MAX_ANSWER_BYTES = 1_048_576

/** A client of SPEKE v2 ("Secure Packager and Encoder Key Exchange"), which exchanges CPIX 2.3 documents. */
export class SpekeClient {
  readonly #terms: SpekeTerms
  readonly #ports: SpekePorts

  constructor(terms: SpekeTerms, ports: SpekePorts) {
    this.#terms = terms
    this.#ports = ports
  }

  /**
   * The keys, in the order in which they are wished for, verified.
   * @throws AppError `KEY_PROVIDER_DOWN`; the signal's reason
   */
  async keys(wish: Pick<CpixWish, 'contentId' | 'keys'>, signal: AbortSignal): Promise<CpixKey[]> {
    const { systemIds, recipient } = this.#terms
    const whole = { ...wish, systemIds, ...(recipient && { certificate: recipient.certificate }) }
    try {
      return readCpixResponse(await this.#exchange(writeCpixRequest(whole), signal), whole, recipient?.privateKey)
    } catch (cause) {
      signal.throwIfAborted()
      const { host } = new URL(this.#terms.url)
      throw new AppError('KEY_PROVIDER_DOWN', `The key provider (${host}) gives no key: ${messageOf(cause)}.`, {
        cause,
      })
    }
  }

  async #exchange(document: string, signal: AbortSignal): Promise<string> {
    const { clock, post } = this.#ports
    const { url, headers, timeoutMs } = this.#terms
    const time = timeLimit(clock, timeoutMs, signal)
    try {
      const sent = {
        url,
        headers: { ...headers, 'Content-Type': 'application/xml', 'X-Speke-Version': '2.0', 'User-Agent': 'Headend' },
        body: Buffer.from(document),
      }
      const limits = { maxBytes: MAX_ANSWER_BYTES, signal: time.signal }
      const { status, body } = await post(sent, limits)
      if (status !== 200) throw new Error(`it answers ${status}`)
      return new TextDecoder('utf-8', { fatal: true }).decode(body)
    } finally {
      time.end()
    }
  }
}
