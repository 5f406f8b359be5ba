import { AppError } from '../lib/errors.ts'
import type { LogRecord } from '../presentation/records.ts'

const BYTES = '$bytes'

/** A record as JSON, its byte arrays in base64. */
export function recordText(record: { readonly type: string }): string {
  return JSON.stringify(record, function (this: Record<string, unknown>, key, value: unknown) {
    // A `Buffer` has become something else by now.
    const bytes = this[key]
    return bytes instanceof Uint8Array ? { [BYTES]: Buffer.from(bytes).toString('base64') } : value
  })
}

/** The other way round. Whether it stands in a place where it may is for the presentation to say. @throws AppError `ARCHIVE_DAMAGED` */
export function parseRecord<T extends { readonly type: string } = LogRecord>(text: string): T {
  try {
    const value: unknown = JSON.parse(text, (_key, inner: unknown) => bytesOf(inner) ?? inner)
    if (typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string') {
      return value as T
    }
  } catch (cause) {
    throw new AppError('ARCHIVE_DAMAGED', 'A record of the archive is no JSON.', { cause })
  }
  throw new AppError('ARCHIVE_DAMAGED', 'A record of the archive has no type.')
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'object' || value === null || !(BYTES in value)) return undefined
  const base64 = value[BYTES]
  return typeof base64 === 'string' ? Uint8Array.from(Buffer.from(base64, 'base64')) : undefined
}
