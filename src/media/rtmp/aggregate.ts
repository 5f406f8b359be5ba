import { ByteReader } from '../../lib/bytes.ts'
import type { MessageHandler } from './chunk-reader.ts'

/**
 * Unpacks an aggregate message (Adobe RTMP 1.0 §7.1.6): FLV-like tags whose times are rebased so that the first has the
 * aggregate's own. The stream id of the aggregate stands for that of each tag. Each payload is a copy, so that one kept
 * frame doesn't keep the whole aggregate alive. `wanted` is asked before each: false ends the unpacking.
 */
export function unpackAggregate(
  payload: Uint8Array,
  timestampMs: number,
  streamId: number,
  handle: MessageHandler,
  wanted: () => boolean,
): void {
  const reader = new ByteReader(payload, 'aggregate')
  let firstMs: number | undefined
  while (reader.remaining > 0 && wanted()) {
    const type = reader.u8()
    const sizeBytes = reader.u24()
    const lowMs = reader.u24()
    const tagMs = ((reader.u8() << 24) | lowMs) >>> 0
    reader.skip(3)
    const body = reader.take(sizeBytes).slice()
    // The back pointer of the last tag is left out by some encoders; its value is of no use to a reader that goes forward.
    reader.skip(Math.min(4, reader.remaining))
    firstMs ??= tagMs
    handle(type, (timestampMs + tagMs - firstMs) >>> 0, streamId, body)
  }
}
