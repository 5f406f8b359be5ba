import type { TakeMemory } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import { type SmoothInterval, smoothLeadingBytes, writeSmoothLeading } from '../media/isobmff/smooth-boxes.ts'
import { smoothDistance, smoothTime, smoothTimeText } from '../media/isobmff/smooth-time.ts'
import { layOutRun, type MeasuredSample } from '../media/isobmff/track-run.ts'
import { type StoredSample, samplesOf } from './fragment-samples.ts'
import type { SegmentPackaging, StoredSegment } from './segment-packaging.ts'

/** Which part of a fragment is wanted: all of it, or the `moof` alone, from which a player learns what follows ([MS-SSTR] §2.2.3). */
export type SmoothPart = 'fragment' | 'info'

/** `trun` counts its data in 31 bits. */
const MAX_FRAGMENT_BYTES = 0x7fffffff
/** Sending many small pieces costs more than copying them into one. */
const MAX_DATA_PIECES = 6

/**
 * Smooth Streaming fragments: the whole segment of one track in one `moof` with one `traf`, and one `mdat`. `next` are the fragments
 * of the track that follow: players of a live presentation learn of them by this one alone.
 */
export function smoothPackaging(
  kind: 'video' | 'audio',
  next: readonly SmoothInterval[],
  part: SmoothPart,
): SegmentPackaging {
  const following = next.map(({ time, duration }) => `${smoothTimeText(time)}.${duration}`)
  return {
    name: ['smooth', part, ...following].join('-'),
    contentType: `${kind}/mp4`,
    package: (segment, take) => packageSmooth(segment, next, part, take),
    ...(part === 'fragment' && { pieces: (segment, take) => smoothPieces(segment, next, take) }),
  }
}

function packageSmooth(
  segment: StoredSegment,
  next: readonly SmoothInterval[],
  part: SmoothPart,
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  const { stored, leadingBytes, dataBytes, writeLeading } = layOut(segment, next)
  // Every byte is written, so that zeroing it first would be for nothing.
  const bytes = take(part === 'info' ? leadingBytes : leadingBytes + dataBytes)
  const { mdatStart, dataStart } = writeLeading(bytes)
  if (part === 'info') return bytes.subarray(0, mdatStart)
  let at = dataStart
  for (const { bytes: source, from, to } of joined(stored)) {
    // `TypedArray.set` out of a SharedArrayBuffer copies in small atomic steps, ten times slower than this.
    at += Buffer.prototype.copy.call(source, bytes, at, from, to)
  }
  return bytes
}

/** The head is written, the samples stay where they are. */
function smoothPieces(
  segment: StoredSegment,
  next: readonly SmoothInterval[],
  take: TakeMemory,
): readonly Uint8Array[] | undefined {
  const { stored, leadingBytes, writeLeading } = layOut(segment, next)
  const data = joined(stored)
  if (data.length > MAX_DATA_PIECES) return undefined
  const leading = take(leadingBytes)
  writeLeading(leading)
  return [leading, ...data.map(({ bytes, from, to }) => bytes.subarray(from, to))]
}

function layOut({ row, media }: StoredSegment, next: readonly SmoothInterval[]) {
  const [only, ...others] = media
  if (!only || others.length > 0) throw new AppError('INTERNAL', `a Smooth fragment of ${media.length} tracks`)
  const { track, segment } = only
  const { startTicks, durationTicks } = segment
  const stored = samplesOf(only)
  const time = smoothTime(startTicks, track.timescale)
  const samples = placeSamples(stored, startTicks, track.timescale)
  const layout = layOutRun(samples)
  const leadingBytes = smoothLeadingBytes(layout, next.length)
  const { dataBytes } = layout
  if (leadingBytes + dataBytes > MAX_FRAGMENT_BYTES) {
    throw new AppError('LIMIT_EXCEEDED', `a fragment of ${leadingBytes + dataBytes} bytes`)
  }
  const header = {
    sequenceNumber: row.sequence >>> 0,
    trackId: track.track,
    time,
    duration: smoothTime(startTicks + durationTicks, track.timescale) - time,
    next,
  }
  const writeLeading = (bytes: Uint8Array) =>
    writeSmoothLeading(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), header, { samples, layout })
  return { stored, leadingBytes, dataBytes, writeLeading }
}

/**
 * The samples on Smooth's timeline. Players take the fragment's time, which is its earliest presentation time, for the time at which
 * the first sample is decoded: decoding is put off until then, by which composition offsets may fall below 0. Each instant is
 * rounded by itself, so that no error adds up.
 */
function placeSamples(stored: readonly StoredSample[], startTicks: number, timescale: number): MeasuredSample[] {
  const last = stored.at(-1)
  const firstDtsTicks = stored[0]?.dtsTicks ?? 0
  const lengthTicks = last ? last.dtsTicks + last.durationTicks - firstDtsTicks : 0
  const end = smoothTime(startTicks + lengthTicks, timescale) - smoothTime(startTicks, timescale)
  let at = 0
  return stored.map(({ from, to, dtsTicks, compositionTicks, independent }, index) => {
    const following = stored[index + 1]
    const nextAt = Math.max(at, following ? smoothDistance(following.dtsTicks - firstDtsTicks, timescale) : end)
    const presentedAt = smoothDistance(dtsTicks + compositionTicks - startTicks, timescale)
    const sample = {
      durationTicks: nextAt - at,
      compositionTicks: presentedAt - at,
      independent,
      // Of the data its length is enough here: a view for each sample would cost more than all else.
      data: { byteLength: to - from },
    }
    at = nextAt
    return sample
  })
}

/** The data of the samples, what lies in one piece taken together. */
function joined(
  stored: readonly StoredSample[],
): { readonly bytes: Uint8Array; readonly from: number; readonly to: number }[] {
  const runs: { readonly bytes: Uint8Array; readonly from: number; to: number }[] = []
  for (const { bytes, from, to } of stored) {
    const last = runs.at(-1)
    if (last?.bytes === bytes && last.to === from) last.to = to
    else runs.push({ bytes, from, to })
  }
  return runs
}
