import { concatBytes } from '../../lib/bytes.ts'
import { type AmfWritable, encodeAmf0 } from './amf0-writer.ts'
import { DEFAULT_CHUNK_SIZE, encodeChunks } from './chunk-writer.ts'
import { encodeU32 } from './control.ts'
import { messageType } from './message-type.ts'

const CONTROL_CHUNK_STREAM = 2
const COMMAND_CHUNK_STREAM = 3

/** Level of an `onStatus`: encoders stop on `error` and print its description. */
export type StatusLevel = 'status' | 'warning' | 'error'

/** Collects what a connection has to say until somebody takes it to the wire. */
export class ServerOutput {
  #parts: Uint8Array[] = []
  #chunkSize = DEFAULT_CHUNK_SIZE

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes)
  }

  control(type: number, payload: Uint8Array): void {
    this.#message(CONTROL_CHUNK_STREAM, type, 0, payload)
  }

  /** Announces the chunk size and uses it from here on. */
  setChunkSize(sizeBytes: number): void {
    this.control(messageType.setChunkSize, encodeU32(sizeBytes))
    this.#chunkSize = sizeBytes
  }

  command(streamId: number, ...values: readonly AmfWritable[]): void {
    this.#message(COMMAND_CHUNK_STREAM, messageType.commandAmf0, streamId, encodeAmf0(...values))
  }

  status(streamId: number, level: StatusLevel, code: string, description: string, more: AmfWritable = {}): void {
    this.command(streamId, 'onStatus', 0, null, { level, code, description, ...(more as object) })
  }

  /** Everything since the last call, in one piece; `undefined` when there is nothing. */
  take(): Uint8Array | undefined {
    const parts = this.#parts
    if (parts.length === 0) return undefined
    this.#parts = []
    return parts.length === 1 ? parts[0] : concatBytes(parts)
  }

  #message(chunkStreamId: number, type: number, streamId: number, payload: Uint8Array): void {
    this.#parts.push(encodeChunks({ chunkStreamId, type, streamId, timestampMs: 0, payload }, this.#chunkSize))
  }
}
