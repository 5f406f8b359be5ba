import { equalBytes } from '../lib/bytes.ts'
import type { CodecConfig } from '../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { QueuedSample, RenditionTrack } from './rendition-track.ts'
import type { SegmentAssembly } from './segment-assembly.ts'

/** A rendition's place in the segmenter. */
export type RenditionState = {
  readonly track: RenditionTrack
  /** The segment it fills; `undefined` until it has found its first. */
  at: SegmentAssembly | undefined
  needsKeyFrame: boolean
  /** The first segment it may appear in. */
  joinSequence: number
}

/** How long audio alone waits for a video track to show up before it leads. */
const LEAD_WAIT_TICKS = PRESENTATION_TIMESCALE
/** A key frame lands on the same instant in every rendition, give or take the rounding of timestamps. */
const ROUNDING_TICKS = 900

/** Whether `sample` is the one with which a rendition that follows the leading one goes over to the segment `next`. */
export function opensFor(
  state: RenditionState,
  next: SegmentAssembly,
  sample: QueuedSample,
  targetTicks: number,
): boolean {
  const { startTicks, audioFromTicks, cut } = next.head
  const { track } = state
  if (!track.isVideo) {
    const halfFrameTicks = ((sample.durationTicks / track.timescale) * PRESENTATION_TIMESCALE) / 2
    return sample.timeTicks >= audioFromTicks - halfFrameTicks
  }
  const isThere = sample.timeTicks >= startTicks - ROUNDING_TICKS
  const isOverdue = sample.decodeTicks - startTicks > targetTicks
  return (isThere && (sample.independent || cut === 'forced')) || (isOverdue && !state.needsKeyFrame)
}

/** Whether audio has been alone for long enough to lead. */
export function hasWaited(audio: RenditionState | undefined): boolean {
  const first = audio?.track.queue[0]
  return audio !== undefined && first !== undefined && audio.track.newestTicks - first.decodeTicks >= LEAD_WAIT_TICKS
}

/** The same init segment would be made of both. */
export function equalConfigs(a: CodecConfig, b: CodecConfig): boolean {
  return a.codecString === b.codecString && equalBytes(a.record, b.record)
}
