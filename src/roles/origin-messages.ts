import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode } from '../lib/errors.ts'
import type { LogLevel } from '../lib/logger.ts'
import type { OriginLimits } from '../origin/origin-server.ts'
import type { OriginCounts } from '../telemetry/origin-counts.ts'
import type { TlsMaterial } from './tls-files.ts'

/** What an origin thread is started with. */
export type OriginThreadData = {
  readonly thread: number
  readonly host: string
  /** 0 for the first thread where any free port will do; the others are told which one that was. */
  readonly port: number
  readonly tls: TlsMaterial | undefined
  readonly limits: Partial<OriginLimits>
  /** Networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[]
  /** Decodes the pictures of thumbnails. */
  readonly ffmpegPath: string
  readonly logLevel: LogLevel
  /** The other end of the log's feed. */
  readonly feed: MessagePort
  /** The other end of what the node is asked through (`HouseCalls`). */
  readonly house: MessagePort
  readonly media: OriginMedia
  /** Absent: no keys are given out. */
  readonly keys?: OriginKeyOptions
}

/** How a thread gives out content keys. */
export type OriginKeyOptions = {
  /** How far the clocks of token issuers may be off. */
  readonly skewMs: number
  /** For fetching an issuer's keys, and how long those are good. */
  readonly issuerTimeoutMs: number
  readonly issuerFreshMs: number
  /** Whether issuers may be at private and local addresses. */
  readonly allowPrivateIssuers: boolean
  /** For the whole of a request to an outside licence server. */
  readonly licenceTimeoutMs: number
  /** Whether licence servers may be at private and local addresses. */
  readonly allowPrivateLicenceServers: boolean
  /** Scheme and host of where players get them; absent: as the manifest. */
  readonly publicUrl?: string
  /** Of one address, in each thread. */
  readonly requests: { readonly count: number; readonly windowMs: number }
}

/** From where, and within which bounds, a thread reads what is not in memory. */
export type OriginMedia = {
  readonly directory: string
  readonly allowPrivateEndpoints: boolean
  readonly allowServerCredentials: boolean
  /** Of segments that were read. */
  readonly cacheBytes: number
  /** Of the tables of published files, and of segments that were made of them. */
  readonly fileCacheBytes: number
}

/** To an origin thread. */
export type OriginCommand =
  | { readonly kind: 'stop' }
  /** Take no new connections. */
  | { readonly kind: 'unlisten' }
  /** Take no new connections, go on for those that there are, each for one more answer and no longer than that; then stop. */
  | { readonly kind: 'drain'; readonly forMs: number }
  | { readonly kind: 'tls'; readonly tls: TlsMaterial }

/** From an origin thread. */
export type OriginReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'unlistened' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'counts'; readonly counts: OriginCounts }
