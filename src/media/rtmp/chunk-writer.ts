/** A message as it goes out. `chunkStreamId` is 2 to 65599. */
export type OutgoingMessage = {
  readonly chunkStreamId: number
  readonly type: number
  readonly streamId: number
  readonly timestampMs: number
  readonly payload: Uint8Array
}

/** Chunk size before any Set Chunk Size (Adobe RTMP 1.0 §5.4.1). */
export const DEFAULT_CHUNK_SIZE = 128

const EXTENDED = 0xffffff

function basicHeader(format: number, chunkStreamId: number): number[] {
  if (chunkStreamId < 64) return [(format << 6) | chunkStreamId]
  const rest = chunkStreamId - 64
  if (rest < 256) return [format << 6, rest]
  return [(format << 6) | 1, rest & 0xff, rest >>> 8]
}

/**
 * The chunks of one message in one array: a type 0 header, then type 3 (Adobe RTMP 1.0 §5.3.1). An extended timestamp is
 * repeated on every chunk, as the specification wants it; `repeatExtended: false` is the other habit that encoders have.
 */
export function encodeChunks(message: OutgoingMessage, chunkSize: number, repeatExtended = true): Uint8Array {
  const { chunkStreamId, payload } = message
  const timestampMs = message.timestampMs >>> 0
  const extended =
    timestampMs >= EXTENDED
      ? [timestampMs >>> 24, (timestampMs >>> 16) & 0xff, (timestampMs >>> 8) & 0xff, timestampMs & 0xff]
      : []
  const field = Math.min(timestampMs, EXTENDED)
  const size = payload.byteLength
  const first = [
    ...basicHeader(0, chunkStreamId),
    ...[field >>> 16, (field >>> 8) & 0xff, field & 0xff],
    ...[size >>> 16, (size >>> 8) & 0xff, size & 0xff, message.type],
    ...[
      message.streamId & 0xff,
      (message.streamId >>> 8) & 0xff,
      (message.streamId >>> 16) & 0xff,
      message.streamId >>> 24,
    ],
    ...extended,
  ]
  const next = [...basicHeader(3, chunkStreamId), ...(repeatExtended ? extended : [])]
  const further = Math.max(0, Math.ceil(size / chunkSize) - 1)
  const out = new Uint8Array(first.length + size + further * next.length)
  out.set(first)
  let at = first.length
  for (let from = 0; from < size; from += chunkSize) {
    if (from > 0) {
      out.set(next, at)
      at += next.length
    }
    const part = payload.subarray(from, from + chunkSize)
    out.set(part, at)
    at += part.byteLength
  }
  return out
}
