const POLYNOMIAL = 0x04c1_1db7
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ POLYNOMIAL : crc << 1
  return crc >>> 0
})

/** CRC_32 of MPEG-2 sections (ISO/IEC 13818-1 Annex A); over a section with its CRC it is 0. */
export function sectionCrc(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) crc = ((crc << 8) ^ (table[(crc >>> 24) ^ byte] ?? 0)) >>> 0
  return crc
}
