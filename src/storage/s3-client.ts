import type { GetObjectCommandOutput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { assertPublicHost, publicLookup } from './endpoint-guard.ts'
import { isPassing, s3Error } from './s3-errors.ts'
import { S3_LIMITS, type S3Limits, type S3Options } from './s3-settings.ts'

/** The SDK's module. It takes 40 MB of memory and 0.1 s to load: only where there is an S3 storage. */
export type Sdk = typeof import('@aws-sdk/client-s3')

/** One attempt at a request: `send` with the signal that ends it. */
export type Attempt<T> = (client: S3Client, sdk: Sdk, signal: AbortSignal) => Promise<T>

/** How a request is made. */
export type RequestOptions = {
  readonly signal?: AbortSignal | undefined
  /** What is sent or given back: it gets the time that it needs. */
  readonly bodyBytes?: number
  /** Time on top of that, for what takes the service long. */
  readonly extraMs?: number
}

/** What an object's body is in Node. */
export type ObjectBody = NonNullable<GetObjectCommandOutput['Body']>

const CONNECT_MS = 3_000
const LONGEST_DELAY_MS = 5_000
const IDLE_SOCKETS = 16

/** Makes requests to one bucket: each with a deadline, a bounded number of attempts, and errors in the catalogue's terms. */
export class S3Requests {
  readonly limits: S3Limits
  readonly clock: Clock
  readonly #options: S3Options
  #opening: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined

  constructor(options: S3Options) {
    this.#options = options
    this.limits = { ...S3_LIMITS, ...options.limits }
    this.clock = options.clock ?? systemClock
  }

  /** @throws AppError, or the signal's reason */
  async request<T>(doing: string, attempt: Attempt<T>, options: RequestOptions = {}): Promise<T> {
    const { signal, bodyBytes = 0, extraMs = 0 } = options
    const { requestMs, minBytesPerSecond, attempts, firstDelayMs } = this.limits
    const deadlineMs = requestMs + extraMs + (bodyBytes * 1_000) / minBytesPerSecond
    for (let count = 1; ; count += 1) {
      signal?.throwIfAborted()
      try {
        const { sdk, client } = await this.#open()
        return await this.within(deadlineMs, signal, (ending) => attempt(client, sdk, ending))
      } catch (error) {
        signal?.throwIfAborted()
        if (count >= attempts || !isPassing(error)) throw s3Error(error, doing)
        const delayMs = Math.min(LONGEST_DELAY_MS, firstDelayMs * 2 ** (count - 1))
        await this.clock.sleep(delayMs * (0.5 + Math.random() / 2), signal)
      }
    }
  }

  /** Gives the work so long; it is told when the time is up or the signal aborted, and not waited for. */
  async within<T>(
    deadlineMs: number,
    signal: AbortSignal | undefined,
    work: (ending: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const ending = new AbortController()
    const { promise: ended, reject } = Promise.withResolvers<never>()
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason), { once: true })
    const onAbort = () => ending.abort(signal?.reason)
    const late = Object.assign(new Error(`no answer within ${Math.round(deadlineMs)} ms`), { code: 'ETIMEDOUT' })
    const timer = this.clock.after(deadlineMs, () => ending.abort(late))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([work(ending.signal), ended])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Closes its connections; what is under way fails. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined)
    opened?.client.destroy()
    this.#opening = undefined
  }

  #open() {
    this.#opening ??= import('@aws-sdk/client-s3').then((sdk) => ({
      sdk,
      client: new sdk.S3Client(clientConfig(this.#options, this.limits)),
    }))
    // What can't be loaded or configured now may be another time.
    this.#opening.catch(() => {
      this.#opening = undefined
    })
    return this.#opening
  }
}

function clientConfig({ place, credentials, allowPrivateEndpoint }: S3Options, limits: S3Limits): S3ClientConfig {
  if (place.endpoint !== undefined && !allowPrivateEndpoint) assertPublicHost(place.endpoint)
  const agent = {
    keepAlive: true,
    maxSockets: limits.maxReads + limits.maxWrites + limits.maxOthers,
    maxFreeSockets: IDLE_SOCKETS,
    ...(!allowPrivateEndpoint && { lookup: publicLookup }),
  }
  return {
    region: place.region,
    ...(place.endpoint !== undefined && { endpoint: place.endpoint }),
    ...(credentials && { credentials }),
    forcePathStyle: place.forcePathStyle ?? false,
    // Attempts are ours to count, on a clock of ours.
    maxAttempts: 1,
    // Bodies are covered by the signature; checksums beside it are more than many services understand.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    requestHandler: { connectionTimeout: CONNECT_MS, httpAgent: agent, httpsAgent: agent },
  }
}

/** That a body came back at all. @throws AppError `STORAGE_DOWN` */
export function bodyOf(body: ObjectBody | undefined, name: string): AsyncIterable<Uint8Array> & { destroy(): void } {
  if (body && Symbol.asyncIterator in body && 'destroy' in body) {
    return body as unknown as AsyncIterable<Uint8Array> & { destroy(): void }
  }
  throw new AppError('STORAGE_DOWN', `The object store gave no content for ${name}.`)
}
