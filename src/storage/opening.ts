import { Readable } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { TAG_BYTES } from '../protection/derived-key.ts'
import type { ChunkOpener } from '../protection/sealed-chunks.ts'

/** A sealed blob of which the header has been read. */
export type SealedBlob = {
  readonly name: string
  readonly opener: ChunkOpener
  /** How much it holds, going by its length. */
  readonly plainBytes: number
  readonly lastChunk: number
}

/** What is there is not what was sealed. */
export function tampered(name: string, what: string, cause?: unknown): AppError {
  const message = `The blob ${name} in storage is not what was written there, or under another key: ${what}.`
  return new AppError('STORAGE_TAMPERED', message, { ...(cause !== undefined && { cause }), details: { name } })
}

/** A chunk that doesn't open. */
export function tamperedChunk(name: string, chunk: number): AppError {
  return tampered(name, `chunk ${chunk} is not authentic`)
}

/** Which part of a blob a stream of whole sealed chunks holds. */
export type OpenedPart = { readonly firstChunk: number; readonly skipBytes: number; readonly wantedBytes: number }

/**
 * The content in a stream of sealed chunks. Nothing is given that hasn't been seen to be authentic, and the first chunk has been
 * when this resolves. The sealed stream is ended with what is given, or by a failure.
 *
 * @throws AppError `STORAGE_TAMPERED`; what the stream fails with
 */
export async function openStream(sealed: Readable, blob: SealedBlob, part: OpenedPart): Promise<Readable> {
  const pieces = openPieces(sealed, blob, part)
  let first: IteratorResult<Uint8Array>
  try {
    first = await pieces.next()
  } catch (error) {
    sealed.destroy()
    throw error
  }
  let next: Promise<IteratorResult<Uint8Array>> | undefined = Promise.resolve(first)
  const stream = new Readable({
    read() {
      const coming = next ?? pieces.next()
      next = undefined
      coming.then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      sealed.destroy()
      done(error)
    },
  })
  // Whoever reads hears of it as well; before anybody does, a failure must not be one that nobody listens to.
  stream.on('error', () => undefined)
  return stream
}

async function* openPieces(sealed: Readable, blob: SealedBlob, part: OpenedPart): AsyncGenerator<Uint8Array> {
  const { firstChunk, wantedBytes } = part
  let [index, skipBytes, left] = [firstChunk, part.skipBytes, wantedBytes]
  const open = (chunk: Uint8Array): Uint8Array => {
    const plain = blob.opener.open(index, index === blob.lastChunk, chunk)
    if (plain === undefined) throw tamperedChunk(blob.name, index)
    const wanted = plain.subarray(skipBytes, skipBytes + left)
    index += 1
    skipBytes = 0
    left -= wanted.byteLength
    return wanted
  }
  for await (const chunk of wholeChunks(sealed, blob.opener.chunkBytes + TAG_BYTES)) {
    const plain = open(chunk)
    if (plain.byteLength > 0) yield plain
  }
  if (left > 0 || index === firstChunk) throw tampered(blob.name, 'it ends too early')
}

/** Cuts a stream into pieces of one size; only the last is shorter. A piece is good until the next one is asked for. */
async function* wholeChunks(stream: Readable, sizeBytes: number): AsyncGenerator<Uint8Array> {
  const held = Buffer.allocUnsafeSlow(sizeBytes)
  let heldBytes = 0
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    for (let at = 0; at < piece.byteLength; ) {
      if (heldBytes === 0 && piece.byteLength - at >= sizeBytes) {
        yield piece.subarray(at, at + sizeBytes)
        at += sizeBytes
        continue
      }
      const count = Math.min(piece.byteLength - at, sizeBytes - heldBytes)
      held.set(piece.subarray(at, at + count), heldBytes)
      heldBytes += count
      at += count
      if (heldBytes === sizeBytes) {
        yield held
        heldBytes = 0
      }
    }
  }
  if (heldBytes > 0) yield held.subarray(0, heldBytes)
}
