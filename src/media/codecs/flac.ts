import { ByteReader, concatBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'
import { BitReader } from './bit-reader.ts'

const STREAMINFO_BYTES = 34
/** Version and flags of `dfLa`, then the header of a STREAMINFO that is the last metadata block. */
const RECORD_HEAD = Uint8Array.of(0, 0, 0, 0, 0x80, 0, 0, STREAMINFO_BYTES)
const MAGIC = 0x664c6143

/**
 * The configuration of a FLAC sequence header (RFC 9639 §8.2): `fLaC` and a STREAMINFO block, the block, or its 34 bytes
 * alone. Other metadata blocks are left out of the record, the payload of `dfLa` (FLAC in ISOBMFF §3.3.2).
 */
export function flacConfig(header: Uint8Array): AudioConfig {
  const info = findStreamInfo(header)
  const bits = new BitReader(info, 'STREAMINFO')
  const minBlock = bits.bits(16)
  const maxBlock = bits.bits(16)
  bits.skip(48)
  const sampleRate = bits.bits(20)
  const channels = bits.bits(3) + 1
  if (sampleRate === 0) throw new FormatError('STREAMINFO', 10, 'no sample rate')
  if (maxBlock < 16) throw new FormatError('STREAMINFO', 2, `blocks of ${maxBlock} samples`)
  return {
    kind: 'audio',
    codec: 'flac',
    record: concatBytes([RECORD_HEAD, info]),
    sampleRate,
    channels,
    samplesPerFrame: minBlock === maxBlock ? maxBlock : 0,
    codecString: 'fLaC',
  }
}

function findStreamInfo(header: Uint8Array): Uint8Array {
  if (header.byteLength === STREAMINFO_BYTES) return header
  const reader = new ByteReader(header, 'fLaC')
  let block = reader.u32()
  if (block === MAGIC) block = reader.u32()
  if ((block & 0x7fff_ffff) !== STREAMINFO_BYTES) reader.fail('the first metadata block is no STREAMINFO')
  return reader.take(STREAMINFO_BYTES)
}

/** The samples of a frame, from its header (RFC 9639 §9.1). */
export function flacSamples(frame: Uint8Array): number {
  const reader = new ByteReader(frame, 'flac')
  if (reader.u16() >>> 1 !== 0x7ffc) throw new FormatError('flac', 0, 'no FLAC frame sync')
  const code = reader.u8() >>> 4
  if (code === 0) throw new FormatError('flac', 2, 'a reserved block size')
  if (code === 1) return 192
  if (code <= 5) return 144 << code
  if (code >= 8) return 1 << code
  reader.skip(1)
  // The frame or sample number is coded like UTF-8, in up to 7 bytes: as many as its first byte has leading ones.
  const first = reader.u8()
  const length = Math.clz32(~(first << 24))
  if (length === 1 || length === 8) throw new FormatError('flac', 4, 'a broken frame number')
  reader.skip(Math.max(0, length - 1))
  return (code === 6 ? reader.u8() : reader.u16()) + 1
}
