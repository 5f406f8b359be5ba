import { type AmfValue, asAmfObject, defaultAmfLimits } from '../../src/media/rtmp/amf.ts'
import { type AmfWritable, encodeAmf0 } from '../../src/media/rtmp/amf0-writer.ts'
import { ChunkReader } from '../../src/media/rtmp/chunk-reader.ts'
import { DEFAULT_CHUNK_SIZE, encodeChunks } from '../../src/media/rtmp/chunk-writer.ts'
import { type Command, readCommand } from '../../src/media/rtmp/command.ts'
import { encodeU32, encodeUserControl, userControlEvent } from '../../src/media/rtmp/control.ts'
import { findDigest, HANDSHAKE_BYTES, signPacket } from '../../src/media/rtmp/handshake.ts'
import { messageType } from '../../src/media/rtmp/message-type.ts'

export type RtmpStatus = {
  readonly streamId: number
  readonly level: string
  readonly code: string
  readonly description: string
}

export type RtmpClientEvents = {
  /** The server's half of the handshake has come; C2 is in the output. */
  handshaken?(signedByServer: boolean): void
  command?(command: Command, streamId: number): void
  status?(status: RtmpStatus): void
  message?(type: number, payload: Uint8Array): void
}

/** The other end of `ServerConnection`, for tests: eats bytes, gives bytes, calls back. */
export class RtmpClient {
  readonly #events: RtmpClientEvents
  readonly #reader: ChunkReader
  readonly #output: Uint8Array[] = []
  #handshake: Uint8Array | undefined = new Uint8Array(0)
  #chunkSize = DEFAULT_CHUNK_SIZE
  #transaction = 0

  /** Starts with C0 and C1 in the output; `digest` signs C1 as Flash did. */
  constructor(events: RtmpClientEvents, digest = false) {
    this.#events = events
    this.#reader = new ChunkReader(
      { maxChunkStreams: 64, maxMessageBytes: 1 << 20, maxPartialBytes: 1 << 22 },
      (type, _timestampMs, streamId, payload) => this.#message(type, streamId, payload),
    )
    const hello = new Uint8Array(1 + HANDSHAKE_BYTES).map((_, i) => (i * 7) & 0xff)
    hello[0] = 3
    hello.fill(0, 1, 9)
    if (digest) {
      hello.set([9, 0, 124, 2], 5)
      signPacket(hello.subarray(1), 'client', 772)
    }
    this.#output.push(hello)
  }

  take(): Uint8Array {
    return Buffer.concat(this.#output.splice(0))
  }

  push(bytes: Uint8Array): void {
    if (!this.#handshake) {
      this.#reader.push(bytes)
      return
    }
    const all = Buffer.concat([this.#handshake, bytes])
    this.#handshake = all
    if (all.length < 1 + 2 * HANDSHAKE_BYTES) return
    this.#handshake = undefined
    const s1 = all.subarray(1, 1 + HANDSHAKE_BYTES)
    this.#output.push(Uint8Array.from(s1))
    this.#events.handshaken?.(findDigest(s1, 'server') !== undefined)
    const rest = all.subarray(1 + 2 * HANDSHAKE_BYTES)
    if (rest.length > 0) this.#reader.push(rest)
  }

  setChunkSize(sizeBytes: number): void {
    this.send(2, messageType.setChunkSize, 0, 0, encodeU32(sizeBytes))
    this.#chunkSize = sizeBytes
  }

  /** Sends a command and gives its transaction id. */
  call(name: string, streamId: number, ...args: AmfWritable[]): number {
    this.#transaction += 1
    this.send(3, messageType.commandAmf0, streamId, 0, encodeAmf0(name, this.#transaction, ...args))
    return this.#transaction
  }

  send(chunkStreamId: number, type: number, streamId: number, timestampMs: number, payload: Uint8Array): void {
    this.#output.push(encodeChunks({ chunkStreamId, type, streamId, timestampMs, payload }, this.#chunkSize))
  }

  #message(type: number, streamId: number, payload: Uint8Array): void {
    this.#events.message?.(type, payload)
    if (type === messageType.setChunkSize) this.#reader.setChunkSize(Buffer.from(payload).readUInt32BE())
    if (type === messageType.userControl && payload[1] === userControlEvent.pingRequest) {
      const pong = encodeUserControl(userControlEvent.pingResponse, payload.subarray(2))
      this.send(2, messageType.userControl, 0, 0, pong)
    }
    if (type !== messageType.commandAmf0) return
    const command = readCommand(payload, false, defaultAmfLimits)
    this.#events.command?.(command, streamId)
    if (command.name === 'onStatus') this.#events.status?.(statusOf(command.args[1], streamId))
  }
}

/** The fields of a status object, empty where they are absent. */
export function statusOf(value: AmfValue, streamId: number): RtmpStatus {
  const object = asAmfObject(value)
  const text = (key: string) => String(object?.[key] ?? '')
  return { streamId, level: text('level'), code: text('code'), description: text('description') }
}
