import { AppError } from '../../lib/errors.ts'
import { movieFragmentBytes, writeMovieFragment } from '../isobmff/movie-fragment.ts'
import { PRODUCER_REFERENCE_BYTES, writeProducerReference } from '../isobmff/producer-reference.ts'
import { layOutRun, type RunLayout, type RunSample } from '../isobmff/track-run.ts'

/** A sample of a fragment: ticks of the track's timescale, `data` as ISOBMFF stores it. */
export type FragmentSample = RunSample

/** What becomes one fragment (`moof` and `mdat`) of one track. */
export type FragmentPlan = {
  readonly trackId: number
  readonly sequenceNumber: number
  /** DTS of the first sample. */
  readonly baseDecodeTicks: number
  readonly kind: 'video' | 'audio'
  readonly samples: readonly FragmentSample[]
  /** Writes `styp` first: the fragment opens a segment. */
  readonly opensSegment: boolean
  /** Writes a `prft`: the wall clock, in milliseconds from the Unix epoch, at the first sample's presentation time. */
  readonly producerReference?: { readonly ntpWallMs: number }
}

/** A fragment in the memory that was allocated for it. */
export type BuiltFragment = {
  readonly bytes: Uint8Array
  /** Bytes from the start to the end of the first sample: what an I-frame playlist points at. */
  readonly leadingBytes: number
}

const STYP = 0x73747970
const MDAT = 0x6d646174
const MSDH = 0x6d736468
const CMFS = 0x636d6673
const CMF2 = 0x636d6632
/** `data_offset` of a `trun` is a signed 32-bit number. */
const MAX_FRAGMENT_BYTES = 0x7fffffff

/**
 * A CMAF chunk (ISO/IEC 23000-19 §7.3.2): `styp` where it opens a segment, `prft` where wanted, `moof`, `mdat`. Every sample is
 * copied once, straight into the memory that `allocate` gives: it is called once, with the exact size, and may give memory that
 * holds anything. A composition offset below 0 makes `trun` version 1, and `styp` claim `cmf2`.
 */
export function buildFragment(
  plan: FragmentPlan,
  allocate: (sizeBytes: number) => Uint8Array = allocateOwn,
): BuiltFragment {
  const { samples, producerReference, opensSegment } = plan
  const layout = layOutRun(samples)
  const signed = layout.composition === 'signed'
  const prftBytes = producerReference === undefined ? 0 : PRODUCER_REFERENCE_BYTES
  const dataOffset = movieFragmentBytes(layout) + 8
  const dataStart = fragmentHeadBytes(layout, opensSegment) + prftBytes
  const sizeBytes = dataStart + layout.dataBytes
  if (sizeBytes > MAX_FRAGMENT_BYTES) throw new AppError('LIMIT_EXCEEDED', `a fragment of ${sizeBytes} bytes`)

  const bytes = allocate(sizeBytes)
  if (bytes.byteLength !== sizeBytes) throw new AppError('INTERNAL', `${bytes.byteLength} bytes given for ${sizeBytes}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = opensSegment ? writeSegmentType(view, signed) : 0
  if (producerReference !== undefined) {
    const mediaTicks = Math.max(0, plan.baseDecodeTicks + (samples[0]?.compositionTicks ?? 0))
    at = writeProducerReference(view, at, { trackId: plan.trackId, wallMs: producerReference.ntpWallMs, mediaTicks })
  }
  at = writeMovieFragment(view, at, plan, { samples, layout, dataOffset })
  view.setUint32(at, 8 + layout.dataBytes)
  view.setUint32(at + 4, MDAT)
  at += 8
  for (const sample of samples) {
    // `TypedArray.set` into a SharedArrayBuffer copies in small atomic steps, ten times slower than this.
    Buffer.prototype.copy.call(sample.data, bytes, at)
    at += sample.data.byteLength
  }
  return { bytes, leadingBytes: dataStart + (samples[0]?.data.byteLength ?? 0) }
}

/** Bytes that a fragment has before its first sample, without a `prft`: what can be told before its samples are there. */
export function fragmentHeadBytes(layout: RunLayout, opensSegment: boolean): number {
  const stypBytes = opensSegment ? segmentTypeBytes(layout.composition === 'signed') : 0
  return stypBytes + movieFragmentBytes(layout) + 8
}

/** Memory that isn't zeroed first, since every byte of it is written; of its own, not out of a pool. */
function allocateOwn(sizeBytes: number): Uint8Array {
  const memory = Buffer.allocUnsafeSlow(sizeBytes)
  return new Uint8Array(memory.buffer, memory.byteOffset, sizeBytes)
}

function segmentTypeBytes(signed: boolean): number {
  return signed ? 28 : 24
}

/** `styp` (ISO/IEC 14496-12 §8.16.2): a DASH media segment and a CMAF segment. */
function writeSegmentType(view: DataView, signed: boolean): number {
  const size = segmentTypeBytes(signed)
  view.setUint32(0, size)
  view.setUint32(4, STYP)
  view.setUint32(8, MSDH)
  view.setUint32(12, 0)
  view.setUint32(16, MSDH)
  view.setUint32(20, CMFS)
  if (signed) view.setUint32(24, CMF2)
  return size
}
