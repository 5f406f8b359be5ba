import type { XmlNode } from './xml-tree.ts'

/** How a document counts frames and ticks (TTML2 §7.2). */
export type TtmlClock = {
  readonly framesPerSecond: number
  readonly subFrames: number
  readonly ticksPerSecond: number
}

const CLOCK = /^(\d{2,6}):([0-5]\d):([0-5]\d|60)(?:(\.\d{1,9})|:(\d{2,6})(?:\.(\d{1,6}))?)?$/
const OFFSET = /^(\d{1,15}(?:\.\d{1,9})?)(h|m|s|ms|f|t)$/
const USUAL_FRAME_RATE = 30
const LONGEST_TIME = 64

/** Reads the `ttp:` parameters of the root; `parameter` gives one of them. What is nonsense is as if it were not there. */
export function readTtmlClock(parameter: (name: string) => string | undefined): TtmlClock {
  const given = positive(parameter('frameRate'))
  const [over = '', under = ''] = (parameter('frameRateMultiplier') ?? '').trim().split(/[\s:]+/)
  const multiplier = (positive(over) ?? 1) / (positive(under) ?? 1)
  const subFrames = positive(parameter('subFrameRate')) ?? 1
  const framesPerSecond = (given ?? USUAL_FRAME_RATE) * multiplier
  const ticksPerSecond = positive(parameter('tickRate')) ?? (given === undefined ? 1 : framesPerSecond * subFrames)
  return { framesPerSecond, subFrames, ticksPerSecond }
}

/** A time expression in milliseconds (TTML2 §12.3.1); `undefined` for what is none. */
export function readTtmlTime(text: string, clock: TtmlClock): number | undefined {
  if (text.length > LONGEST_TIME) return undefined
  const written = text.trim()
  const clocked = CLOCK.exec(written)
  if (clocked) {
    const [, hours, minutes, seconds, fraction = '0', frames = '0', subFrames = '0'] = clocked
    const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
    const inFrames = (Number(frames) + Number(subFrames) / clock.subFrames) / clock.framesPerSecond
    return (whole + Number(fraction) + inFrames) * 1_000
  }
  const [, amount, unit] = OFFSET.exec(written) ?? []
  if (amount === undefined) return undefined
  const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }[unit ?? '']
  if (unitMs !== undefined) return Number(amount) * unitMs
  return (Number(amount) * 1_000) / (unit === 'f' ? clock.framesPerSecond : clock.ticksPerSecond)
}

/** When an element is shown, in milliseconds of the document; `to` may be without an end. */
export type Interval = { readonly from: number; readonly to: number }

/**
 * When an element is shown within its parent, of whose children it begins at `base` (TTML2 §12.2): its `begin`, and the earlier of its `end` and `dur`.
 * `undefined`: a time of its own can't be read.
 */
export function intervalOf(
  { attributes }: XmlNode,
  parent: Interval,
  base: number,
  clock: TtmlClock,
): Interval | undefined {
  const times: (number | undefined)[] = []
  for (const name of ['begin', 'end', 'dur']) {
    const text = attributes.get(name)
    const time = text === undefined ? undefined : readTtmlTime(text, clock)
    if (text !== undefined && time === undefined) return undefined
    times.push(time)
  }
  const [begin = 0, end = Number.POSITIVE_INFINITY, duration = Number.POSITIVE_INFINITY] = times
  const from = base + begin
  return { from: Math.max(from, parent.from), to: Math.min(parent.to, base + end, from + duration) }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN)
  return Number.isFinite(value) && value > 0 ? value : undefined
}
