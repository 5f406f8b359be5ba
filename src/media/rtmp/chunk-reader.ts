import { BufferPool } from '../../lib/buffer-pool.ts'
import { AppError, FormatError } from '../../lib/errors.ts'
import { type ChunkStream, NOTHING, newChunkStream } from './chunk-stream.ts'
import { DEFAULT_CHUNK_SIZE } from './chunk-writer.ts'

/**
 * Takes a whole message. `payload` is its own memory, which nobody writes to until it is given back to the pool it came from, or ever;
 * times roll over at 2^32 ms.
 */
export type MessageHandler = (type: number, timestampMs: number, streamId: number, payload: Uint8Array) => void

/** What a peer may make the reader hold. They may be changed between two pushes, and by a handler. */
export type ChunkLimits = {
  maxChunkStreams: number
  /** Length of one message. */
  maxMessageBytes: number
  /** Memory of all unfinished messages together. */
  maxPartialBytes: number
}

const EXTENDED = 0xffffff
const MAX_HEADER_BYTES = 18

/** Up to here a message's memory is allocated at once; a longer one grows as it comes, so that lies cost nothing. */
const FIRST_ALLOCATION_BYTES = 65_536

/** Message header bytes after the basic header, by chunk type (Adobe RTMP 1.0 §5.3.1.2). */
const messageHeaderBytes = (format: number): number => (format === 0 ? 11 : format === 1 ? 7 : format === 2 ? 3 : 0)

const u24 = (b: Uint8Array, p: number): number =>
  ((b[p] as number) << 16) | ((b[p + 1] as number) << 8) | (b[p + 2] as number)

const u32 = (b: Uint8Array, p: number): number => (((b[p] as number) << 24) | u24(b, p + 1)) >>> 0

/**
 * Puts messages together from chunks (Adobe RTMP 1.0 §5.3), which may come in pieces of any size. Payload bytes are copied
 * once, into the message's own memory; nothing is made per chunk.
 *
 * Encoders differ in repeating an extended timestamp on type 3 chunks: the bytes there are compared with it, at the first
 * type 3 chunk of each message.
 */
export class ChunkReader {
  readonly limits: ChunkLimits
  readonly #handle: MessageHandler
  readonly #pool: BufferPool
  readonly #streams = new Map<number, ChunkStream>()
  readonly #carry = Buffer.alloc(MAX_HEADER_BYTES)
  #carried = 0
  #chunkSize = DEFAULT_CHUNK_SIZE
  #current: ChunkStream | undefined
  #chunkLeft = 0
  #partialBytes = 0
  #offset = 0
  #stopped = false

  /** `pool`: where the messages' memory is taken from. */
  constructor(limits: ChunkLimits, handle: MessageHandler, pool: BufferPool = new BufferPool()) {
    this.limits = limits
    this.#handle = handle
    this.#pool = pool
  }

  /** Memory that unfinished messages hold now, in bytes. */
  get partialBytes(): number {
    return this.#partialBytes
  }

  /** Takes effect from the next chunk on (§5.4.1); already checked to be 1 or more. */
  setChunkSize(sizeBytes: number): void {
    this.#chunkSize = sizeBytes
  }

  /** Forgets the unfinished message of a chunk stream (§5.4.2). */
  abort(chunkStreamId: number): void {
    const stream = this.#streams.get(chunkStreamId)
    if (stream) this.#discard(stream)
  }

  /** No further message is handed on, not even from the bytes of the push that is under way. */
  stop(): void {
    this.#stopped = true
    this.#streams.clear()
    this.#current = undefined
    this.#partialBytes = 0
  }

  /**
   * Eats bytes and hands on the messages that they complete. Broken chunks are a `FormatError`, a passed limit an
   * `AppError` `LIMIT_EXCEEDED` with its name in `details.limit`; the reader is of no use after either.
   */
  push(bytes: Uint8Array): void {
    const source = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    while (at < source.length && !this.#stopped) {
      if (this.#chunkLeft > 0) {
        at += this.#copyPayload(source, at)
        continue
      }
      if (this.#carried > 0) {
        this.#carry[this.#carried++] = source[at++] as number
        this.#resume()
        continue
      }
      const used = this.#readHeader(source, at, source.length)
      if (used === 0) {
        this.#carried = source.copy(this.#carry, 0, at, source.length)
        at = source.length
      } else {
        at += used
      }
    }
    this.#offset += source.length
  }

  /** Tries the header that came in pieces. What turns out to be payload behind it is eaten as such. */
  #resume(): void {
    const used = this.#readHeader(this.#carry, 0, this.#carried)
    if (used === 0) return
    const rest = Buffer.from(this.#carry.subarray(used, this.#carried))
    this.#carried = 0
    this.#offset -= rest.length
    if (rest.length > 0) this.push(rest)
  }

