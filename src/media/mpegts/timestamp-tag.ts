import { wrapped } from './timestamps.ts'

const OWNER = 'com.apple.streaming.transportStreamTimestamp\0'
const HEADER_BYTES = 10
const TIMESTAMP_BYTES = 8

/**
 * The ID3 tag before packed audio that says when its first frame is heard (RFC 8216 §3.4): the 33 bits that a PTS would have, in a PRIV
 * frame of ID3v2.4.
 */
export function timestampTag(ptsTicks: number): Uint8Array {
  const privateBytes = OWNER.length + TIMESTAMP_BYTES
  const tag = Buffer.alloc(2 * HEADER_BYTES + privateBytes)
  tag.write('ID3\u0004', 0, 'latin1')
  // Sizes are of seven bits a byte; these two fit into one.
  tag[9] = HEADER_BYTES + privateBytes
  tag.write('PRIV', HEADER_BYTES, 'latin1')
  tag[HEADER_BYTES + 7] = privateBytes
  tag.write(OWNER, 2 * HEADER_BYTES, 'latin1')
  tag.writeBigUInt64BE(BigInt(wrapped(ptsTicks)), 2 * HEADER_BYTES + OWNER.length)
  return tag
}
