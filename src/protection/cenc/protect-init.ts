import { FormatError } from '../../lib/errors.ts'
import { BoxWriter } from '../../media/isobmff/box-writer.ts'
import { type Box, readBoxes } from '../../media/isobmff/boxes.ts'
import type { CodecConfig } from '../../media/media.ts'
import { writeProtectionInfo } from './protection-boxes.ts'
import { checkProtection, type TrackProtection } from './track-protection.ts'

const PATH_TO_ENTRIES = ['moov', 'trak', 'mdia', 'minf', 'stbl']
const STSD_HEAD_BYTES = 8

/**
 * The init segment of one track as it is while the track is encrypted: its sample entries are `encv` or `enca` with a `sinf`, and the
 * `pssh` boxes stand at the end of the `moov` (ISO/IEC 23001-7 §8.1). `init` is not changed. @throws FormatError where it isn't one track's
 */
export function protectInit(
  init: Uint8Array,
  kind: CodecConfig['kind'],
  protection: TrackProtection,
  psshBoxes: readonly Uint8Array[] = [],
): Uint8Array {
  checkProtection(protection)
  const out = new BoxWriter(init.byteLength + 256 + psshBoxes.reduce((sum, box) => sum + box.byteLength, 0))
  let entries = 0
  const copy = (boxes: readonly Box[], bytes: Uint8Array, depth: number): void => {
    for (const box of boxes) {
      if (box.type === PATH_TO_ENTRIES[depth]) {
        out.box(box.type, () => {
          copy(readBoxes(box.body, box.path), box.body, depth + 1)
          if (depth === 0) for (const pssh of psshBoxes) out.append(pssh)
        })
      } else if (box.type === 'stsd' && depth === PATH_TO_ENTRIES.length) {
        out.box('stsd', () => {
          entries += copyEntries(out, box, protection, kind)
        })
      } else out.append(bytes.subarray(box.start, box.start + box.size))
    }
  }
  copy(readBoxes(init, ''), init, 0)
  if (entries !== 1) throw new FormatError('moov', 0, `${entries} sample entries, where one is to be protected`)
  return out.finish().slice()
}

function copyEntries(out: BoxWriter, stsd: Box, protection: TrackProtection, kind: CodecConfig['kind']): number {
  if (stsd.body.byteLength < STSD_HEAD_BYTES) throw new FormatError(stsd.path, 0, 'no sample entry')
  out.append(stsd.body.subarray(0, STSD_HEAD_BYTES))
  const entries = readBoxes(stsd.body.subarray(STSD_HEAD_BYTES), stsd.path)
  for (const entry of entries) {
    out.box(kind === 'video' ? 'encv' : 'enca', () => {
      out.append(entry.body)
      writeProtectionInfo(out, entry.type, protection, kind)
    })
  }
  return entries.length
}
