/** Ticks per second of Smooth Streaming, where nothing else is said: 100 ns each ([MS-SSTR] §2.2.2.1). */
export const SMOOTH_TIMESCALE = 10_000_000

/**
 * What every fragment's time is a multiple of. At 10 MHz today's Unix time is past 2^53, where players that count in doubles lose
 * single ticks: multiples of 8 they hold exactly until the year 2198. The rounding is 0.4 µs at most.
 */
const STEP = 8
const STEPS_PER_SECOND = SMOOTH_TIMESCALE / STEP

/** The instant at which a fragment starts or ends, on Smooth's timeline: exact as a number, although past 2^53. */
export function smoothTime(ticks: number, timescale: number): number {
  const seconds = Math.floor(ticks / timescale)
  const steps = Math.round(((ticks - seconds * timescale) * STEPS_PER_SECOND) / timescale)
  return (seconds * STEPS_PER_SECOND + steps) * STEP
}

/** A distance within a fragment, to the nearest tick. */
export function smoothDistance(ticks: number, timescale: number): number {
  return Math.round((ticks * SMOOTH_TIMESCALE) / timescale)
}

/** All digits of a time; a number's own text may end early where a double has no more to tell. */
export function smoothTimeText(time: number): string {
  return BigInt(time).toString()
}

/** The instant of a track that is nearest to a time. */
export function ticksAt(time: number, timescale: number): number {
  const seconds = Math.floor(time / SMOOTH_TIMESCALE)
  return seconds * timescale + Math.round(((time - seconds * SMOOTH_TIMESCALE) * timescale) / SMOOTH_TIMESCALE)
}

/** The instants of a track whose time this is, as far as doubles tell times apart: mostly one. */
export function* instantsAt(time: number, timescale: number): Iterable<number> {
  const nearest = ticksAt(time, timescale)
  // No log has such an instant, and past 2^53 the one after it would be the same.
  if (!Number.isSafeInteger(nearest + timescale)) return
  const reach = Math.ceil((STEP * timescale) / SMOOTH_TIMESCALE)
  for (let ticks = nearest - reach; ticks <= nearest + reach; ticks++) {
    if (Math.abs(smoothTime(ticks, timescale) - time) < STEP) yield ticks
  }
}
