import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hasReached, isTooFarAhead } from '../manifest/hls-progress.ts'
import { findNumbered, type NumberedSegment } from '../presentation/epoch-grid.ts'
import { findPart, newestPart } from '../presentation/live-edge.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { type Goal, LiveWaits, type PartWaiter, type WaitLimits } from './live-waits.ts'
import { readReloadDirectives } from './reload-directives.ts'
import type { ResponseWatch } from './response-watch.ts'

/** RFC 8216bis §6.2.5.2: blocked for longer than three target durations, a request gets 503. */
const BLOCKED_TARGETS = 3
/** Connections on which nothing moves are cut, and nobody's part takes so long. */
const MAX_BLOCKED_MS = 60_000
/** Another origin may be so many parts ahead of this one's copy of the log. */
const PARTS_AHEAD = 3

/** What can be waited for. */
export type Awaited =
  | { readonly kind: 'playlist'; readonly rendition: Rendition }
  | { readonly kind: 'part'; readonly rendition: Rendition; readonly track: number; readonly number: number }
  | ({ readonly kind: 'numbered'; readonly rendition: Rendition } & NumberedSegment)
  /** A fragment of Smooth Streaming that is there, until what it tells of is. */
  | {
      readonly kind: 'smooth-fragment'
      readonly rendition: Rendition
      readonly sequence: number
      readonly isMet: Goal['isMet']
    }

/** Holds requests for what players at the live edge ask for before it is there (for LL-HLS RFC 8216bis §6.2.5.2, §6.2.6). */
export class BlockingReload {
  readonly #waits: LiveWaits

  constructor(parts: PartWaiter, clock: Clock, limits: WaitLimits) {
    this.#waits = new LiveWaits(parts, clock, limits)
  }

  /** Requests that wait now. */
  get waiting(): number {
    return this.#waits.size
  }

  /**
   * Resolves when what is asked for is there, or is not worth waiting for; says whether there was something to wait for, so
   * that the caller looks again at what is published.
   * @throws AppError `URL_INVALID` for directives that are malformed or too far ahead, and what `LiveWaits.wait` throws
   */
  async wait(view: PresentationView, requestTarget: string, awaited: Awaited, watch: ResponseWatch): Promise<boolean> {
    if (view.archived || (!view.live && awaited.kind !== 'smooth-fragment')) return false
    const goal = goalOf(view, requestTarget, awaited)
    if (!goal || goal.isMet(view)) return false
    watch.kind = 'blocked'
    await this.waitFor(view, goal, watch)
    return true
  }

  /** Resolves when the goal is met. @throws AppError what `LiveWaits.wait` throws */
  waitFor(view: PresentationView, goal: Goal, watch: ResponseWatch): Promise<void> {
    const limitMs = Math.min(MAX_BLOCKED_MS, BLOCKED_TARGETS * view.header.targetDurationMs)
    return this.#waits.wait(view, goal, limitMs, watch)
  }

  stop(): void {
    this.#waits.stop()
  }
}

function goalOf(view: PresentationView, requestTarget: string, awaited: Awaited): Goal | undefined {
  const { rendition } = awaited
  if (awaited.kind === 'smooth-fragment') {
    return { key: `smooth ${rendition.index} ${awaited.sequence}`, isMet: awaited.isMet }
  }
  if (awaited.kind === 'part') return partGoal(view, rendition, awaited.track, awaited.number)
  return awaited.kind === 'numbered' ? numberedGoal(rendition, awaited) : playlistGoal(view, rendition, requestTarget)
}

/** A segment by its number: until something of it is there, or never will be. */
function numberedGoal({ index }: Rendition, wanted: NumberedSegment): Goal {
  const { track, discontinuitySequence, number } = wanted
  return {
    key: `numbered ${track} ${discontinuitySequence} ${number}`,
    isMet: (now) => findNumbered(now, index, wanted).kind !== 'ahead',
  }
}

function playlistGoal(view: PresentationView, rendition: Rendition, requestTarget: string): Goal | undefined {
  const position = readReloadDirectives(requestTarget)
  if (!position || view.ended) return undefined
  if (isTooFarAhead(view, rendition, position)) {
    throw new AppError('URL_INVALID', 'The URL waits for what is far ahead: reload the playlist without _HLS_msn.')
  }
  const { msn, part } = position
  return {
    key: `${rendition.index} ${msn} ${part}`,
    isMet: (now) => hasReached(now, currentRendition(now, rendition), position),
  }
}

/** A part that a hint has named, or is about to. */
function partGoal(view: PresentationView, rendition: Rendition, track: number, number: number): Goal | undefined {
  const newest = view.live && newestPart(view.live, rendition.tracks)
  if (newest?.track !== track || newest.number === undefined) return undefined
  if (number <= newest.number || number > newest.number + PARTS_AHEAD) return undefined
  return { key: `part ${track} ${number}`, isMet: (now) => isSettled(now, rendition, track, number) }
}

/** Whether the part is there, or will never be, because another track has taken the place of this one. */
function isSettled(view: PresentationView, rendition: Rendition, track: number, number: number): boolean {
  if (view.ended || !view.live || findPart(view.live, track, number)) return true
  return currentRendition(view, rendition).tracks.at(-1)?.track !== track
}

function currentRendition({ renditions }: PresentationView, rendition: Rendition): Rendition {
  return renditions.find(({ index }) => index === rendition.index) ?? rendition
}
