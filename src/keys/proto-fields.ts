/** A field of a protocol buffers message: a number, or the bytes of a string or a message; of eight or four fixed bytes no value is read. */
export type ProtoField = { readonly number: number; readonly value: number | Uint8Array | undefined }

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5
const VARINT_BYTES = 10
const TAGS_END = 2 ** 32

/**
 * The fields of a protocol buffers message (https://protobuf.dev/programming-guides/encoding/), in their order; `undefined` for what isn't one to its last
 * byte, or has groups.
 */
export function protoFields(message: Uint8Array): ProtoField[] | undefined {
  const fields: ProtoField[] = []
  const reader = { message, at: 0 }
  while (reader.at < message.byteLength) {
    const tag = varint(reader)
    const number = Math.floor(tag / 8)
    if (!(tag < TAGS_END) || number === 0) return undefined
    const type = tag % 8
    if (type === VARINT) {
      const value = varint(reader)
      if (Number.isNaN(value)) return undefined
      fields.push({ number, value })
      continue
    }
    const sizeBytes = sizeOf(type, reader)
    const { at } = reader
    if (!(at + sizeBytes <= message.byteLength)) return undefined
    reader.at += sizeBytes
    fields.push({ number, value: type === LENGTH_DELIMITED ? message.subarray(at, reader.at) : undefined })
  }
  return fields
}

type Reader = { readonly message: Uint8Array; at: number }

function sizeOf(type: number, reader: Reader): number {
  if (type === LENGTH_DELIMITED) return varint(reader)
  if (type === FIXED_64) return 8
  return type === FIXED_32 ? 4 : Number.NaN
}

/** `NaN` where it does not end. Past 2^53 it isn't exact, which no length, tag or type is. */
function varint(reader: Reader): number {
  let value = 0
  for (let at = 0; at < VARINT_BYTES; at++) {
    const byte = reader.message[reader.at++]
    if (byte === undefined) return Number.NaN
    value += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) return value
  }
  return Number.NaN
}
