import { type Box, childrenOf, openFullBox } from './boxes.ts'

/** Bytes of the box that says, at the end of a file, how long its `mfra` is (ISO/IEC 14496-12 §8.8.11). */
export const MFRO_BYTES = 16

const IS_INDEX = 0x8000_0000

/**
 * Where the subsegments that a `sidx` lists begin in the file (ISO/IEC 14496-12 §8.16.3), in order. Those that further indexes list
 * are left to them.
 */
export function subsegmentOffsets(sidx: Box): number[] {
  const { version, reader } = openFullBox(sidx)
  reader.skip(8)
  if (version === 0) reader.skip(4)
  else reader.u64()
  let at = sidx.start + sidx.size + (version === 0 ? reader.u32() : reader.u64())
  reader.skip(2)
  const count = reader.u16()
  if (count * 12 > reader.remaining) reader.fail(`${count} entries in ${reader.remaining} bytes`)
  const offsets: number[] = []
  for (let i = 0; i < count; i++) {
    const reference = reader.u32()
    if (reference < IS_INDEX) offsets.push(at)
    at += reference % IS_INDEX
    reader.skip(8)
  }
  return offsets
}

/** Bytes of the `mfra` that ends a file, by the last 16 bytes of that; 0 where there is none. */
export function randomAccessBytes(tail: Uint8Array): number {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const isThere = tail.byteLength === MFRO_BYTES && view.getUint32(0) === MFRO_BYTES && view.getUint32(4) === 0x6d66726f
  return isThere ? view.getUint32(12) : 0
}

/** Where the fragments that a `mfra` lists begin in the file (§8.8.10), in order, each once; none where it is another box. */
export function randomAccessOffsets(mfra: Box): number[] {
  const offsets = new Set<number>()
  if (mfra.type !== 'mfra') return []
  for (const tfra of childrenOf(mfra)) {
    if (tfra.type !== 'tfra') continue
    const { version, reader } = openFullBox(tfra)
    reader.skip(4)
    const sizes = reader.u32()
    const numberBytes = ((sizes >>> 4) & 3) + ((sizes >>> 2) & 3) + (sizes & 3) + 3
    const count = reader.u32()
    const entryBytes = (version === 1 ? 16 : 8) + numberBytes
    if (count * entryBytes > reader.remaining) reader.fail(`${count} entries in ${reader.remaining} bytes`)
    for (let i = 0; i < count; i++) {
      reader.skip(version === 1 ? 8 : 4)
      offsets.add(version === 1 ? reader.u64() : reader.u32())
      reader.skip(numberBytes)
    }
  }
  return [...offsets].sort((a, b) => a - b)
}
