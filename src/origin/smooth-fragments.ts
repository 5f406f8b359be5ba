import { AppError } from '../lib/errors.ts'
import { LOOK_AHEAD_FRAGMENTS } from '../manifest/smooth-manifest.ts'
import { findQualityLevel } from '../manifest/smooth-names.ts'
import type { SmoothInterval } from '../media/isobmff/smooth-boxes.ts'
import { instantsAt, smoothTime, ticksAt } from '../media/isobmff/smooth-time.ts'
import type { SmoothPart } from '../packaging/smooth-fragment.ts'
import type { PresentationView, Rendition, RenditionSegment } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import type { Awaited } from './blocking-reload.ts'
import type { EncryptionWord } from './deliveries.ts'
import type { DeliveryKeys } from './delivery-keys.ts'
import { absent, type MediaRequest } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import { deliveredSmooth } from './smooth-protection.ts'
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
  /** How it is to be protected; absent: the URL leaves it open. */
  readonly encryption?: EncryptionWord | undefined
}

/**
 * A fragment by the time that the manifest, or a fragment before it, gives it.
 * @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`; `SEGMENT_NOT_YET` also where it is there, but not yet those that it has to tell of
 */
export async function smoothFragmentAnswer(
  asked: MediaRequest,
  packaged: PackagedSegments,
  keys: DeliveryKeys,
  { bitrate, stream, time, part }: SmoothFragmentTarget,
): Promise<Answer> {
  const { view, delivery } = asked
  if (isSparseStream(stream)) return sparseFragmentAnswer(asked, time)
  const rendition = findQualityLevel(view, stream, bitrate)
  if (!rendition) throw new AppError('URL_UNKNOWN', 'The presentation has no such quality level.')
  const segment = findAt(view, rendition, time)
  const track = segment && view.track(segment.track)
  if (!track) throw absent(view, rendition, ticksAt(time, rendition.tracks.at(-1)?.timescale ?? 1))
  const next = followers(view, rendition, segment)
  const packaging = await deliveredSmooth(delivery, keys, track, { next, part })
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

/**
 * A fragment that is there, but not yet those that it has to tell of: the one before has named it, so players ask for it at once, and a
 * refusal would cost them the second after which they try again.
 */
export function awaitedFragment(
  view: PresentationView,
  { stream, bitrate, time }: SmoothFragmentTarget,
): Extract<Awaited, { kind: 'smooth-fragment' }> | undefined {
  const rendition = isSparseStream(stream) ? undefined : findQualityLevel(view, stream, bitrate)
  const segment = rendition && findAt(view, rendition, time)
  if (!segment) return undefined
  const isMet = (now: PresentationView) => now.ended || told(now, rendition, segment).isWhole
  return { kind: 'smooth-fragment', rendition, sequence: segment.sequence, isMet }
}

function followers(view: PresentationView, rendition: Rendition, segment: RenditionSegment): readonly SmoothInterval[] {
  const { next, isWhole } = told(view, rendition, segment)
  if (isWhole || view.ended) return next
  throw new AppError('SEGMENT_NOT_YET', 'The fragments that follow this one are not there yet.')
}

/** The fragments that a player may go on with from this one: of the same codec configuration, and across holes. `isWhole`: no more will be told. */
function told(
  view: PresentationView,
  { index }: Rendition,
  { sequence, track }: RenditionSegment,
): { readonly next: readonly SmoothInterval[]; readonly isWhole: boolean } {
  const timescale = view.track(track)?.timescale ?? 1
  const next: SmoothInterval[] = []
  let hole = 0
  for (let at = sequence + 1; at < view.endSequence; at++) {
    const media = view.renditionSegment(index, at)
    if (!media && ++hole <= MAX_HOLE_SEGMENTS) continue
    if (media?.track !== track) return { next, isWhole: true }
    const time = smoothTime(media.startTicks, timescale)
    next.push({ time, duration: smoothTime(media.startTicks + media.durationTicks, timescale) - time })
    if (next.length === LOOK_AHEAD_FRAGMENTS) return { next, isWhole: true }
  }
  return { next, isWhole: false }
}
