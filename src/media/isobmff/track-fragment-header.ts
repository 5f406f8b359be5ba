import type { ByteReader } from '../../lib/bytes.ts'
import { type Box, openFullBox } from './boxes.ts'
import type { SampleDefaults } from './movie.ts'
import type { RunLayout } from './track-run.ts'

/** `tfhd` (ISO/IEC 14496-12 §8.8.7): which track a `traf` is of, where its data is counted from, and what its samples have in common. */
export type TrackFragmentHeader = {
  readonly trackId: number
  readonly baseDataOffset: number | undefined
  /** Data offsets count from the `moof`, where there is no `baseDataOffset`. */
  readonly isBasedOnMoof: boolean
  readonly defaults: SampleDefaults
}

/** What stands before the first box of the only `traf` of a `moof`. */
export type FragmentStart = {
  /** Of the whole `moof`. */
  readonly moofBytes: number
  readonly sequenceNumber: number
  readonly trackId: number
  readonly layout: RunLayout
  /** Without it data offsets of a first `traf` count from the `moof` all the same. */
  readonly isBasedOnMoof: boolean
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
const HEADER_BYTES = 8
const MFHD_BYTES = 16

/** Reads a `tfhd`. A track without `trex` defaults, or samples of another than its first entry, are a `FormatError`. */
export function readTrackFragmentHeader(
  tfhd: Box,
  trackDefaults: ReadonlyMap<number, SampleDefaults>,
): TrackFragmentHeader {
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
  return { trackId, baseDataOffset, isBasedOnMoof: (flags & DEFAULT_BASE_IS_MOOF) !== 0, defaults }
}

/** Only a track's first sample entry is read, so that samples of another would be taken for what they aren't. */
function requireFirstEntry(reader: ByteReader): void {
  const index = reader.u32()
  if (index !== 1) reader.fail(`sample description ${index}`)
}

/** Bytes up to the end of the `tfhd`: the headers of `moof` and `traf`, and all of `mfhd` and `tfhd`. */
export function fragmentStartBytes(layout: RunLayout): number {
  return HEADER_BYTES + MFHD_BYTES + HEADER_BYTES + headerBytes(layout)
}

function headerBytes({ durationPerSample, sizePerSample }: RunLayout): number {
  return 20 + (durationPerSample ? 0 : 4) + (sizePerSample ? 0 : 4)
}

/** Writes what stands before the other boxes of the only `traf` of a `moof`, at `at` of memory that has room for it; gives the offset behind it. */
export function writeFragmentStart(view: DataView, at: number, start: FragmentStart): number {
  const { moofBytes, sequenceNumber, trackId, layout, isBasedOnMoof } = start
  view.setUint32(at, moofBytes)
  view.setUint32(at + 4, MOOF)
  view.setUint32(at + 8, MFHD_BYTES)
  view.setUint32(at + 12, MFHD)
  view.setUint32(at + 16, 0)
  view.setUint32(at + 20, sequenceNumber)
  view.setUint32(at + 24, moofBytes - HEADER_BYTES - MFHD_BYTES)
  view.setUint32(at + 28, TRAF)
  return writeHeader(view, at + 32, trackId, layout, isBasedOnMoof ? DEFAULT_BASE_IS_MOOF : 0)
}

function writeHeader(view: DataView, at: number, trackId: number, layout: RunLayout, baseFlags: number): number {
  let flags = baseFlags | DEFAULT_FLAGS
  if (!layout.durationPerSample) flags |= DEFAULT_DURATION
  if (!layout.sizePerSample) flags |= DEFAULT_SIZE
  view.setUint32(at, headerBytes(layout))
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
  return next + 4
}
