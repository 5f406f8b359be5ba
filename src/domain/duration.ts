const MS_PER_UNIT = { D: 86_400_000, H: 3_600_000, M: 60_000, S: 1_000 } as const

const DURATION = /^P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:\.(\d{1,3}))?S)?)?$/

/**
 * Milliseconds of an ISO 8601 duration in days, hours, minutes and seconds to the millisecond (`PT2S`, `PT0.5S`, `P1DT1H`).
 * Years, months and weeks, whose length the calendar decides or nobody writes, are not taken. `undefined`: not a duration.
 */
export function parseDuration(text: string): number | undefined {
  const match = text.length > 64 ? null : DURATION.exec(text)
  if (!match || text === 'P' || text.endsWith('T')) return undefined
  const [days, hours, minutes, seconds] = match.slice(1, 5).map((digits) => Number(digits ?? 0))
  const fractionMs = Number((match[5] ?? '').padEnd(3, '0'))
  const wholeMs =
    (days ?? 0) * MS_PER_UNIT.D + (hours ?? 0) * MS_PER_UNIT.H + (minutes ?? 0) * MS_PER_UNIT.M + (seconds ?? 0) * 1_000
  const ms = wholeMs + fractionMs
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** The shortest ISO 8601 form in hours, minutes and seconds: 90,000 ms is `PT1M30S`, 25 hours are `PT25H`, none is `PT0S`. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms))
  const hours = Math.floor(whole / MS_PER_UNIT.H)
  const minutes = Math.floor((whole % MS_PER_UNIT.H) / MS_PER_UNIT.M)
  const seconds = (whole % MS_PER_UNIT.M) / MS_PER_UNIT.S
  const parts = [hours > 0 ? `${hours}H` : '', minutes > 0 ? `${minutes}M` : '', seconds > 0 ? `${seconds}S` : '']
  return `PT${parts.join('') || '0S'}`
}

/** Milliseconds of a duration that a schema has already let through. */
export function durationMs(text: string): number {
  return parseDuration(text) ?? Number.NaN
}
