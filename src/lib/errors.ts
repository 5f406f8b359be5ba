/** How the HTTP edge answers an error of this kind; nothing else turns a kind into a status. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'gone'
  | 'not-yet'
  | 'conflict'
  | 'precondition'
  | 'unavailable'
  | 'too-large'
  | 'too-many'
  | 'unsupported-type'
  | 'internal'

type ErrorSpec = { readonly kind: ErrorKind; readonly retryable: boolean }

/** The closed list of what can go wrong. A code is stable: clients and logs are matched on it, never on a message. */
export const errorCatalog = {
  ADDRESS_DENIED: { kind: 'forbidden', retryable: false },
  ADDRESS_IN_USE: { kind: 'conflict', retryable: true },
  ARCHIVE_DAMAGED: { kind: 'internal', retryable: false },
  BLOB_TRUNCATED: { kind: 'internal', retryable: false },
  CHANGES_GONE: { kind: 'gone', retryable: false },
  CLIP_EMPTY: { kind: 'conflict', retryable: false },
  CLIP_NOT_YET: { kind: 'conflict', retryable: true },
  CONFIG_INVALID: { kind: 'invalid', retryable: false },
  CONFIG_UNREADABLE: { kind: 'invalid', retryable: false },
  CURSOR_INVALID: { kind: 'invalid', retryable: false },
  DELIVERY_BLOCKED: { kind: 'forbidden', retryable: false },
  DOWNLOAD_NOT_YET: { kind: 'conflict', retryable: true },
  DOWNLOAD_UNSUPPORTED: { kind: 'conflict', retryable: false },
  ENTITY_EXISTS: { kind: 'conflict', retryable: false },
  ENTITY_INVALID: { kind: 'invalid', retryable: false },
  ENTITY_NOT_FOUND: { kind: 'not-found', retryable: false },
  ENTITY_PROTECTED: { kind: 'conflict', retryable: false },
  ETAG_MISMATCH: { kind: 'precondition', retryable: false },
  EVENTS_GONE: { kind: 'gone', retryable: false },
  FFMPEG_CRASHED: { kind: 'unavailable', retryable: true },
  FFMPEG_MISSING: { kind: 'unavailable', retryable: false },
  FFMPEG_TOO_OLD: { kind: 'unavailable', retryable: false },
  FILE_UNPLAYABLE: { kind: 'conflict', retryable: false },
  FORMAT_INVALID: { kind: 'invalid', retryable: false },
  IDEMPOTENCY_KEY_USED: { kind: 'conflict', retryable: false },
  INTERNAL: { kind: 'internal', retryable: false },
  IN_USE: { kind: 'conflict', retryable: false },
  KEY_PROVIDER_DOWN: { kind: 'unavailable', retryable: true },
  LIMIT_EXCEEDED: { kind: 'too-large', retryable: false },
  LADDER_INVALID: { kind: 'invalid', retryable: false },
  LIVE_EDGE_LATE: { kind: 'unavailable', retryable: true },
  MASTER_KEY_MISSING: { kind: 'conflict', retryable: false },
  MASTER_KEY_UNAVAILABLE: { kind: 'unavailable', retryable: true },
  MASTER_KEY_WRONG: { kind: 'unavailable', retryable: true },
  MEDIA_TYPE_UNSUPPORTED: { kind: 'unsupported-type', retryable: false },
  MEDIA_UNSUPPORTED: { kind: 'invalid', retryable: false },
  NAME_TAKEN: { kind: 'conflict', retryable: false },
  ORIGIN_BUSY: { kind: 'unavailable', retryable: true },
  ORIGIN_THREAD_DOWN: { kind: 'unavailable', retryable: true },
  PAGE_FOREIGN: { kind: 'forbidden', retryable: false },
  PART_UNRESPONSIVE: { kind: 'unavailable', retryable: true },
  PERMISSION_DENIED: { kind: 'forbidden', retryable: false },
  QUOTA_EXCEEDED: { kind: 'forbidden', retryable: false },
  RATE_LIMITED: { kind: 'too-many', retryable: true },
  REFERENCE_MISSING: { kind: 'conflict', retryable: false },
  REQUEST_INVALID: { kind: 'invalid', retryable: false },
  SEGMENT_GONE: { kind: 'gone', retryable: false },
  SEGMENT_NOT_YET: { kind: 'not-yet', retryable: true },
  SIGNATURE_INVALID: { kind: 'forbidden', retryable: false },
  STATE_CONFLICT: { kind: 'conflict', retryable: false },
  STATE_UNWRITABLE: { kind: 'unavailable', retryable: true },
  STOPPED: { kind: 'unavailable', retryable: false },
  STORAGE_BUSY: { kind: 'unavailable', retryable: true },
  STORAGE_DOWN: { kind: 'unavailable', retryable: true },
  STORAGE_FULL: { kind: 'unavailable', retryable: true },
  STORAGE_TAMPERED: { kind: 'unavailable', retryable: true },
  STORAGE_REFUSED: { kind: 'conflict', retryable: false },
  STORE_DOWN: { kind: 'unavailable', retryable: true },
  STORE_INPUT_INVALID: { kind: 'invalid', retryable: false },
  STORE_SCHEMA_NEWER: { kind: 'unavailable', retryable: false },
  TARGET_REFUSED: { kind: 'forbidden', retryable: true },
  TLS_UNREADABLE: { kind: 'invalid', retryable: false },
  UNAUTHENTICATED: { kind: 'unauthenticated', retryable: false },
  UPLOAD_INVALID: { kind: 'invalid', retryable: false },
  URL_INVALID: { kind: 'invalid', retryable: false },
  URL_UNKNOWN: { kind: 'not-found', retryable: false },
} as const satisfies Record<string, ErrorSpec>

/** A code of the catalogue. */
export type ErrorCode = keyof typeof errorCatalog

type AppErrorOptions = { readonly cause?: unknown; readonly details?: Readonly<Record<string, unknown>> }

/** Every error that Headend raises on purpose. `message` is a sentence for a person, `details` are fields for a log line. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.details = options.details ?? {}
  }

  get kind(): ErrorKind {
    return errorCatalog[this.code].kind
  }
}

/** Bytes that don't follow their format: `path` names the box, tag or field (`moov/trak[0]/stsd`), `offset` is in bytes. */
export class FormatError extends AppError {
  readonly path: string
  readonly offset: number

  constructor(path: string, offset: number, problem: string, options: { readonly cause?: unknown } = {}) {
    super('FORMAT_INVALID', `${path} at byte ${offset}: ${problem}`, { ...options, details: { path, offset } })
    this.name = 'FormatError'
    this.path = path
    this.offset = offset
  }
}

/** The message of anything that was thrown, for a log line or an answer. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
