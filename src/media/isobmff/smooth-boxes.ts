import { fragmentStartBytes, writeFragmentStart } from './track-fragment-header.ts'
import { type MeasuredSample, type RunLayout, runBytes, writeRun } from './track-run.ts'

/** When a fragment is, in ticks of Smooth's timescale. */
export type SmoothInterval = { readonly time: number; readonly duration: number }

/** What the `moof` of a Smooth Streaming fragment says besides its samples. */
export type SmoothFragmentHeader = SmoothInterval & {
  readonly sequenceNumber: number
  readonly trackId: number
  /** The fragments of the track that follow this one; at most 255. */
  readonly next: readonly SmoothInterval[]
}

/** The samples of a fragment and how its run is written. */
export type SmoothRun = {
  readonly samples: readonly MeasuredSample[]
  readonly layout: RunLayout
}

const UUID = 0x75756964
const MDAT = 0x6d646174
const HEADER_BYTES = 8
const FULL_BOX_BYTES = 4
const INTERVAL_BYTES = 16
/** Version 1: times take 64 bits. */
const TIMES_OF_64_BITS = 0x01000000

/** `tfxd`: 6d1d9b05-42d5-44e6-80e2-141daff757b2 ([MS-SSTR] §2.2.4.4). */
const TFXD: readonly number[] = [0x6d1d9b05, 0x42d544e6, 0x80e2141d, 0xaff757b2]
/** `tfrf`: d4807ef2-ca39-4695-8e54-26cb9e46a79f ([MS-SSTR] §2.2.4.5). */
const TFRF: readonly number[] = [0xd4807ef2, 0xca394695, 0x8e5426cb, 0x9e46a79f]
const USER_TYPE_BYTES = 16
const TFXD_BYTES = HEADER_BYTES + USER_TYPE_BYTES + FULL_BOX_BYTES + INTERVAL_BYTES

/** Bytes of a fragment before its sample data: the `moof` and the header of the `mdat`. */
export function smoothLeadingBytes(layout: RunLayout, nextCount: number): number {
  return moofBytes(layout, nextCount) + HEADER_BYTES
}

function moofBytes(layout: RunLayout, nextCount: number): number {
  return fragmentStartBytes(layout) + runBytes(layout) + TFXD_BYTES + referenceBytes(nextCount)
}

/** A fragment that nothing follows has no `tfrf` at all. */
function referenceBytes(nextCount: number): number {
  if (nextCount === 0) return 0
  return HEADER_BYTES + USER_TYPE_BYTES + FULL_BOX_BYTES + 1 + nextCount * INTERVAL_BYTES
}

/**
 * Writes, at the start of memory that has room for it, the `moof` of a Smooth Streaming fragment and the header of its `mdat`; gives
 * the offsets of that and of the sample data, which is the caller's to write. One `traf` of one run, without `tfdt`: the first sample
 * is decoded at the fragment's time ([MS-SSTR] §2.2.4).
 */
export function writeSmoothLeading(
  view: DataView,
  header: SmoothFragmentHeader,
  { samples, layout }: SmoothRun,
): { readonly mdatStart: number; readonly dataStart: number } {
  const { sequenceNumber, trackId } = header
  const moofSize = moofBytes(layout, header.next.length)
  const start = { moofBytes: moofSize, sequenceNumber, trackId, layout, isBasedOnMoof: false }
  let at = writeFragmentStart(view, 0, start)
  at = writeRun(view, at, { samples, layout, dataOffset: moofSize + HEADER_BYTES })
  at = writeOwnInterval(view, at, header)
  at = writeReferences(view, at, header.next)
  view.setUint32(at, HEADER_BYTES + layout.dataBytes)
  view.setUint32(at + 4, MDAT)
  return { mdatStart: at, dataStart: at + HEADER_BYTES }
}

function writeOwnInterval(view: DataView, at: number, interval: SmoothInterval): number {
  const next = writeUserBox(view, at, TFXD_BYTES, TFXD)
  return writeInterval(view, next, interval)
}

function writeReferences(view: DataView, at: number, intervals: readonly SmoothInterval[]): number {
  if (intervals.length === 0) return at
  let next = writeUserBox(view, at, referenceBytes(intervals.length), TFRF)
  view.setUint8(next, intervals.length)
  next += 1
  for (const interval of intervals) next = writeInterval(view, next, interval)
  return next
}

function writeUserBox(view: DataView, at: number, size: number, userType: readonly number[]): number {
  view.setUint32(at, size)
  view.setUint32(at + 4, UUID)
  for (const [word, bits] of userType.entries()) view.setUint32(at + HEADER_BYTES + word * 4, bits)
  view.setUint32(at + HEADER_BYTES + USER_TYPE_BYTES, TIMES_OF_64_BITS)
  return at + HEADER_BYTES + USER_TYPE_BYTES + FULL_BOX_BYTES
}

function writeInterval(view: DataView, at: number, { time, duration }: SmoothInterval): number {
  view.setBigUint64(at, BigInt(time))
  view.setBigUint64(at + 8, BigInt(duration))
  return at + INTERVAL_BYTES
}
