import type { BitReader } from '../codecs/bit-reader.ts'

const PROGRAM_CONFIG_ELEMENT = 5

/**
 * Reads a program_config_element (ISO/IEC 14496-3 §4.4.1.1) where an AudioSpecificConfig has it, and gives it as it stands at the
 * beginning of a frame: behind its identifier, up to a byte's boundary. ADTS has channel layouts of their own in no other way.
 */
export function readProgramElement(bits: BitReader): Uint8Array {
  let text = binary(PROGRAM_CONFIG_ELEMENT, 3)
  const copy = (count: number): number => {
    const value = bits.bits(count)
    text += binary(value, count)
    return value
  }
  // The tag, the object type and the rate.
  copy(10)
  const channelElements = copy(4) + copy(4) + copy(4)
  const lowFrequency = copy(2)
  const associatedData = copy(3)
  const coupling = copy(4)
  // Mono, stereo and matrix mixdown.
  for (const length of [4, 4, 3]) if (copy(1) === 1) copy(length)
  for (let left = channelElements + coupling; left > 0; left--) copy(5)
  for (let left = lowFrequency + associatedData; left > 0; left--) copy(4)
  bits.align()
  text = text.padEnd(Math.ceil(text.length / 8) * 8, '0')
  for (let comment = copy(8); comment > 0; comment--) copy(8)
  return Uint8Array.from(text.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

function binary(value: number, count: number): string {
  return value.toString(2).padStart(count, '0')
}
