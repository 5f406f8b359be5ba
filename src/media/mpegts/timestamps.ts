/** PTS, DTS and PCR of a transport stream count at 90 kHz (ISO/IEC 13818-1 §2.4.3.7). */
export const TRANSPORT_TIMESCALE = 90_000

/** What a PTS stands above the time since its program's base: room for decoding times before the first picture. */
const START_TICKS = 10 * TRANSPORT_TIMESCALE
const WRAP = 2 ** 33

/**
 * An instant as transport streams count it, before it is cut to 33 bits: 90 kHz from the program's base (90 kHz as well), plus ten
 * seconds. Every track is rounded by itself to the nearest tick, so that none drifts.
 */
export function transportTicks(ticks: number, timescale: number, baseTicks: number): number {
  const seconds = Math.floor(ticks / timescale)
  const rest = Math.round(((ticks - seconds * timescale) * TRANSPORT_TIMESCALE) / timescale)
  return seconds * TRANSPORT_TIMESCALE + rest - baseTicks + START_TICKS
}

/** The 33 bits that a time is written in: they come round every 26.5 hours. */
export function wrapped(ticks: number): number {
  return ticks - Math.floor(ticks / WRAP) * WRAP
}

/** Writes the five bytes of a PTS or DTS with its four-bit `marker` (ISO/IEC 13818-1 §2.4.3.6). */
export function writeTimestamp(out: Uint8Array, at: number, marker: number, ticks: number): void {
  const time = wrapped(ticks)
  const high = Math.floor(time / 2 ** 30)
  const low = time % 2 ** 30
  out[at] = (marker << 4) | (high << 1) | 1
  out[at + 1] = low >>> 22
  out[at + 2] = ((low >>> 14) & 0xfe) | 1
  out[at + 3] = (low >>> 7) & 0xff
  out[at + 4] = ((low << 1) & 0xfe) | 1
}

/** Writes the six bytes of a PCR whose extension is 0 (ISO/IEC 13818-1 §2.4.3.5). */
export function writeClockReference(out: Uint8Array, at: number, ticks: number): void {
  const time = wrapped(ticks)
  const high = Math.floor(time / 2)
  out[at] = high >>> 24
  out[at + 1] = (high >>> 16) & 0xff
  out[at + 2] = (high >>> 8) & 0xff
  out[at + 3] = high & 0xff
  out[at + 4] = ((time % 2) << 7) | 0x7e
  out[at + 5] = 0
}
