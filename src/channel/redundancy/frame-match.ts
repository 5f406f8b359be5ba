import type { FrameRing, SeenFrame } from './frame-ring.ts'

/** That two inputs carry the same coded frames. */
export type FrameMatch = {
  /** What has to be added to the other's times (ms, unrolled) to get ours. */
  readonly offsetMs: number
  /** Up to here, in our time, the frames were compared. */
  readonly untilMs: number
}

/** Two connections round the same instant to whole milliseconds each for itself. */
const ROUNDING_MS = 2
const GOPS = 2
/** However short they are: where every picture is a key frame, two of them prove nothing. */
const LEAST_STRETCH_MS = 2_000
/** Sound alone has no GOPs: so long a stretch is compared. */
const SOUND_ONLY_MS = 4_000
/** How sound and pictures are interleaved may leave the ends of a stretch of sound open. */
const INTERLEAVING_MS = 500
const LEAST_EVIDENCE_MS = 1_000
/** Random access points that are tried as the end of the stretch, and places where the other may have one, each. */
const TRIES = 4

/**
 * Whether both carry the same coded frames of one encoder: all streams have equal frames at a constant distance in time over the
 * two newest GOPs that both have whole, and since. A still picture is coded alike again and again; of several distances that fit, the one is
 * taken at which the frames arrived side by side.
 */
export function matchFrames(ours: FrameRing, theirs: FrameRing): FrameMatch | undefined {
  const streams = ours.streams
  if (streams.length === 0 || streams.length !== theirs.streams.length) return undefined
  const lead = streams.includes('video/0') ? 'video/0' : (streams[0] ?? '')
  const others = streams.filter((stream) => stream !== lead)
  for (const stretch of stretchesOf(ours.framesOf(lead), lead.startsWith('video'))) {
    for (const theirEnd of twinsOf(stretch.end, theirs.framesOf(lead))) {
      const offsetMs = stretch.end.ms - theirEnd.ms
      const { fromMs, untilMs } = { fromMs: stretch.start.ms, untilMs: stretch.end.ms }
      if (!agree(ours.framesOf(lead), theirs.framesOf(lead), offsetMs, fromMs, untilMs)) continue
      const inner = [fromMs + INTERLEAVING_MS, untilMs - INTERLEAVING_MS] as const
      if (!others.every((stream) => agree(ours.framesOf(stream), theirs.framesOf(stream), offsetMs, ...inner))) continue
      const match = { offsetMs, untilMs }
      if (stillMatches(match, ours, theirs)) return match
    }
  }
  return undefined
}

/**
 * The same on less evidence, for when there is no time for more: one of them has come so lately that both have not got two whole
 * GOPs. From a key frame that both have, all pictures and sounds so far are the same, and that for a second at least.
 */
export function matchNewest(ours: FrameRing, theirs: FrameRing): FrameMatch | undefined {
  const [mine, other] = [ours.framesOf('video/0'), theirs.framesOf('video/0')]
  const keys = mine.filter(({ independent }) => independent).slice(-TRIES)
  for (const start of keys) {
    for (const twin of twinsOf(start, other)) {
      const offsetMs = start.ms - twin.ms
      const commonMs = Math.min(mine.at(-1)?.ms ?? 0, (other.at(-1)?.ms ?? 0) + offsetMs)
      if (commonMs - start.ms < LEAST_EVIDENCE_MS) continue
      const match = { offsetMs, untilMs: start.ms + INTERLEAVING_MS }
      if (stillMatches(match, ours, theirs)) return match
    }
  }
  return undefined
}

/** Whether what came since the match, as far as both have it, is the same too. */
export function stillMatches({ offsetMs, untilMs }: FrameMatch, ours: FrameRing, theirs: FrameRing): boolean {
  return ours.streams.every((stream) => {
    const [mine, other] = [ours.framesOf(stream), theirs.framesOf(stream)]
    const commonMs = Math.min(mine.at(-1)?.ms ?? 0, (other.at(-1)?.ms ?? 0) + offsetMs)
    const fromMs = untilMs - INTERLEAVING_MS
    return commonMs <= fromMs || agree(mine, other, offsetMs, fromMs, commonMs)
  })
}

/** The newest stretches of two whole GOPs, or of some seconds of sound. */
function stretchesOf(
  frames: readonly SeenFrame[],
  isVideo: boolean,
): { readonly start: SeenFrame; readonly end: SeenFrame }[] {
  if (!isVideo) {
    const end = frames.at(-1 - TRIES) ?? frames.at(-1)
    const start = end && frames.find(({ ms }) => ms >= end.ms - SOUND_ONLY_MS)
    return start && end.ms - start.ms > SOUND_ONLY_MS - INTERLEAVING_MS ? [{ start, end }] : []
  }
  const keys = frames.filter(({ independent }) => independent)
  return keys
    .slice(GOPS)
    .slice(-TRIES)
    .flatMap((end) => {
      const before = keys.slice(0, keys.indexOf(end) - GOPS + 1)
      const start = before.findLast(({ ms }) => end.ms - ms >= LEAST_STRETCH_MS)
      return start ? [{ start, end }] : []
    })
    .reverse()
}

/** Where the other has the same frame, what arrived at about the same time first. */
function twinsOf({ digest, arrivedMs }: SeenFrame, frames: readonly SeenFrame[]): readonly SeenFrame[] {
  const distance = (frame: SeenFrame) => Math.abs(frame.arrivedMs - arrivedMs)
  return frames
    .filter((frame) => frame.digest === digest)
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, TRIES)
}

/** The same frames, one for one, at the same distance; times of ours, ends included. */
function agree(
  ours: readonly SeenFrame[],
  theirs: readonly SeenFrame[],
  offsetMs: number,
  fromMs: number,
  untilMs: number,
): boolean {
  const mine = ours.filter(({ ms }) => ms >= fromMs && ms <= untilMs)
  const from = (mine[0]?.ms ?? fromMs) - offsetMs - ROUNDING_MS
  const until = (mine.at(-1)?.ms ?? untilMs) - offsetMs + ROUNDING_MS
  const other = theirs.filter(({ ms }) => ms >= from && ms <= until)
  return (
    mine.length === other.length &&
    mine.every((frame, index) => {
      const twin = other[index]
      return twin?.digest === frame.digest && Math.abs(frame.ms - twin.ms - offsetMs) <= ROUNDING_MS
    })
  )
}
