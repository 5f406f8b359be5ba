import { ByteReader, ByteWriter } from '../../src/lib/bytes.ts'

/** One FLV tag as an RTMP message: its body, its timestamp in milliseconds, and 8 (audio), 9 (video) or 18 (data). */
export type FlvMessage = {
  readonly messageType: 8 | 9 | 18
  readonly timestampMs: number
  readonly payload: Uint8Array
}

const FILE_HEADER_BYTES = 9

/** Reads an FLV file (FLV 10.1 annex E), so that a publisher can replay it. Payloads are copies, as a socket would give them. */
export function readFlvFile(file: Uint8Array): FlvMessage[] {
  const reader = new ByteReader(file, 'flv')
  if (reader.ascii(3) !== 'FLV') reader.fail('no FLV signature')
  reader.skip(2)
  const headerBytes = reader.u32()
  reader.skip(headerBytes - FILE_HEADER_BYTES + 4)
  const messages: FlvMessage[] = []
  while (reader.remaining > 0) {
    const messageType = reader.u8() & 0x1f
    const size = reader.u24()
    const timestampMs = (reader.u24() | (reader.u8() << 24)) >>> 0
    reader.skip(3)
    const payload = new Uint8Array(reader.take(size))
    reader.skip(4)
    if (messageType === 8 || messageType === 9 || messageType === 18)
      messages.push({ messageType, timestampMs, payload })
  }
  return messages
}

/** Writes messages as an FLV file that players and ffmpeg read. */
export function writeFlvFile(messages: readonly FlvMessage[]): Uint8Array {
  const out = new ByteWriter(64 * 1024)
  const kinds = new Set(messages.map((message) => message.messageType))
  out.ascii('FLV')
  out.u8(1)
  out.u8((kinds.has(8) ? 4 : 0) | (kinds.has(9) ? 1 : 0))
  out.u32(FILE_HEADER_BYTES)
  out.u32(0)
  for (const { messageType, timestampMs, payload } of messages) {
    out.u8(messageType)
    out.u24(payload.byteLength)
    out.u24(timestampMs & 0xffffff)
    out.u8(timestampMs >>> 24)
    out.u24(0)
    out.append(payload)
    out.u32(payload.byteLength + 11)
  }
  return out.finish()
}
