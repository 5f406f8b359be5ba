import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { scheduler } from 'node:timers/promises'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type Logger, silentLogger } from '../lib/logger.ts'
import { BlockingReload } from './blocking-reload.ts'
import { clientAddressBehind } from './client-address.ts'
import { ConformanceSampler } from './conformance-sampler.ts'
import { type Connections, trackConnections } from './connections.ts'
import { DeliveryKeys } from './delivery-keys.ts'
import { DownloadAnswers } from './download-answers.ts'
import { segmentsOf } from './download-segments.ts'
import { createListener, type Listener, type TlsCredentials } from './listener.ts'
import { LoadShedding } from './load-shedding.ts'
import { ManifestAnswers } from './manifest-answers.ts'
import { type Compress, ManifestCache } from './manifest-cache.ts'
import { PackagedSegments } from './packaged-segments.ts'
import type {
  FragmentReader,
  KeyDesk,
  KeySource,
  OriginObserver,
  PublicationReader,
  SegmentSource,
  TextReader,
} from './ports.ts'
import { ProviderSignals } from './provider-signals.ts'
import { PublishedAnswers } from './published-answers.ts'
import { RequestHandler } from './request-handler.ts'
import { SendBudget } from './send-budget.ts'
import { TextAnswers } from './text-answers.ts'
import { type PictureMaker, ThumbnailAnswers } from './thumbnail-answers.ts'

/** Everything that the origin bounds. */
export type OriginLimits = {
  readonly connections: number
  /** Bytes of bodies on their way to all clients at once; past it, 503. */
  readonly inFlightBytes: number
  readonly manifestCacheBytes: number
  /** For segments in other containers than the stored one. */
  readonly packageCacheBytes: number
  /** Segments that are put into other containers at once; past it, 503. */
  readonly packagings: number
  /** How long what is to be done may wait for its turn; past it, some requests are answered 503. 0: none. */
  readonly maxDelayMs: number
  /** Requests that wait for what comes next: in all, and for one presentation; past that, 503. */
  readonly blockedRequests: number
  readonly blockedPerPresentation: number
  /** For pictures that were decoded. */
  readonly thumbnailCacheBytes: number
  /** For the indexes of recordings that are downloaded. */
  readonly downloadCacheBytes: number
  /** For a request's head, and for the whole request. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** For the next request on a connection, and for a connection on which nothing moves. */
  readonly keepAliveTimeoutMs: number
  readonly idleTimeoutMs: number
  /** An answer is cut after `sendGraceMs` and the time that its bytes take at `minBytesPerSecond`. */
  readonly sendGraceMs: number
  readonly minBytesPerSecond: number
  /** `max-age` of the manifests of what has ended: after that long a cache outside asks again. */
  readonly endedMaxAgeSeconds: number
  /** One answer in so many of a kind is held against the rules of the standards; 0: none. */
  readonly conformanceEvery: number
  /** How long `stop` lets running answers go on. */
  readonly stopGraceMs: number
}

/** What holds where the operator says nothing. */
export const defaultOriginLimits: OriginLimits = {
  connections: 10_000,
  inFlightBytes: 256 * 2 ** 20,
  manifestCacheBytes: 32 * 2 ** 20,
  packageCacheBytes: 64 * 2 ** 20,
  packagings: 64,
  // Whoever shares the thread with others would be refused for what those do; an origin thread is told the operator's limit.
  maxDelayMs: 0,
  blockedRequests: 20_000,
  blockedPerPresentation: 10_000,
  thumbnailCacheBytes: 16 * 2 ** 20,
  downloadCacheBytes: 64 * 2 ** 20,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  keepAliveTimeoutMs: 65_000,
  idleTimeoutMs: 90_000,
  sendGraceMs: 20_000,
  minBytesPerSecond: 16_384,
  endedMaxAgeSeconds: 60,
  conformanceEvery: 0,
  stopGraceMs: 5_000,
}

/** Where and how the origin listens. */
export type OriginOptions = {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Other threads listen on the same port. */
  readonly reusePort?: boolean
  readonly tls?: TlsCredentials
  readonly limits?: Partial<OriginLimits>
  /** Networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[]
  /** Scheme and host by which players reach the keys that are given here, without a slash at the end; absent: as the manifest. */
  readonly keysUrl?: string
}

/** What the origin needs of the rest of the house. */
export type OriginPorts = {
  readonly publications: PublicationReader
  readonly fragments: FragmentReader
  /** For downloads; where it is absent they read whole segments by `fragments`. */
  readonly segments?: SegmentSource
  /** Absent: no view has texts. */
  readonly texts?: TextReader
  readonly observer: OriginObserver
  readonly clock?: Clock
  readonly logger?: Logger
  /** Decodes pictures; absent: there are no thumbnails. */
  readonly pictures?: PictureMaker
  /** Gives out content keys; absent: nobody does. */
  readonly keys?: KeyDesk
  /** Opens content keys for media that they encrypt; absent: nothing is protected. */
  readonly contentKeys?: KeySource
  /** gzip of a manifest, where not the platform's own. */
  readonly compress?: Compress
}

