import { type Loss, lostSince } from '../presentation/losses.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import { listsParts } from './hls-parts.ts'
import type { ListedWindow } from './listed-window.ts'

/** When a playlist is long enough for delta updates, and what they keep of it. */
export type SkipRule = {
  /** The Skip Boundary in target durations, six at least (RFC 8216bis §4.4.3.8). */
  readonly boundaryTargets: number
  /** Below that, a whole playlist takes hardly more packets than a delta update. */
  readonly minSkipped: number
}

/**
 * A player may ask for a delta update for as long as half the boundary after its last playlist, so twice the least boundary
 * lets it miss a few reloads; compressed, 256 segments are about one packet.
 */
const skipRule: SkipRule = { boundaryTargets: 12, minSkipped: 256 }

/** A playlist of parts is asked for twice a second and more: the least boundary, and whatever can be left out is. */
const partsSkipRule: SkipRule = { boundaryTargets: 6, minSkipped: 0 }

/** The rule for a view's playlists of segments, or for its other ones, which list no parts. */
export function skipRuleOf(view: PresentationView, isOfParts: boolean): SkipRule {
  return isOfParts && listsParts(view) ? partsSkipRule : skipRule
}

/** Where a loss makes a delta update longer than that, the whole is as good. */
const MAX_RESTATED = 1_024

/** How a playlist lets itself be skipped. */
export type Skipping = {
  /** `CAN-SKIP-UNTIL` and `HOLD-BACK`, in seconds. */
  readonly boundarySeconds: number
  readonly holdBackSeconds: number
  /** The first segment that a delta update lists; the window's first where it can skip nothing. */
  readonly firstKept: number
}

/** `EXT-X-TARGETDURATION`, in seconds. */
export function targetSeconds({ targetDurationMs }: PresentationHeader): number {
  return Math.max(1, Math.round(targetDurationMs / 1_000))
}

/** How this window lets itself be skipped; `undefined`: it does not, because it is short or changes no more. */
export function skippingOf(view: PresentationView, window: ListedWindow, rule: SkipRule): Skipping | undefined {
  if (view.archived) return undefined
  const boundarySeconds = rule.boundaryTargets * targetSeconds(view.header)
  const boundary = firstWithin(view, window, boundarySeconds)
  if (boundary - window.first < rule.minSkipped) return undefined
  const beforeLost = beforeLosses(view.header.recentLosses ?? [], boundary)
  const firstKept = boundary - beforeLost > MAX_RESTATED ? window.first : Math.max(window.first, beforeLost)
  return { boundarySeconds, holdBackSeconds: 3 * targetSeconds(view.header), firstKept }
}

/** The first segment nearer to the playlist's end than the boundary, and one more, since renditions differ by a frame. */
function firstWithin(view: PresentationView, { first, end }: ListedWindow, boundarySeconds: number): number {
  let leftTicks = boundarySeconds * PRESENTATION_TIMESCALE
  let sequence = end
  while (sequence > first && leftTicks > 0) leftTicks -= view.segment(--sequence)?.durationTicks ?? 0
  return Math.max(first, sequence - 1)
}

/**
 * A player that can use the delta update knew every segment before `boundary`. What was lost since then it does not know
 * of, so all from there on is kept; and so on, because that makes the update one for players that are further behind.
 */
function beforeLosses(losses: readonly Loss[], boundary: number): number {
  const lost = lostSince(losses, boundary)
  return lost === undefined || lost >= boundary ? boundary : beforeLosses(losses, lost)
}
