import type { TakeMemory } from '../lib/buffer-pool.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'

/** Bytes that are asked of a file at once, at most. */
export const MAX_READ = 16 * 1024 * 1024

/** A file of an asset, wherever it is stored. Its bytes stay what they are for as long as this object is used. */
export type SourceFile = {
  /** What the operator calls it; stands in errors. */
  readonly name: string
  readonly sizeBytes: number
  /**
   * The bytes of a range that lies within the file and is at most `MAX_READ` long; what is given is never written again.
   * Rejects with the signal's reason when that is aborted first. It may be read into memory that `take` gives.
   */
  read(range: ByteRange, signal: AbortSignal, take?: TakeMemory): Promise<Uint8Array>
}

/**
 * `sizeBytes` bytes from `first` on, of which any number may be asked for.
 *
 * @throws FormatError at `path` where the file ends before; AppError `BLOB_TRUNCATED` where storage gives another number of bytes
 */
export async function readBytes(
  file: SourceFile,
  first: number,
  sizeBytes: number,
  path: string,
  signal: AbortSignal,
  take?: TakeMemory,
): Promise<Uint8Array> {
  if (first + sizeBytes > file.sizeBytes) {
    throw new FormatError(path, first, `${sizeBytes} bytes wanted, the file has ${file.sizeBytes}`)
  }
  if (sizeBytes === 0) return new Uint8Array(0)
  if (sizeBytes <= MAX_READ) return readOnce(file, first, sizeBytes, signal, take)
  const bytes = new Uint8Array(sizeBytes)
  for (let at = 0; at < sizeBytes; at += MAX_READ) {
    bytes.set(await readOnce(file, first + at, Math.min(MAX_READ, sizeBytes - at), signal), at)
  }
  return bytes
}

async function readOnce(
  file: SourceFile,
  first: number,
  sizeBytes: number,
  signal: AbortSignal,
  take?: TakeMemory,
): Promise<Uint8Array> {
  const bytes = await file.read({ first, last: first + sizeBytes - 1 }, signal, take)
  if (bytes.byteLength === sizeBytes) return bytes
  const text = `${bytes.byteLength} bytes of "${file.name}" instead of ${sizeBytes} from byte ${first} on.`
  throw new AppError('BLOB_TRUNCATED', text)
}
