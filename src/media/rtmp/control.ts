import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'

/** User control event types (Adobe RTMP 1.0 §7.1.7). */
export const userControlEvent = {
  streamBegin: 0,
  streamEof: 1,
  setBufferLength: 3,
  pingRequest: 6,
  pingResponse: 7,
} as const

/** Limit types of Set Peer Bandwidth (§5.4.5). */
export const peerBandwidthLimit = { hard: 0, soft: 1, dynamic: 2 } as const

const MAX_CHUNK_SIZE = 0x7fffffff

/** The four bytes of an abort, acknowledgement or window size message; a `FormatError` when there are fewer. */
export function readControlU32(payload: Uint8Array, name: string): number {
  return new ByteReader(payload, `control/${name}`).u32()
}

/** The size of a Set Chunk Size message (§5.4.1): 1 to 0x7FFFFFFF, everything else is a `FormatError`. */
export function readChunkSize(payload: Uint8Array): number {
  const size = readControlU32(payload, 'set-chunk-size')
  if (size < 1 || size > MAX_CHUNK_SIZE) throw new FormatError('control/set-chunk-size', 0, `chunk size ${size}`)
  return size
}

/** Set Peer Bandwidth (§5.4.5). A missing limit type is taken for `dynamic`, as old servers and clients leave it out. */
export function readPeerBandwidth(payload: Uint8Array): { readonly windowBytes: number; readonly limit: number } {
  const windowBytes = readControlU32(payload, 'set-peer-bandwidth')
  return { windowBytes, limit: payload[4] ?? peerBandwidthLimit.dynamic }
}

/** A user control message: the event and what follows it. */
export function readUserControl(payload: Uint8Array): { readonly event: number; readonly data: Uint8Array } {
  const reader = new ByteReader(payload, 'control/user-control')
  return { event: reader.u16(), data: reader.rest() }
}

/** Four bytes, as Set Chunk Size, Abort, Acknowledgement and Window Acknowledgement Size carry them. */
export function encodeU32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** Set Peer Bandwidth (RTMP 1.0 §5.4.5); the limit type is 0 hard, 1 soft or 2 dynamic. */
export function encodePeerBandwidth(windowBytes: number, limit: number): Uint8Array {
  return Uint8Array.of(...encodeU32(windowBytes), limit)
}

/** A User Control message (RTMP 1.0 §7.1.7): the event type, then its data. */
export function encodeUserControl(event: number, data: Uint8Array): Uint8Array {
  return Uint8Array.of(event >>> 8, event, ...data)
}