/** The streaming endpoint: HTTP/1.1, and HTTP/2 beside it where there is a certificate. */
export class OriginServer {
  readonly #options: OriginOptions
  readonly #limits: OriginLimits
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #handler: RequestHandler
  readonly #listener: Listener
  readonly #sampler: ConformanceSampler | undefined
  readonly #connections: Connections
  readonly #reload: BlockingReload
  readonly #shedding: LoadShedding
  readonly #stopping = new AbortController()
  #closed: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: OriginOptions, ports: OriginPorts) {
    const { clock = systemClock, logger = silentLogger } = ports
    this.#options = options
    this.#limits = { ...defaultOriginLimits, ...options.limits }
    this.#clock = clock
    this.#logger = logger
    const { blockedRequests: total, blockedPerPresentation: perPresentation } = this.#limits
    this.#reload = new BlockingReload(ports.publications, clock, { total, perPresentation })
    this.#sampler = samplerOf(this.#limits.conformanceEvery, ports.observer, logger)
    this.#shedding = new LoadShedding(this.#limits.maxDelayMs, { observer: ports.observer, clock, logger })
    const segments = ports.segments ?? segmentsOf(ports.fragments)
    const cache = new ManifestCache(this.#limits.manifestCacheBytes, ports.compress)
    const keys = new DeliveryKeys(ports.contentKeys)
    const manifests = new ManifestAnswers(cache, {
      endedMaxAgeSeconds: this.#limits.endedMaxAgeSeconds,
      hasThumbnails: ports.pictures !== undefined,
      signals: new ProviderSignals(keys),
      keysUrl: options.keysUrl ?? '',
    })
    this.#handler = new RequestHandler(
      { publications: ports.publications, observer: ports.observer, clock, logger },
      {
        answers: new PublishedAnswers({
          downloads: new DownloadAnswers({ segments, clock }, this.#limits.downloadCacheBytes),
          manifests,
          texts: ports.texts && new TextAnswers(manifests, ports.texts),
          fragments: ports.fragments,
          packaged: new PackagedSegments(ports.fragments, this.#limits.packageCacheBytes, this.#limits.packagings),
          reload: this.#reload,
          keys,
          thumbnails:
            ports.pictures && new ThumbnailAnswers(segments, ports.pictures, this.#limits.thumbnailCacheBytes),
        }),
        sampler: this.#sampler,
        budget: new SendBudget(this.#limits.inFlightBytes),
        keys: ports.keys,
        addressOf: clientAddressBehind(options.trustedProxies ?? []),
        shedding: this.#shedding,
        sendGraceMs: this.#limits.sendGraceMs,
        minBytesPerSecond: this.#limits.minBytesPerSecond,
      },
    )
    this.#listener = createListener(options.tls, this.#limits, this.#onRequest)
    this.#listener.server.on('drop', () => this.#shedding.refused('connections'))
    this.#connections = trackConnections(this.#listener.server, options.tls !== undefined)
  }

  /** Requests that wait for what comes next. */
  get blockedRequests(): number {
    return this.#reload.waiting
  }

  /** Resolves with the port once requests are taken; rejects with `ADDRESS_IN_USE` where it is taken. */
  start(): Promise<{ readonly port: number }> {
    const { server } = this.#listener
    const { host, port, reusePort = false } = this.#options
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => reject(startError(cause, host, port)))
      server.listen({ host, port, reusePort }, () => {
        server.removeAllListeners('error')
        this.#shedding.start()
        server.on('error', (error) => this.#logger.error({ err: error }, 'the streaming listener failed'))
        resolve({ port: (server.address() as AddressInfo).port })
      })
    })
  }

  /** New connections use this certificate; those that there are go on with theirs. Throws `TLS_UNREADABLE`. */
  setTls(credentials: TlsCredentials): void {
    this.#listener.setTls(credentials)
  }

  /**
   * Takes no new connections; each that there is ends with its next answer, or when `forMs` are over, so that a client that is just asking is
   * answered. What waits goes on waiting that long. Then it stops; `stop` ends it early.
   */
  async drain(forMs: number): Promise<void> {
    // Before anybody is sent away, who would come back.
    await this.stopListening()
    const closed = this.#close()
    this.#handler.drain()
    this.#connections.endAfterAnswer()
    const early = AbortSignal.any([this.#stopping.signal, signalOf(closed)])
    // Stopped, or nobody left: that is what is waited for.
    await this.#clock.sleep(forMs, early).catch(() => undefined)
    await this.stop()
  }

  /** Takes no new connections, and goes on with those that there are. */
  async stopListening(): Promise<void> {
    // What the kernel has for a listener that is closed it resets: it is closed where it has just been emptied.
    await scheduler.yield()
    await scheduler.yield()
    void this.#close()
  }

  /** Takes nothing new, lets what runs finish for the grace, then cuts it. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Resolves when the last connection has ended. */
  #close(): Promise<void> {
    const { server } = this.#listener
    // HTTP's own close() takes a connection for idle as soon as its answer is queued, and cuts the answer short.
    this.#closed ??= new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
    return this.#closed
  }

  async #stop(): Promise<void> {
    const { server } = this.#listener
    this.#stopping.abort()
    this.#handler.drain()
    this.#reload.stop()
    await this.#shedding.stop()
    const closed = this.#close()
    this.#connections.drain()
    const cut = this.#clock.after(this.#limits.stopGraceMs, () => this.#connections.cut())
    await closed
    cut.cancel()
    await this.#sampler?.idle()
    // Nothing is left to be closed but the timer that looks for slow requests.
    server.close(() => undefined)
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const end = this.#connections.requestBegins(request)
    response.once('close', end)
    void this.#handler.handle(request, response)
  }
}

/** Aborted when the promise is fulfilled. */
function signalOf(done: Promise<void>): AbortSignal {
  const abort = new AbortController()
  void done.then(() => abort.abort())
  return abort.signal
}

function samplerOf(every: number, observer: OriginObserver, logger: Logger): ConformanceSampler | undefined {
  if (every === 0) return undefined
  return new ConformanceSampler({ every, violated: (rule) => observer.violated?.(rule), logger })
}

function startError(cause: Error, host: string, port: number): Error {
  const isTaken = 'code' in cause && cause.code === 'EADDRINUSE'
  if (!isTaken) return cause
  return new AppError('ADDRESS_IN_USE', `${host}:${port} is in use; choose another port for streaming`, { cause })
}
