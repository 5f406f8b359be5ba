import { ByteReader } from '../../lib/bytes.ts'
import type { BoxWriter } from './box-writer.ts'
import type { Box } from './boxes.ts'

/** `ftyp`, or `styp` at the head of a segment (ISO/IEC 14496-12 §4.3, §8.16.2). Brands are four characters each. */
export type FileType = {
  readonly majorBrand: string
  readonly minorVersion: number
  readonly compatibleBrands: readonly string[]
}

/** Reads a `ftyp` or `styp`; fewer than 8 bytes are a `FormatError`. */
export function readFileType(box: Box): FileType {
  const reader = new ByteReader(box.body, box.path)
  const majorBrand = reader.ascii(4)
  const minorVersion = reader.u32()
  const compatibleBrands: string[] = []
  while (reader.remaining >= 4) compatibleBrands.push(reader.ascii(4))
  return { majorBrand, minorVersion, compatibleBrands }
}

/** Writes a `ftyp` or `styp`. */
export function writeFileType(out: BoxWriter, type: 'ftyp' | 'styp', fileType: FileType): void {
  out.box(type, () => {
    out.ascii(fileType.majorBrand)
    out.u32(fileType.minorVersion)
    for (const brand of fileType.compatibleBrands) out.ascii(brand)
  })
}
