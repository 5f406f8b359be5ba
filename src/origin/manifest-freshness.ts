import { lowLatencyOf } from '../manifest/dash-low-latency.ts'
import { listsParts } from '../manifest/hls-parts.ts'
import { hasReached } from '../manifest/hls-progress.ts'
import { targetSeconds } from '../manifest/hls-skip.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { readReloadDirectives } from './reload-directives.ts'

const CACHED_TARGETS = 6

/**
 * What an MPD changes with beside the view's version: a stretch of timeline that has just begun is told before its first segment is closed, where
 * that can be asked for.
 */
export function mpdVersion(view: PresentationView): (() => number) | undefined {
  if (!lowLatencyOf(view)) return undefined
  return () => {
    const newest = view.segment(view.endSequence - 1)
    const { openSegment, partVersion } = view.live ?? {}
    const isNew = openSegment && openSegment.discontinuitySequence !== newest?.discontinuitySequence
    return (isNew ? partVersion : undefined) ?? view.version
  }
}

/**
 * A playlist that was asked for by its newest part names itself: who asks for the same later gets at least what was wanted, so caches
 * outside may keep it for six target durations (RFC 8216bis §B.1). One that lies back may be newer with each request; `undefined` for that.
 */
export function reloadMaxAgeSeconds(
  view: PresentationView,
  rendition: Rendition,
  requestTarget: string,
  lists: 'key-frames' | 'segments',
): number | undefined {
  if (lists === 'key-frames' || view.ended || !listsParts(view)) return undefined
  const directives = readReloadDirectives(requestTarget)
  const isNewest = directives !== undefined && directives.msn >= view.endSequence - 1
  return isNewest && hasReached(view, rendition, directives) ? CACHED_TARGETS * targetSeconds(view.header) : undefined
}
