import type { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import { type Box, childrenOf, openFullBox, requireBox } from './boxes.ts'
import type { SampleDefaults } from './movie.ts'
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

const BASE_DATA_OFFSET = 0x000001
const SAMPLE_DESCRIPTION_INDEX = 0x000002
const DEFAULT_DURATION = 0x000008
const DEFAULT_SIZE = 0x000010
const DEFAULT_FLAGS = 0x000020
const DEFAULT_BASE_IS_MOOF = 0x020000

const MOOF = 0x6d6f6f66
const MFHD = 0x6d666864
const TRAF = 0x74726166
const TFHD = 0x74666864
const TFDT = 0x74666474
const MFHD_BYTES = 16
const TFDT_BYTES = 20

/** More samples than any fragment has: what a `trun` may announce without a byte of its own is bounded by this alone. */
const MAX_SAMPLES = 262_144

type TrackFragmentHeader = {
  readonly trackId: number
  readonly flags: number
  readonly baseDataOffset: number | undefined
  readonly defaults: SampleDefaults
}

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
    const fallback = header.flags & DEFAULT_BASE_IS_MOOF ? moofStart : previousEnd
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

function readTrackFragmentHeader(tfhd: Box, trackDefaults: ReadonlyMap<number, SampleDefaults>): TrackFragmentHeader {
  const { flags, reader } = openFullBox(tfhd)
  const trackId = reader.u32()
  const base = trackDefaults.get(trackId)
  if (base === undefined) return reader.fail(`track ${trackId} isn't in the movie box`)
  const baseDataOffset = flags & BASE_DATA_OFFSET ? reader.u64() : undefined
  if (flags & SAMPLE_DESCRIPTION_INDEX) requireFirstEntry(reader)
  const defaults = {
    durationTicks: flags & DEFAULT_DURATION ? reader.u32() : base.durationTicks,
    sizeBytes: flags & DEFAULT_SIZE ? reader.u32() : base.sizeBytes,
    flags: flags & DEFAULT_FLAGS ? reader.u32() : base.flags,
  }
  return { trackId, flags, baseDataOffset, defaults }
}

/** Only a track's first sample entry is read, so that samples of another would be taken for what they aren't. */
function requireFirstEntry(reader: ByteReader): void {
  const index = reader.u32()
  if (index !== 1) reader.fail(`sample description ${index}`)
}

function readDecodeTime(tfdt: Box): number {
  const { version, reader } = openFullBox(tfdt)
  return version === 1 ? reader.u64() : reader.u32()
}

/** Bytes that the `moof` of one track with one run takes. */
export function movieFragmentBytes(layout: RunLayout): number {
  return 8 + MFHD_BYTES + 8 + trackFragmentHeaderBytes(layout) + TFDT_BYTES + runBytes(layout)
}

function trackFragmentHeaderBytes(layout: RunLayout): number {
  return layout.durationPerSample ? (layout.sizePerSample ? 20 : 24) : layout.sizePerSample ? 24 : 28
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
  const moofSize = movieFragmentBytes(layout)
  view.setUint32(at, moofSize)
  view.setUint32(at + 4, MOOF)
  view.setUint32(at + 8, MFHD_BYTES)
  view.setUint32(at + 12, MFHD)
  view.setUint32(at + 16, 0)
  view.setUint32(at + 20, header.sequenceNumber)
  view.setUint32(at + 24, moofSize - 8 - MFHD_BYTES)
  view.setUint32(at + 28, TRAF)
  let next = writeTrackFragmentHeader(view, at + 32, header.trackId, layout)
  view.setUint32(next, TFDT_BYTES)
  view.setUint32(next + 4, TFDT)
  view.setUint32(next + 8, 0x01000000)
  view.setUint32(next + 12, Math.floor(baseDecodeTicks / 2 ** 32))
  view.setUint32(next + 16, baseDecodeTicks >>> 0)
  next += TFDT_BYTES
  return writeRun(view, next, run)
}

function writeTrackFragmentHeader(view: DataView, at: number, trackId: number, layout: RunLayout): number {
  let flags = DEFAULT_BASE_IS_MOOF | DEFAULT_FLAGS
  if (!layout.durationPerSample) flags |= DEFAULT_DURATION
  if (!layout.sizePerSample) flags |= DEFAULT_SIZE
  const size = trackFragmentHeaderBytes(layout)
  view.setUint32(at, size)
  view.setUint32(at + 4, TFHD)
  view.setUint32(at + 8, flags)
  view.setUint32(at + 12, trackId)
  let next = at + 16
  if (!layout.durationPerSample) {
    view.setUint32(next, layout.durationTicks)
    next += 4
  }
  if (!layout.sizePerSample) {
    view.setUint32(next, layout.sizeBytes)
    next += 4
  }
  view.setUint32(next, layout.defaultFlags)
  return at + size
}
