/** The payload of no message, and of an empty one. */
export const NOTHING = new Uint8Array(0)

/** What a reader knows of a chunk stream: its last header (Adobe RTMP 1.0 §5.3.1), and the message that is under way. */
export type ChunkStream = {
  readonly id: number
  timestampMs: number
  /** Delta of the last header, in the sense of a type 3 header that starts a message. */
  deltaMs: number
  extended: boolean
  /** The extended timestamp as it stood on the wire: absolute after a type 0 header, else a delta. */
  extendedValue: number
  /** Whether type 3 chunks of the current message repeat the extended timestamp; `undefined` until one has come. */
  repeatsExtended: boolean | undefined
  length: number
  type: number
  streamId: number
  inMessage: boolean
  filled: number
  payload: Uint8Array
}

/** A chunk stream of which nothing has come yet. */
export function newChunkStream(id: number): ChunkStream {
  return {
    id,
    timestampMs: 0,
    deltaMs: 0,
    extended: false,
    extendedValue: 0,
    repeatsExtended: undefined,
    length: 0,
    type: 0,
    streamId: 0,
    inMessage: false,
    filled: 0,
    payload: NOTHING,
  }
}
