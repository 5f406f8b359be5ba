import { FormatError } from '../../lib/errors.ts'
import { type Box, childrenOf, openFullBox, requireBox } from './boxes.ts'
import type { SampleDefaults } from './movie.ts'
import { fragmentStartBytes, readTrackFragmentHeader, writeFragmentStart } from './track-fragment-header.ts'
import { isIndependent, type RunLayout, type RunSample, readRun, runBytes, writeRun } from './track-run.ts'

/** A sample that a `moof` announces; `offset` counts from the start of the stream. */
type AnnouncedSample = {
  readonly offset: number
  readonly sizeBytes: number
  readonly durationTicks: number
  readonly compositionTicks: number
  readonly independent: boolean
}

/** One `traf`: what a fragment holds of a track (ISO/IEC 14496-12 §8.8.6). */
export type TrackFragment = {
  readonly trackId: number
  /** Of the first sample; absent without `tfdt`, where the track goes on from its last sample. */
  readonly baseDecodeTicks?: number
  readonly samples: readonly AnnouncedSample[]
}

/** Where a fragment of one track stands in its stream. */
export type FragmentHeader = {
  readonly sequenceNumber: number
  readonly trackId: number
  readonly baseDecodeTicks: number
}

const TFDT = 0x74666474
const TFDT_BYTES = 20

/** More samples than any fragment has: what a `trun` may announce without a byte of its own is bounded by this alone. */
const MAX_SAMPLES = 262_144

/**
 * Reads a `moof` that starts at byte `moofStart` of its stream. A track without `trex` defaults, more than 262,144 samples,
 * or times past 2^53 are a `FormatError`.
 */
export function readMovieFragment(
  moof: Box,
  moofStart: number,
  trackDefaults: ReadonlyMap<number, SampleDefaults>,
): TrackFragment[] {
  const fragments: TrackFragment[] = []
  let samplesLeft = MAX_SAMPLES
  let previousEnd = moofStart
  for (const traf of childrenOf(moof)) {
    if (traf.type !== 'traf') continue
    const boxes = childrenOf(traf)
    const header = readTrackFragmentHeader(requireBox(boxes, 'tfhd', traf.path), trackDefaults)
    const fallback = header.isBasedOnMoof ? moofStart : previousEnd
    const base = header.baseDataOffset ?? fallback
    let end = base
    let baseDecodeTicks: number | undefined
    const samples: AnnouncedSample[] = []
    for (const box of boxes) {
      if (box.type === 'tfdt') baseDecodeTicks = readDecodeTime(box)
      if (box.type !== 'trun') continue
      const run = readRun(box, header.defaults, samplesLeft)
      samplesLeft -= run.samples.length
      if (run.dataOffset !== undefined) end = base + run.dataOffset
      for (const { sizeBytes, durationTicks, compositionTicks, flags } of run.samples) {
        samples.push({ offset: end, sizeBytes, durationTicks, compositionTicks, independent: isIndependent(flags) })
        end += sizeBytes
      }
    }
    previousEnd = end
    const { trackId } = header
    fragments.push(baseDecodeTicks === undefined ? { trackId, samples } : { trackId, baseDecodeTicks, samples })
  }
  return fragments
}

function readDecodeTime(tfdt: Box): number {
  const { version, reader } = openFullBox(tfdt)
  return version === 1 ? reader.u64() : reader.u32()
}

/** Bytes that the `moof` of one track with one run takes. */
export function movieFragmentBytes(layout: RunLayout): number {
  return fragmentStartBytes(layout) + TFDT_BYTES + runBytes(layout)
}

/**
 * Writes a `moof` at `at` of memory that has room for it, for sample data that begins `dataOffset` bytes after the start of
 * the `moof`; gives the offset behind it. `tfdt` is version 1, as a live clock outgrows 32 bits (ISO/IEC 14496-12 §8.8).
 */
export function writeMovieFragment(
  view: DataView,
  at: number,
  header: FragmentHeader,
  run: { readonly samples: readonly RunSample[]; readonly layout: RunLayout; readonly dataOffset: number },
): number {
  const { layout } = run
  const { baseDecodeTicks } = header
  if (!Number.isSafeInteger(baseDecodeTicks) || baseDecodeTicks < 0) {
    throw new FormatError('moof/traf/tfdt', at, `decode time ${baseDecodeTicks}`)
  }
  const { sequenceNumber, trackId } = header
  const moofBytes = movieFragmentBytes(layout)
  let next = writeFragmentStart(view, at, { moofBytes, sequenceNumber, trackId, layout, isBasedOnMoof: true })
  view.setUint32(next, TFDT_BYTES)
  view.setUint32(next + 4, TFDT)
  view.setUint32(next + 8, 0x01000000)
  view.setUint32(next + 12, Math.floor(baseDecodeTicks / 2 ** 32))
  view.setUint32(next + 16, baseDecodeTicks >>> 0)
  next += TFDT_BYTES
  return writeRun(view, next, run)
}
