import { FormatError } from '../../lib/errors.ts'
import { type Box, childrenOf, openFullBox, readBoxes, requireBox } from '../../media/isobmff/boxes.ts'
import type { SampleDefaults } from '../../media/isobmff/movie.ts'
import { readMovieFragment } from '../../media/isobmff/movie-fragment.ts'

/** A sample where it lies: `from` ≤ offset < `to` of the fragment's bytes. */
export type LaidSample = { readonly from: number; readonly to: number; readonly dtsTicks: number }

/** A `moof` of one track and the samples that it announces. */
export type LaidFragment = {
  readonly bytes: Uint8Array
  readonly moof: Box
  readonly traf: Box
  readonly samples: readonly LaidSample[]
}

/** Bytes as they come, or a `moof` that is to grow. */
export type LaidPiece = { readonly bytes: Uint8Array; readonly fragment?: LaidFragment }

const BASE_DATA_OFFSET = 0x000001
const RUN_DATA_OFFSET = 0x000001
const BOX_HEADER_BYTES = 8

/** Takes fragments apart: what is copied as it is, and each `moof` with its samples. @throws FormatError for what is no CMAF of one track */
export function layOut(
  fragments: readonly Uint8Array[],
  defaults: ReadonlyMap<number, SampleDefaults>,
): readonly LaidPiece[] {
  return fragments.flatMap((bytes) => {
    const boxes = readBoxes(bytes, '')
    return boxes.map((box, index): LaidPiece => {
      const piece = { bytes: bytes.subarray(box.start, box.start + box.size) }
      if (box.type !== 'moof') return piece
      // Its samples lie between it and the next one: further away they would not move with it.
      const next = boxes.slice(index + 1).find(({ type }) => type === 'moof')
      return { ...piece, fragment: layOutFragment(bytes, box, defaults, next?.start) }
    })
  })
}

/** One `moof` of `bytes`, whose samples lie behind it and before `end`. Without a `tfdt` its samples' times count from 0. @throws FormatError */
export function layOutFragment(
  bytes: Uint8Array,
  moof: Box,
  defaults: ReadonlyMap<number, SampleDefaults>,
  end = bytes.byteLength,
): LaidFragment {
  if (moof.headerSize !== BOX_HEADER_BYTES) throw new FormatError(moof.path, moof.start, 'a 64-bit size')
  const trafs = childrenOf(moof).filter(({ type }) => type === 'traf')
  const [traf] = trafs
  const [run] = readMovieFragment(moof, moof.start, defaults)
  if (!traf || !run || trafs.length > 1) throw new FormatError(moof.path, moof.start, `${trafs.length} tracks, not one`)
  requireRelative(traf)
  let dtsTicks = run.baseDecodeTicks ?? 0
  const samples = run.samples.map(({ offset: from, sizeBytes, durationTicks }): LaidSample => {
    const to = from + sizeBytes
    if (from < moof.start + moof.size || to > end)
      throw new FormatError(moof.path, from, 'a sample outside its fragment')
    const sample = { from, to, dtsTicks }
    dtsTicks += durationTicks
    return sample
  })
  return { bytes, moof, traf, samples }
}

/** What a run says of its data has to move with it. */
function requireRelative(traf: Box): void {
  const boxes = childrenOf(traf)
  const { flags, reader } = openFullBox(requireBox(boxes, 'tfhd', traf.path))
  if (flags & BASE_DATA_OFFSET) reader.fail('data offsets that count from the start of a file')
  const run = openFullBox(requireBox(boxes, 'trun', traf.path))
  if (!(run.flags & RUN_DATA_OFFSET)) run.reader.fail('no data offset')
}

/**
 * Writes the `moof` at `at` of memory that has room for it, `added` standing at the end of its `traf`, and every data offset moved by as
 * much; gives where `added` begins, counted from the start of the `moof`.
 */
export function writeGrownMoof(out: Buffer, at: number, { moof, traf }: LaidFragment, added: Uint8Array): number {
  const growth = added.byteLength
  // Of a child box, `start` counts from its parent's body.
  const trafAt = BOX_HEADER_BYTES + traf.start
  const trafEnd = trafAt + traf.size
  Buffer.prototype.copy.call(moof.body, out, at + BOX_HEADER_BYTES, 0, traf.start + traf.size)
  Buffer.prototype.copy.call(added, out, at + trafEnd)
  Buffer.prototype.copy.call(moof.body, out, at + trafEnd + growth, traf.start + traf.size)
  out.writeUInt32BE(moof.size + growth, at)
  out.write('moof', at + 4, 'latin1')
  out.writeUInt32BE(traf.size + growth, at + trafAt)
  for (const run of childrenOf(traf)) {
    if (run.type !== 'trun' || !(openFullBox(run).flags & RUN_DATA_OFFSET)) continue
    const offsetAt = at + trafAt + traf.headerSize + run.start + run.headerSize + 8
    out.writeInt32BE(out.readInt32BE(offsetAt) + growth, offsetAt)
  }
  return trafEnd
}
