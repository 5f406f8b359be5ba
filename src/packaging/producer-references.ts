import { FormatError } from '../lib/errors.ts'
import { type Box, childrenOf, openFullBox, readBoxes, requireBox } from '../media/isobmff/boxes.ts'
import { PRODUCER_REFERENCE_BYTES, writeProducerReference } from '../media/isobmff/producer-reference.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { SegmentRow } from '../presentation/view.ts'

/** `trun` flags (ISO/IEC 14496-12 §8.8.8). */
const TRUN = { dataOffset: 0x1, firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, composition: 0x800 }

/** When a segment began, by both clocks. */
export type SegmentInstant = Pick<SegmentRow, 'startTicks' | 'wallMs'>

/**
 * Stored bytes with a `prft` before each `moof` (ISO/IEC 14496-12 §8.16.5), as views on them and on the new boxes: the wall clock at which the
 * fragment's first sample was contributed. It is that of EXT-X-PROGRAM-DATE-TIME, so a pure function of what is stored.
 * @throws FormatError for what is no fragment
 */
export function withProducerReferences(bytes: Uint8Array, instant: SegmentInstant, timescale: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let at = 0
  for (const box of readBoxes(bytes, '')) {
    if (box.type !== 'moof') continue
    if (box.start > at) pieces.push(bytes.subarray(at, box.start))
    pieces.push(referenceOf(box, instant, timescale))
    at = box.start
  }
  pieces.push(bytes.subarray(at))
  return pieces
}

function referenceOf(moof: Box, { startTicks, wallMs }: SegmentInstant, timescale: number): Uint8Array {
  const traf = requireBox(childrenOf(moof), 'traf', moof.path)
  const boxes = childrenOf(traf)
  const trackId = openFullBox(requireBox(boxes, 'tfhd', traf.path)).reader.u32()
  const mediaTicks = decodeTicks(requireBox(boxes, 'tfdt', traf.path)) + compositionTicks(boxes)
  const sinceMs = (mediaTicks / timescale - startTicks / PRESENTATION_TIMESCALE) * 1_000
  const bytes = new Uint8Array(PRODUCER_REFERENCE_BYTES)
  writeProducerReference(new DataView(bytes.buffer), 0, { trackId, mediaTicks, wallMs: wallMs + sinceMs })
  return bytes
}

function decodeTicks(tfdt: Box): number {
  const { version, reader } = openFullBox(tfdt)
  return version === 1 ? reader.u64() : reader.u32()
}

/** Of the first sample. */
function compositionTicks(boxes: readonly Box[]): number {
  const trun = boxes.find(({ type }) => type === 'trun')
  if (!trun) throw new FormatError('moof/traf', 0, 'no samples')
  const { version, flags, reader } = openFullBox(trun)
  if (reader.u32() === 0 || (flags & TRUN.composition) === 0) return 0
  for (const flag of [TRUN.dataOffset, TRUN.firstFlags, TRUN.duration, TRUN.size, TRUN.flags]) {
    if (flags & flag) reader.u32()
  }
  const ticks = reader.u32()
  return version === 0 ? ticks : ticks | 0
}
