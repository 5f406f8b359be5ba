import { ByteWriter } from '../../lib/bytes.ts'
import type { AmfValue } from './amf.ts'

/** What the writer takes: our own replies, so depth is ours to bound. */
export type AmfWritable = Readonly<AmfValue> | readonly AmfWritable[] | { readonly [key: string]: AmfWritable }

const MAX_SHORT_STRING_BYTES = 0xffff

function writeKey(out: ByteWriter, key: string): void {
  const bytes = Buffer.from(key, 'utf8')
  out.u16(bytes.byteLength)
  out.append(bytes)
}

function writeString(out: ByteWriter, text: string): void {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.byteLength > MAX_SHORT_STRING_BYTES) {
    out.u8(0x0c)
    out.u32(bytes.byteLength)
  } else {
    out.u8(0x02)
    out.u16(bytes.byteLength)
  }
  out.append(bytes)
}

/** Writes one value as AMF0 (AMF0 specification §2): lists as strict arrays, objects as anonymous objects. */
export function writeAmf0(out: ByteWriter, value: AmfWritable): void {
  if (typeof value === 'number') {
    out.u8(0x00)
    out.f64(value)
  } else if (typeof value === 'boolean') {
    out.u8(0x01)
    out.u8(value ? 1 : 0)
  } else if (typeof value === 'string') {
    writeString(out, value)
  } else if (value === null) {
    out.u8(0x05)
  } else if (value === undefined) {
    out.u8(0x06)
  } else if (Array.isArray(value) || value instanceof Uint8Array) {
    out.u8(0x0a)
    out.u32(value.length)
    for (const item of value) writeAmf0(out, item)
  } else {
    out.u8(0x03)
    for (const [key, item] of Object.entries(value)) {
      writeKey(out, key)
      writeAmf0(out, item)
    }
    out.u16(0)
    out.u8(0x09)
  }
}

/** Several values one after another, as a command or data message carries them. */
export function encodeAmf0(...values: readonly AmfWritable[]): Uint8Array {
  const out = new ByteWriter()
  for (const value of values) writeAmf0(out, value)
  return out.finish()
}
