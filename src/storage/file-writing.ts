import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { BlobSource } from '../domain/blob-storage.ts'
import { untilAborted } from './until-aborted.ts'

/** So often the disk is asked how much of it is free. */
const ROOM_CHECK_BYTES = 67_108_864
/** As many chunks as one call of the operating system takes (IOV_MAX). */
const CHUNKS_AT_ONCE = 1_024

/** Writes a new file and syncs it; gives its size. `assertRoom` is asked before it begins and every now and then. */
export async function writeNewFile(
  path: string,
  source: BlobSource,
  signal: AbortSignal | undefined,
  assertRoom: () => Promise<void>,
): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(path, flags, 0o600)
  try {
    const sizeBytes = await writeAll(handle, batchesOf(source, signal), signal, assertRoom)
    await handle.sync()
    signal?.throwIfAborted()
    return sizeBytes
  } finally {
    await handle.close()
  }
}

/** Chunks at hand go down together, those of a source as they come. */
function batchesOf(
  source: BlobSource,
  signal: AbortSignal | undefined,
): Iterable<readonly Uint8Array[]> | AsyncIterable<readonly Uint8Array[]> {
  if (isAtHand(source)) return batchesAtHand(source)
  return eachAlone(untilAborted(source, signal))
}

function isAtHand(source: BlobSource): source is readonly Uint8Array[] {
  return Array.isArray(source)
}

function* batchesAtHand(chunks: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  let batchBytes = 0
  for (const chunk of chunks) {
    batch.push(chunk)
    batchBytes += chunk.byteLength
    if (batch.length < CHUNKS_AT_ONCE && batchBytes < ROOM_CHECK_BYTES) continue
    yield batch
    batch = []
    batchBytes = 0
  }
  if (batch.length > 0) yield batch
}

async function* eachAlone(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  for await (const chunk of chunks) yield [chunk]
}

async function writeAll(
  handle: FileHandle,
  batches: Iterable<readonly Uint8Array[]> | AsyncIterable<readonly Uint8Array[]>,
  signal: AbortSignal | undefined,
  assertRoom: () => Promise<void>,
): Promise<number> {
  let sizeBytes = 0
  let nextCheck = 0
  for await (const batch of batches) {
    signal?.throwIfAborted()
    if (sizeBytes >= nextCheck) {
      await assertRoom()
      nextCheck = sizeBytes + ROOM_CHECK_BYTES
    }
    sizeBytes += await writeBatch(handle, batch)
  }
  return sizeBytes
}

/** Writes all of the chunks, however many calls the operating system makes of it. */
async function writeBatch(handle: FileHandle, batch: readonly Uint8Array[]): Promise<number> {
  let left = batch.filter(({ byteLength }) => byteLength > 0)
  let written = 0
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left as Uint8Array[])
    written += bytesWritten
    left = after(left, bytesWritten)
  }
  return written
}

function after(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let passed = bytes
  return chunks.flatMap((chunk) => {
    const skip = Math.min(passed, chunk.byteLength)
    passed -= skip
    return skip === chunk.byteLength ? [] : [skip === 0 ? chunk : chunk.subarray(skip)]
  })
}
