import { ByteReader } from '../../lib/bytes.ts'
import type { BoxWriter } from './box-writer.ts'
import { type Box, openFullBox } from './boxes.ts'

/** What `esds` says of an elementary stream (ISO/IEC 14496-14 §5.6, descriptors of ISO/IEC 14496-1 §7.2.6). */
export type ElementaryStream = {
  /** 0x40 MPEG-4 audio, 0x6B MPEG-1 audio, 0x69 MPEG-2 audio (https://mp4ra.org). */
  readonly objectType: number
  /** The AudioSpecificConfig; empty where the object type has none. */
  readonly decoderSpecificInfo: Uint8Array
}

const ES_DESCRIPTOR = 3
const DECODER_CONFIG = 4
const DECODER_SPECIFIC_INFO = 5
const SL_CONFIG = 6
const AUDIO_STREAM = 0x15
const EMPTY = new Uint8Array(0)

type Descriptor = { readonly tag: number; readonly reader: ByteReader }

function readDescriptor(reader: ByteReader): Descriptor {
  const tag = reader.u8()
  let size = 0
  for (let i = 0; ; i++) {
    const byte = reader.u8()
    size = size * 128 + (byte & 0x7f)
    if ((byte & 0x80) === 0) break
    if (i === 3) reader.fail('descriptor size of more than four bytes')
  }
  return { tag, reader: new ByteReader(reader.take(size), `${reader.path}/${tag}`) }
}

function requireDescriptor(reader: ByteReader, tag: number): ByteReader {
  while (reader.remaining > 0) {
    const descriptor = readDescriptor(reader)
    if (descriptor.tag === tag) return descriptor.reader
  }
  return reader.fail(`no descriptor ${tag}`)
}

/** Reads an `esds`; descriptors that don't nest as they should are a `FormatError`. */
export function readElementaryStream(box: Box): ElementaryStream {
  const stream = requireDescriptor(openFullBox(box).reader, ES_DESCRIPTOR)
  stream.skip(2)
  const flags = stream.u8()
  if (flags & 0x80) stream.skip(2)
  if (flags & 0x40) stream.skip(stream.u8())
  if (flags & 0x20) stream.skip(2)
  const decoder = requireDescriptor(stream, DECODER_CONFIG)
  const objectType = decoder.u8()
  decoder.skip(12)
  while (decoder.remaining > 0) {
    const descriptor = readDescriptor(decoder)
    if (descriptor.tag === DECODER_SPECIFIC_INFO) return { objectType, decoderSpecificInfo: descriptor.reader.rest() }
  }
  return { objectType, decoderSpecificInfo: EMPTY }
}

/** A descriptor with its size in the four-byte form, which the oldest readers want. */
function writeDescriptor(out: BoxWriter, tag: number, content: () => void): void {
  out.u8(tag)
  const sizeAt = out.offset
  out.u32(0)
  content()
  const size = out.offset - sizeAt - 4
  const groups = [21, 14, 7, 0].map((shift) => (size >>> shift) & 0x7f)
  out.patchU32(
    sizeAt,
    groups.reduce((bits, group, i) => (bits << 8) | group | (i < 3 ? 0x80 : 0), 0),
  )
}

/** Writes an `esds` of an audio stream whose bitrate isn't known. */
export function writeElementaryStream(out: BoxWriter, stream: ElementaryStream): void {
  out.fullBox('esds', 0, 0, () => {
    writeDescriptor(out, ES_DESCRIPTOR, () => {
      out.u16(0)
      out.u8(0)
      writeDescriptor(out, DECODER_CONFIG, () => {
        out.u8(stream.objectType)
        out.u8(AUDIO_STREAM)
        // Buffer size, peak and average bitrate: 0 means unknown.
        out.zeros(11)
        if (stream.decoderSpecificInfo.byteLength > 0) {
          writeDescriptor(out, DECODER_SPECIFIC_INFO, () => out.append(stream.decoderSpecificInfo))
        }
      })
      writeDescriptor(out, SL_CONFIG, () => out.u8(2))
    })
  })
}
