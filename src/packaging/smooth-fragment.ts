import { AppError } from '../lib/errors.ts'
import { type SmoothInterval, smoothLeadingBytes, writeSmoothLeading } from '../media/isobmff/smooth-boxes.ts'
import { smoothDistance, smoothTime, smoothTimeText } from '../media/isobmff/smooth-time.ts'
import { layOutRun, type RunSample } from '../media/isobmff/track-run.ts'
import { type StoredSample, samplesOf } from './fragment-samples.ts'
import type { SegmentPackaging, StoredSegment, TakeMemory } from './segment-packaging.ts'

/** Which part of a fragment is wanted: all of it, or the `moof` alone, from which a player learns what follows ([MS-SSTR] §2.2.3). */
export type SmoothPart = 'fragment' | 'info'

/** `trun` counts its data in 31 bits. */
const MAX_FRAGMENT_BYTES = 0x7fffffff

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
  }
}

function packageSmooth(
  { row, media }: StoredSegment,
  next: readonly SmoothInterval[],
  part: SmoothPart,
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  const [only, ...others] = media
  if (!only || others.length > 0) throw new AppError('INTERNAL', `a Smooth fragment of ${media.length} tracks`)
  const { track, segment } = only
  const { startTicks, durationTicks } = segment
  const stored = samplesOf(only)
  const time = smoothTime(startTicks, track.timescale)
  const samples = placeSamples(stored, startTicks, track.timescale)
  const layout = layOutRun(samples)
  const leadingBytes = smoothLeadingBytes(layout, next.length)
  const sizeBytes = leadingBytes + layout.dataBytes
  if (sizeBytes > MAX_FRAGMENT_BYTES) throw new AppError('LIMIT_EXCEEDED', `a fragment of ${sizeBytes} bytes`)

  // Every byte is written, so that zeroing it first would be for nothing.
  const bytes = take(part === 'info' ? leadingBytes : sizeBytes)
  const header = {
    sequenceNumber: row.sequence >>> 0,
    trackId: track.track,
    time,
    duration: smoothTime(startTicks + durationTicks, track.timescale) - time,
    next,
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { mdatStart, dataStart } = writeSmoothLeading(view, header, { samples, layout })
  if (part === 'info') return bytes.subarray(0, mdatStart)
  copyData(stored, bytes, dataStart)
  return bytes
}

/**
 * The samples on Smooth's timeline. Players take the fragment's time, which is its earliest presentation time, for the time at which
 * the first sample is decoded: decoding is put off until then, by which composition offsets may fall below 0. Each instant is
 * rounded by itself, so that no error adds up.
 */
function placeSamples(stored: readonly StoredSample[], startTicks: number, timescale: number): RunSample[] {
  const last = stored.at(-1)
  const firstDtsTicks = stored[0]?.dtsTicks ?? 0
  const lengthTicks = last ? last.dtsTicks + last.durationTicks - firstDtsTicks : 0
  const end = smoothTime(startTicks + lengthTicks, timescale) - smoothTime(startTicks, timescale)
  let at = 0
  return stored.map(({ bytes, from, to, dtsTicks, compositionTicks, independent }, index) => {
    const following = stored[index + 1]
    const nextAt = Math.max(at, following ? smoothDistance(following.dtsTicks - firstDtsTicks, timescale) : end)
    const presentedAt = smoothDistance(dtsTicks + compositionTicks - startTicks, timescale)
    const sample = {
      durationTicks: nextAt - at,
      compositionTicks: presentedAt - at,
      independent,
      data: bytes.subarray(from, to),
    }
    at = nextAt
    return sample
  })
}

/** Copies what lies in one piece in one go. */
function copyData(stored: readonly StoredSample[], target: Uint8Array, start: number): void {
  let at = start
  for (let first = 0; first < stored.length; ) {
    const { bytes, from, to } = stored[first] as StoredSample
    let end = to
    let next = first + 1
    for (let sample = stored[next]; sample?.bytes === bytes && sample.from === end; sample = stored[++next]) {
      end = sample.to
    }
    // `TypedArray.set` out of a SharedArrayBuffer copies in small atomic steps, ten times slower than this.
    at += Buffer.prototype.copy.call(bytes, target, at, from, end)
    first = next
  }
}
