import type { TimeRange } from './engine.ts'

/** Where playback stands at a moment; everything in seconds of the element's own time. */
export type Standing = {
  readonly position: number
  /** Where playback at the live edge is advised to be, and how far behind the newest media that is. */
  readonly livePosition: number
  readonly liveDelayS: number
  /** Media ahead of the position without a hole. */
  readonly bufferedAheadS: number
}

/** Ahead of the advised position by this part of the advised delay, a late segment would stop playback. */
const LEAD_SHARE = 0.25
/** With this part of the advised delay in the buffer it would not: with the usual three segments, nearly two of them. */
const BUFFER_SHARE = 0.6
/** Whoever is further behind than this part of the advised delay does not watch live. */
const LIVE_SHARE = 1.5
const LATENCY_TOLERANCE_S = 0.3
/** Lands inside the first frame: browsers round a seek to a range's very start down to just before it, and wait there. */
const INSIDE_S = 0.06
const WORTH_A_JUMP_S = 0.5

/**
 * Whether playback that is about to begin should wait a moment: so close to the live edge that the next segment can't be
 * there in time, as a stream is that has just begun.
 */
export function shouldHold({ position, livePosition, liveDelayS, bufferedAheadS }: Standing): boolean {
  return position - livePosition > LEAD_SHARE * liveDelayS && bufferedAheadS < BUFFER_SHARE * liveDelayS
}

/** How old the picture is behind a hole, and how old it was before. */
export type Ageing = { readonly latencyS: number; readonly latencyBeforeS: number; readonly liveDelayS: number }

/**
 * Whether the first picture behind a hole should wait: until the viewer is as far behind as before. One who watched the
 * past is not made to wait for long.
 */
export function shouldHoldBehindHole({ latencyS, latencyBeforeS, liveDelayS }: Ageing): boolean {
  return latencyS < Math.min(latencyBeforeS, LIVE_SHARE * liveDelayS) - LATENCY_TOLERANCE_S
}

/** What `jumpTarget` looks at. */
export type Hole = {
  readonly position: number
  readonly buffered: readonly TimeRange[]
  readonly livePosition: number | undefined
  /** The newest stretch of media that is listed, in the buffer or not. */
  readonly stretch: TimeRange | undefined
  /** It has stood so long that the engine is not going to load what it needs by itself. */
  readonly isEngineStuck: boolean
}

/**
 * Where playback that stands still goes on: at the next media in the buffer, or at the live position in the stretch that
 * has begun since. `undefined`: nowhere yet; behind a hole media is entered only where it doesn't get closer to the live
 * edge than advised, so that the viewer's delay stays what it was.
 */
export function jumpTarget({ position, buffered, livePosition, stretch, isEngineStuck }: Hole): number | undefined {
  const reach = livePosition ?? Number.POSITIVE_INFINITY
  for (const { start, end } of buffered) {
    const isHere = start <= position + INSIDE_S && end > position + WORTH_A_JUMP_S
    // What is buffered here and does not play needs a nudge.
    if (isHere) return isEngineStuck || position <= start + INSIDE_S ? Math.max(position, start) + INSIDE_S : undefined
    if (start > position && end - start > WORTH_A_JUMP_S)
      return start + INSIDE_S <= reach ? start + INSIDE_S : undefined
  }
  if (!stretch || livePosition === undefined || !isEngineStuck) return undefined
  // In the stretch, and nothing comes: an engine that jumped here by itself may have missed it; a seek tells it again.
  if (position >= stretch.start) return position + WORTH_A_JUMP_S < stretch.end ? position + INSIDE_S : undefined
  return livePosition >= stretch.start + INSIDE_S ? livePosition : undefined
}
