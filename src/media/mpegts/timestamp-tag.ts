import { wrapped } from './timestamps.ts'

const TIMESTAMP_OWNER = 'com.apple.streaming.transportStreamTimestamp\0'
const SETUP_OWNER = 'com.apple.streaming.audioDescription\0'
const HEADER_BYTES = 10
const TIMESTAMP_BYTES = 8

/**
 * The ID3 tag before packed audio that says when its first frame is heard (RFC 8216 §3.4): the 33 bits that a PTS would have, in a PRIV
 * frame of ID3v2.4; and, of encrypted frames, how to set up their decoder ("MPEG-2 Stream Encryption Format for HTTP Live Streaming"
 * §2.3.4.2).
 */
export function timestampTag(ptsTicks: number, setup?: Uint8Array): Uint8Array {
  const time = Buffer.alloc(TIMESTAMP_BYTES)
  time.writeBigUInt64BE(BigInt(wrapped(ptsTicks)))
  const frames = [privateFrame(TIMESTAMP_OWNER, time), ...(setup ? [privateFrame(SETUP_OWNER, setup)] : [])]
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('ID3\u0004', 0, 'latin1')
  writeSize(
    header,
    6,
    frames.reduce((sum, { byteLength }) => sum + byteLength, 0),
  )
  return Buffer.concat([header, ...frames])
}

function privateFrame(owner: string, content: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + owner.length + content.byteLength)
  frame.write('PRIV', 0, 'latin1')
  writeSize(frame, 4, owner.length + content.byteLength)
  frame.write(owner, HEADER_BYTES, 'latin1')
  frame.set(content, HEADER_BYTES + owner.length)
  return frame
}

/** Sizes are of seven bits a byte (ID3v2.4 §6.2). */
function writeSize(out: Buffer, at: number, size: number): void {
  for (let byte = 0; byte < 4; byte++) out[at + byte] = (size >>> (21 - 7 * byte)) & 0x7f
}
