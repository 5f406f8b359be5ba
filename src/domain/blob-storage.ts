import type { Readable } from 'node:stream'
import type { ByteRange } from '../lib/http-conditions.ts'

/** A blob as a list shows it. */
export type BlobInfo = { readonly name: string; readonly sizeBytes: number }

/** A blob that is being read: the size of the whole, and the bytes that were asked for. Whoever gets it reads or destroys it. */
export type BlobRead = { readonly sizeBytes: number; readonly stream: Readable }

/**
 * What is to be written: chunks that are at hand, which are not altered until the call is over, or a source of them that is read
 * in its turn. The first costs less, and a storage knows its size from the start.
 */
export type BlobSource = readonly Uint8Array[] | AsyncIterable<Uint8Array>

/** What ends a call early: it then rejects with the signal's reason. */
export type BlobCall = { readonly signal?: AbortSignal | undefined }

/** As `BlobCall`; `take` gives memory of just so many bytes that nobody else uses, whatever lay there before. */
export type BlobReadCall = BlobCall & { readonly take?: ((sizeBytes: number) => Uint8Array) | undefined }

/** The most that one `read` may ask for: it is held in memory. */
export const MAX_READ_BYTES = 268_435_456

/**
 * Where media is kept, as blobs that are written once and whole. A name is 1 to 8 parts with `/` between them, any text
 * in each that takes at most 240 bytes as a percent-encoded one; a part is never both a blob and what others lie under.
 * A name that is none is `STORE_INPUT_INVALID`. Every call may fail with `STORAGE_DOWN`, `STORAGE_FULL` or, where too much
 * is under way, `STORAGE_BUSY`.
 */
export type BlobStorage = {
  /**
   * Writes a blob, in place of one that was there: whole and durable when this resolves, not at all where it or the source
   * fails. What the source throws is thrown on as it is.
   */
  put(name: string, source: BlobSource, call?: BlobCall): Promise<{ readonly sizeBytes: number }>
  /**
   * The bytes of a range at once, both ends included and at most `MAX_READ_BYTES`; `undefined` where there is no such blob.
   * What is given is the caller's own; a storage that can reads into memory that `take` gives. `BLOB_TRUNCATED` where the blob ends before the range does.
   */
  read(name: string, range: ByteRange, call?: BlobReadCall): Promise<Uint8Array | undefined>
  /**
   * The same as a stream, or the whole blob, for what is large; `read` costs less. The range lies within the blob. A stream that
   * can't give all of it fails.
   */
  readRange(name: string, range: ByteRange | undefined, call?: BlobCall): Promise<BlobRead | undefined>
  /** Every blob under a folder (`''` for all of them) by its whole name, in the order of their UTF-8 bytes, from after `after` on. */
  list(folder: string, call?: BlobCall & { readonly after?: string }): AsyncIterable<BlobInfo>
  /** Where there is none, nothing happens. */
  delete(name: string, call?: BlobCall): Promise<void>
  /** Whether there was one to copy. */
  copy(from: string, to: string, call?: BlobCall): Promise<boolean>
}
