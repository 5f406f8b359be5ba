import type { Clock } from '../lib/clock.ts'

/** An S3 bucket, or a part of one, and how it is reached. */
export type S3Place = {
  /** Of a service other than AWS: `https://s3.example.com`. */
  readonly endpoint?: string | undefined
  readonly region: string
  readonly bucket: string
  /** What every key begins with, without a slash at either end. */
  readonly prefix?: string | undefined
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  readonly forcePathStyle?: boolean | undefined
}

/** An access key; without one the machine's own credentials are used, as the SDK finds them. */
export type S3Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

/** What bounds the use of one bucket. */
export type S3Limits = {
  readonly maxReads: number
  readonly maxWrites: number
  /** Deletions, copies and lists, apart from writes, which may last as long as somebody's upload. */
  readonly maxOthers: number
  readonly maxWaiting: number
  /** From the beginning of a request to its answer, and between two pieces of an answer. */
  readonly requestMs: number
  /** Bodies get time on top of that, as this slow a line would need it. */
  readonly minBytesPerSecond: number
  /** How often a request is made that fails for reasons that pass. */
  readonly attempts: number
  /** The wait before the second attempt; doubled from one to the next. */
  readonly firstDelayMs: number
  /** What one request writes: what is larger goes in parts of this size or, far on, larger ones. S3 takes no less than 5 MiB. */
  readonly partBytes: number
  /** The largest that one request copies (S3: 5 GiB), and the size of the parts in which the rest is. */
  readonly maxCopyBytes: number
  readonly copyPartBytes: number
}

/** The limits that stand unless others are given. */
export const S3_LIMITS: S3Limits = {
  maxReads: 64,
  maxWrites: 16,
  maxOthers: 32,
  maxWaiting: 512,
  requestMs: 10_000,
  minBytesPerSecond: 262_144,
  attempts: 4,
  firstDelayMs: 100,
  partBytes: 8_388_608,
  maxCopyBytes: 5_368_709_120,
  copyPartBytes: 1_073_741_824,
}

/** What an S3 storage is opened with: plain data, but for the clock. */
export type S3Options = {
  readonly place: S3Place
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined
  /** Whether the endpoint may have an address that is not public. */
  readonly allowPrivateEndpoint: boolean
  readonly clock?: Clock
  readonly limits?: Partial<S3Limits>
}
