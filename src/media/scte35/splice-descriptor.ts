import { ByteReader } from '../../lib/bytes.ts'
import { BitWriter } from './bit-writer.ts'
import { readSegmentation, type SegmentationDescriptor, writeSegmentation } from './segmentation.ts'

/** `CUEI`: descriptors that SCTE 35 itself defines. */
const CUEI = 0x4355_4549
const tags = { avail: 0, dtmf: 1, segmentation: 2, time: 3 } as const

/** SCTE 35 §10: what a message says beside its command. */
export type SpliceDescriptor =
  | { readonly type: 'avail'; readonly providerAvailId: number }
  /** `preroll`: tenths of a second. */
  | { readonly type: 'dtmf'; readonly preroll: number; readonly characters: string }
  | SegmentationDescriptor
  | { readonly type: 'time'; readonly taiSeconds: number; readonly taiNanos: number; readonly utcOffset: number }
  /** Audio descriptors, private ones, and those of later editions. */
  | { readonly type: 'other'; readonly tag: number; readonly identifier: number; readonly payload: Uint8Array }

/** Reads a descriptor loop. @throws FormatError */
export function readDescriptors(bytes: Uint8Array, path: string): SpliceDescriptor[] {
  const reader = new ByteReader(bytes, `${path}/descriptors`)
  const descriptors: SpliceDescriptor[] = []
  while (reader.remaining > 0) {
    const tag = reader.u8()
    const own = new ByteReader(reader.take(reader.u8()), `${path}/descriptors[${descriptors.length}]`)
    descriptors.push(readDescriptor(tag, own))
  }
  return descriptors
}

function readDescriptor(tag: number, reader: ByteReader): SpliceDescriptor {
  const identifier = reader.u32()
  if (identifier !== CUEI) return { type: 'other', tag, identifier, payload: reader.rest() }
  switch (tag) {
    case tags.avail:
      return whole(reader, { type: 'avail', providerAvailId: reader.u32() })
    case tags.dtmf: {
      const preroll = reader.u8()
      return whole(reader, { type: 'dtmf', preroll, characters: reader.ascii(reader.u8() >>> 5) })
    }
    case tags.segmentation:
      return readSegmentation(reader.rest(), reader.path)
    case tags.time: {
      const taiSeconds = reader.u16() * 2 ** 32 + reader.u32()
      return whole(reader, { type: 'time', taiSeconds, taiNanos: reader.u32(), utcOffset: reader.u16() })
    }
    default:
      return { type: 'other', tag, identifier, payload: reader.rest() }
  }
}

function whole(reader: ByteReader, descriptor: SpliceDescriptor): SpliceDescriptor {
  if (reader.remaining > 0) reader.fail(`${reader.remaining} bytes too many`)
  return descriptor
}

/** The bytes of a descriptor loop. */
export function writeDescriptors(descriptors: readonly SpliceDescriptor[]): Uint8Array {
  const loop = new BitWriter()
  for (const descriptor of descriptors) {
    const own = new BitWriter()
    own.bits(descriptor.type === 'other' ? descriptor.identifier : CUEI, 32)
    writeDescriptor(own, descriptor)
    const bytes = own.finish()
    loop.bits(descriptor.type === 'other' ? descriptor.tag : tags[descriptor.type], 8)
    loop.bits(bytes.byteLength, 8)
    loop.bytes(bytes)
  }
  return loop.finish()
}

function writeDescriptor(out: BitWriter, descriptor: SpliceDescriptor): void {
  switch (descriptor.type) {
    case 'avail':
      out.bits(descriptor.providerAvailId, 32)
      break
    case 'dtmf':
      out.bits(descriptor.preroll, 8)
      out.bits(descriptor.characters.length, 3)
      out.reserved(5)
      out.bytes(Buffer.from(descriptor.characters, 'latin1'))
      break
    case 'segmentation':
      writeSegmentation(out, descriptor)
      break
    case 'time':
      out.bits(descriptor.taiSeconds, 48)
      out.bits(descriptor.taiNanos, 32)
      out.bits(descriptor.utcOffset, 16)
      break
    case 'other':
      out.bytes(descriptor.payload)
      break
  }
}
