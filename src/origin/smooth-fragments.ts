import { AppError } from '../lib/errors.ts'
import { LOOK_AHEAD_FRAGMENTS } from '../manifest/smooth-manifest.ts'
import { findQualityLevel } from '../manifest/smooth-names.ts'
import type { SmoothInterval } from '../media/isobmff/smooth-boxes.ts'
import { instantsAt, smoothTime, ticksAt } from '../media/isobmff/smooth-time.ts'
import { type SmoothPart, smoothPackaging } from '../packaging/smooth-fragment.ts'
import type { PresentationView, Rendition, RenditionSegment } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import { absent, type MediaRequest } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import { isSparseStream, sparseFragmentAnswer } from './smooth-sparse-answers.ts'

/** A hole that is longer ends what a fragment tells of: players look at the manifest again. It is read through for each request. */
const MAX_HOLE_SEGMENTS = 1_024

/** `QualityLevels(bitrate)/Fragments(stream=time)` of Smooth Streaming, or `…/FragmentInfo(…)`. */
export type SmoothFragmentTarget = {
  readonly kind: 'smooth-fragment'
  readonly bitrate: number
  readonly stream: string
  /** As a double has it: whoever counts in doubles asks for nothing else. */
  readonly time: number
  readonly part: SmoothPart
}

/**
 * A fragment by the time that the manifest, or a fragment before it, gives it.
 * @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`; `SEGMENT_NOT_YET` also where it is there, but not yet those that it has to tell of
 */
export async function smoothFragmentAnswer(
  asked: MediaRequest,
  packaged: PackagedSegments,
  { bitrate, stream, time, part }: SmoothFragmentTarget,
): Promise<Answer> {
  const { view } = asked
  if (isSparseStream(stream)) return sparseFragmentAnswer(asked, time)
  const rendition = findQualityLevel(view, stream, bitrate)
  if (!rendition) throw new AppError('URL_UNKNOWN', 'The presentation has no such quality level.')
  const segment = findAt(view, rendition, time)
  if (!segment) throw absent(view, rendition, ticksAt(time, rendition.tracks.at(-1)?.timescale ?? 1))
  const packaging = smoothPackaging(rendition.kind, followers(view, rendition, segment), part)
  return packaged.answer(asked, [rendition], segment.sequence, packaging)
}

function findAt(view: PresentationView, { index, tracks }: Rendition, time: number): RenditionSegment | undefined {
  for (const timescale of new Set(tracks.map((track) => track.timescale))) {
    for (const ticks of instantsAt(time, timescale)) {
      const segment = view.findSegment(index, ticks)
      if (segment && view.track(segment.track)?.timescale === timescale) return segment
    }
  }
  return undefined
}

/** The fragments that a player may go on with from this one: of the same codec configuration, and across holes. */
function followers(
  view: PresentationView,
  { index }: Rendition,
  { sequence, track }: RenditionSegment,
): readonly SmoothInterval[] {
  const timescale = view.track(track)?.timescale ?? 1
  const next: SmoothInterval[] = []
  let hole = 0
  for (let at = sequence + 1; at < view.endSequence; at++) {
    const media = view.renditionSegment(index, at)
    if (!media && ++hole <= MAX_HOLE_SEGMENTS) continue
    if (media?.track !== track) return next
    const time = smoothTime(media.startTicks, timescale)
    next.push({ time, duration: smoothTime(media.startTicks + media.durationTicks, timescale) - time })
    if (next.length === LOOK_AHEAD_FRAGMENTS) return next
  }
  if (view.ended) return next
  throw new AppError('SEGMENT_NOT_YET', 'The fragments that follow this one are not there yet.')
}
