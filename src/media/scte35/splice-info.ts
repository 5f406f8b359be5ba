import { concatBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import { BitReader } from '../codecs/bit-reader.ts'
import { sectionCrc } from '../mpegts/section-crc.ts'
import { BitWriter } from './bit-writer.ts'
import { bits33, commandTypeOf, readCommand, type SpliceCommand, writeCommand } from './splice-command.ts'
import { readDescriptors, type SpliceDescriptor, writeDescriptors } from './splice-descriptor.ts'

/** `splice_info_section` in the clear (ANSI/SCTE 35 2023 §9.6). */
export type SpliceInfo = {
  /** Stream access point type, 0 to 2; 3: not said. */
  readonly sapType: number
  /** Added to every time of the command, 90 kHz, 33 bits. */
  readonly ptsAdjustment: number
  readonly cwIndex: number
  /** Who is authorised, 12 bits; 0xfff: ignored. */
  readonly tier: number
  readonly command: SpliceCommand
  readonly descriptors: readonly SpliceDescriptor[]
}

const TABLE_ID = 0xfc
const PATH = 'splice_info_section'
/** From `protocol_version` to `splice_command_type`. */
const FIXED_BYTES = 11
const HEAD_BYTES = 3
const CRC_BYTES = 4
const UNKNOWN_LENGTH = 0xfff
const MAX_SECTION_BYTES = 4_093

/** What a message has that says nothing of it. */
export const plainSplice = { sapType: 3, ptsAdjustment: 0, cwIndex: 0xff, tier: 0xfff } as const

/** Reads a section. Bytes behind it may be stuffing (0xff). @throws FormatError, also for one that is encrypted, or damaged */
export function readSpliceInfo(bytes: Uint8Array): SpliceInfo {
  const reader = new BitReader(bytes, PATH)
  if (reader.bits(8) !== TABLE_ID) throw new FormatError(PATH, 0, 'its table_id is not 0xfc')
  if (reader.bits(2) !== 0) throw new FormatError(PATH, 1, 'it has the syntax of another section')
  const sapType = reader.bits(2)
  const length = reader.bits(12)
  const end = HEAD_BYTES + length
  const isPossible = length >= FIXED_BYTES + 2 + CRC_BYTES && length <= MAX_SECTION_BYTES && end <= bytes.byteLength
  if (!isPossible) throw new FormatError(PATH, 1, `its length of ${length} can't be`)
  if (!bytes.subarray(end).every((byte) => byte === 0xff)) throw new FormatError(PATH, end, 'something follows it')
  if (sectionCrc(bytes.subarray(0, end)) !== 0) throw new FormatError(PATH, end - CRC_BYTES, 'its CRC_32 is wrong')
  if (reader.bits(8) !== 0) throw new FormatError(PATH, 3, 'its protocol_version is not 0')
  if (reader.flag()) throw new FormatError(PATH, 4, 'it is encrypted')
  reader.skip(6)
  const ptsAdjustment = bits33(reader)
  const [cwIndex, tier] = [reader.bits(8), reader.bits(12)]
  const commandLength = reader.bits(12)
  const commandType = reader.bits(8)
  const from = HEAD_BYTES + FIXED_BYTES
  const isLengthKnown = commandLength !== UNKNOWN_LENGTH
  const until = isLengthKnown ? from + commandLength : end - CRC_BYTES
  if (until > end - CRC_BYTES - (isLengthKnown ? 2 : 0)) throw new FormatError(PATH, 11, 'its command is too long')
  const { command, sizeBytes } = readCommand(commandType, bytes.subarray(from, until), isLengthKnown, PATH)
  const descriptors = readLoop(bytes, from + sizeBytes, end - CRC_BYTES)
  return { sapType, ptsAdjustment, cwIndex, tier, command, descriptors }
}

function readLoop(bytes: Uint8Array, from: number, until: number): SpliceDescriptor[] {
  if (from + 2 > until) throw new FormatError(PATH, from, 'it has no descriptor loop')
  const length = (bytes[from] ?? 0) * 256 + (bytes[from + 1] ?? 0)
  if (from + 2 + length > until) throw new FormatError(PATH, from, `its descriptor loop of ${length} bytes is too long`)
  return readDescriptors(bytes.subarray(from + 2, from + 2 + length), PATH)
}

/** The bytes of a section, with its CRC. @throws FormatError where it would be longer than a section can be */
export function writeSpliceInfo(info: SpliceInfo): Uint8Array {
  const command = writeCommand(info.command)
  const loop = writeDescriptors(info.descriptors)
  const length = FIXED_BYTES + command.byteLength + 2 + loop.byteLength + CRC_BYTES
  if (length > MAX_SECTION_BYTES) throw new FormatError(PATH, 0, `it would have ${length} bytes`)
  const out = new BitWriter()
  out.bits(TABLE_ID, 8)
  out.bits(0, 2)
  out.bits(info.sapType, 2)
  out.bits(length, 12)
  out.bits(0, 8)
  out.bits(0, 7)
  out.bits(info.ptsAdjustment, 33)
  out.bits(info.cwIndex, 8)
  out.bits(info.tier, 12)
  out.bits(command.byteLength, 12)
  out.bits(commandTypeOf(info.command), 8)
  out.bytes(command)
  out.bits(loop.byteLength, 16)
  out.bytes(loop)
  const body = out.finish()
  const crc = new BitWriter()
  crc.bits(sectionCrc(body), 32)
  return concatBytes([body, crc.finish()])
}