  /** Reads the header at `at` if it is all there, and gives its length; 0 asks for more bytes and has changed nothing. */
  #readHeader(b: Buffer, at: number, end: number): number {
    const first = b[at] as number
    const format = first >> 6
    const low = first & 0x3f
    const basicBytes = low === 0 ? 2 : low === 1 ? 3 : 1
    const p = at + basicBytes
    const body = p + messageHeaderBytes(format)
    if (body > end) return 0
    const id =
      low > 1 ? low : low === 0 ? 64 + (b[at + 1] as number) : 64 + (b[at + 1] as number) + (b[at + 2] as number) * 256
    if (format === 3) return this.#readType3(this.#known(id), b, p, at, end)
    const field = u24(b, p)
    const next = field === EXTENDED ? body + 4 : body
    if (next > end) return 0
    const value = field === EXTENDED ? u32(b, body) : field
    const stream = format === 2 ? this.#known(id) : this.#opened(id)
    // A header that starts a message while one is unfinished: the sender gave that one up.
    if (stream.inMessage) this.#discard(stream)
    stream.extended = field === EXTENDED
    stream.extendedValue = value
    stream.deltaMs = value
    if (format < 2) {
      stream.length = u24(b, p + 3)
      stream.type = b[p + 6] as number
    }
    if (format === 0) {
      stream.streamId = b.readUInt32LE(p + 7)
      stream.timestampMs = value
    } else {
      stream.timestampMs = (stream.timestampMs + value) >>> 0
    }
    this.#startMessage(stream)
    return next - at
  }

  #readType3(stream: ChunkStream, b: Buffer, p: number, at: number, end: number): number {
    let next = p
    if (stream.extended && stream.repeatsExtended !== false) {
      const repeats = stream.repeatsExtended ?? this.#repeats(stream, b, p, end)
      if (repeats === undefined || (repeats && p + 4 > end)) return 0
      stream.repeatsExtended = repeats
      if (repeats) next = p + 4
    }
    if (stream.inMessage) {
      this.#startChunk(stream)
    } else {
      stream.timestampMs = (stream.timestampMs + stream.deltaMs) >>> 0
      const repeats = stream.repeatsExtended
      this.#startMessage(stream)
      stream.repeatsExtended = repeats
    }
    return next - at
  }

  /** Whether the extended timestamp stands at `p`; `undefined` while the bytes that are there leave it open. */
  #repeats(stream: ChunkStream, b: Buffer, p: number, end: number): boolean | undefined {
    const seen = Math.min(4, end - p)
    let wire = true
    let absolute = true
    for (let i = 0; i < seen; i++) {
      const shift = 24 - 8 * i
      wire &&= b[p + i] === ((stream.extendedValue >>> shift) & 0xff)
      // Some repeat the message's own time where the header had a delta.
      absolute &&= b[p + i] === ((stream.timestampMs >>> shift) & 0xff)
    }
    if (!wire && !absolute) return false
    return seen === 4 ? true : undefined
  }

  #known(id: number): ChunkStream {
    const stream = this.#current?.id === id ? this.#current : this.#streams.get(id)
    if (!stream) throw new FormatError('chunk/header', this.#offset, `chunk stream ${id} continues without a start`)
    return stream
  }

  #opened(id: number): ChunkStream {
    const known = this.#current?.id === id ? this.#current : this.#streams.get(id)
    if (known) return known
    if (this.#streams.size >= this.limits.maxChunkStreams) {
      throw limitExceeded('chunk-streams', `more than ${this.limits.maxChunkStreams} chunk streams`)
    }
    const stream = newChunkStream(id)
    this.#streams.set(id, stream)
    return stream
  }

  #startMessage(stream: ChunkStream): void {
    if (stream.length > this.limits.maxMessageBytes) {
      throw limitExceeded(
        'message',
        `message of ${stream.length} bytes, at most ${this.limits.maxMessageBytes} allowed`,
      )
    }
    stream.repeatsExtended = undefined
    stream.filled = 0
    if (stream.length === 0) {
      this.#handle(stream.type, stream.timestampMs, stream.streamId, NOTHING)
      return
    }
    stream.inMessage = true
    this.#startChunk(stream)
  }

  #startChunk(stream: ChunkStream): void {
    this.#current = stream
    this.#chunkLeft = Math.min(this.#chunkSize, stream.length - stream.filled)
  }

  #copyPayload(source: Buffer, at: number): number {
    const stream = this.#current as ChunkStream
    const count = Math.min(this.#chunkLeft, source.length - at)
    const wanted = stream.filled + count
    if (wanted > stream.payload.length) this.#grow(stream, wanted)
    source.copy(stream.payload, stream.filled, at, at + count)
    stream.filled = wanted
    this.#chunkLeft -= count
    if (wanted === stream.length) this.#finish(stream)
    return count
  }

  #grow(stream: ChunkStream, wanted: number): void {
    const held = stream.payload.length
    const sizeBytes = Math.min(stream.length, Math.max(wanted, held * 2, FIRST_ALLOCATION_BYTES))
    if (this.#partialBytes + sizeBytes - held > this.limits.maxPartialBytes) {
      throw limitExceeded('partial-bytes', `more than ${this.limits.maxPartialBytes} bytes of unfinished messages`)
    }
    // Uninitialised memory is safe: a message is handed on only when all of it has been written.
    const grown = this.#pool.take(sizeBytes)
    if (stream.filled > 0) grown.set(stream.payload.subarray(0, stream.filled))
    this.#pool.giveBack(stream.payload)
    stream.payload = grown
    this.#partialBytes += sizeBytes - held
  }

  #finish(stream: ChunkStream): void {
    const payload = stream.payload
    this.#letGo(stream)
    this.#handle(stream.type, stream.timestampMs, stream.streamId, payload)
  }

  /** An unfinished message is given up. */
  #discard(stream: ChunkStream): void {
    this.#pool.giveBack(stream.payload)
    this.#letGo(stream)
  }

  #letGo(stream: ChunkStream): void {
    this.#partialBytes -= stream.payload.length
    stream.payload = NOTHING
    stream.filled = 0
    stream.inMessage = false
  }
}

function limitExceeded(limit: string, message: string): AppError {
  return new AppError('LIMIT_EXCEEDED', message, { details: { limit } })
}
