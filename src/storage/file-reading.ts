import { close, constants, open, read, readlinkSync } from 'node:fs'
import { type FileHandle, open as openHandle, realpath } from 'node:fs/promises'
import { type BlobRead, MAX_READ_BYTES } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { errnoOf, ignoreMissing } from './file-errors.ts'

/** Links are refused, and pipes and devices hold nobody up. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** How many bytes a range has. @throws AppError `STORE_INPUT_INVALID` for one that is none, or more than one read may ask for */
export function readSize(name: string, { first, last }: ByteRange): number {
  const size = last - first + 1
  if (Number.isSafeInteger(first) && first >= 0 && size > 0 && size <= MAX_READ_BYTES) return size
  throw new AppError('STORE_INPUT_INVALID', `Bytes ${first} to ${last} of ${name} can't be read at once.`)
}

/** A blob that ends before what was asked of it. */
export function truncated(name: string, { first, last }: ByteRange, sizeBytes?: number): AppError {
  const size = sizeBytes === undefined ? 'ends before' : `has ${sizeBytes} bytes: that is less than`
  return new AppError('BLOB_TRUNCATED', `The blob ${name} ${size} what was asked for (bytes ${first} to ${last}).`, {
    details: { name, first, last, ...(sizeBytes !== undefined && { sizeBytes }) },
  })
}

/**
 * That what was opened lies where it was looked for: no link led elsewhere. Linux tells it of the descriptor, from memory, in
 * two microseconds.
 *
 * @throws AppError `STORAGE_DOWN`
 */
async function assertNotLinked(descriptor: number, path: string): Promise<void> {
  const real = descriptorPath(descriptor) ?? (await realpath(path))
  if (real === path || real === `${path} (deleted)`) return
  throw new AppError('STORAGE_DOWN', `${path} is no blob of ours: a link leads to ${real}.`)
}

function descriptorPath(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // Another system, or none of it is mounted.
    return undefined
  }
}

/** Opens a file to read; the plain callbacks cost a third of what a `FileHandle` does. */
function openFile(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, READ_FLAGS, (error, descriptor) => (error ? reject(error) : resolve(descriptor)))
  })
}

function closeFile(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    close(descriptor, (error) => (error ? reject(error) : resolve()))
  })
}

function fill(descriptor: number, into: Uint8Array, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const next = (filled: number) => {
      read(descriptor, into, filled, into.byteLength - filled, from + filled, (error, count) => {
        if (error) reject(error)
        else if (count === 0 || filled + count === into.byteLength) resolve(filled + count)
        else next(filled + count)
      })
    }
    next(0)
  })
}

/**
 * The bytes of a range of a file, whose path has no links in it; `undefined` where there is none, or no plain one.
 *
 * @throws AppError `BLOB_TRUNCATED` where it ends too early; what the operating system says
 */
export async function readFileRange(
  path: string,
  name: string,
  range: ByteRange,
  take: (sizeBytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
): Promise<Uint8Array | undefined> {
  const size = readSize(name, range)
  const descriptor = await openFile(path).catch(ignoreMissing)
  if (descriptor === undefined) return undefined
  try {
    await assertNotLinked(descriptor, path)
    // Every byte of it is written, or it is not given to anybody: it needn't be cleared first.
    const bytes = take(size)
    const count = await fill(descriptor, bytes, range.first)
    if (count < size) throw truncated(name, range)
    return bytes
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return undefined
    throw error
  } finally {
    await closeFile(descriptor)
  }
}

const STREAM_CHUNK_BYTES = 262_144

/** A file, or a range of it, as a stream; `undefined` where there is none. `onEnd` is called once when nothing more is read. */
export async function streamFile(
  path: string,
  name: string,
  range: ByteRange | undefined,
  onEnd: () => void,
  signal: AbortSignal | undefined,
): Promise<BlobRead | undefined> {
  const handle = await openHandle(path, READ_FLAGS).catch(ignoreMissing)
  if (handle === undefined) return undefined
  const stat = await statOf(handle, path).catch(async (error: unknown) => {
    await handle.close()
    throw error
  })
  if (!stat.isFile() || (range && range.last >= stat.size)) {
    await handle.close()
    if (!range || !stat.isFile()) return undefined
    throw truncated(name, range, stat.size)
  }
  const span = range ? { start: range.first, end: range.last } : {}
  const stream = handle.createReadStream({ ...span, highWaterMark: STREAM_CHUNK_BYTES, ...(signal && { signal }) })
  stream.once('close', onEnd)
  // Whoever reads hears of it as well; before anybody does, a failure must not be one that nobody listens to.
  stream.on('error', () => undefined)
  return { sizeBytes: stat.size, stream }
}

async function statOf(handle: FileHandle, path: string) {
  await assertNotLinked(handle.fd, path)
  return handle.stat()
}
