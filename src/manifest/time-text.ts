const MICROS = 1_000_000

/**
 * An instant in whole microseconds since the epoch. Both ends of a segment are rounded by this and then subtracted, so
 * that the error of a sum of durations never grows; whole seconds are split off because ticks × 10^6 is past 2^53.
 */
export function microsAt(ticks: number, timescale: number): number {
  const seconds = Math.floor(ticks / timescale)
  return seconds * MICROS + Math.round(((ticks - seconds * timescale) * MICROS) / timescale)
}

/** An instant in one timescale as the nearest tick of another. */
export function rescale(ticks: number, timescale: number, toTimescale: number): number {
  const seconds = Math.floor(ticks / timescale)
  return seconds * toTimescale + Math.round(((ticks - seconds * timescale) * toTimescale) / timescale)
}

/** Microseconds as seconds with six digits: `2.002000`. */
export function secondsText(micros: number): string {
  const whole = Math.floor(micros / MICROS)
  return `${whole}.${String(micros - whole * MICROS).padStart(6, '0')}`
}

/** Microseconds as an xs:duration in seconds: `PT2.002S`. */
export function xmlDuration(micros: number): string {
  return `PT${secondsText(micros).replace(/\.?0+$/, '')}S`
}

/** Milliseconds since the epoch as ISO 8601, in UTC with milliseconds. */
export function isoTime(wallMs: number): string {
  return new Date(Math.round(wallMs)).toISOString()
}
