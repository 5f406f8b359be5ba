import { type Marker, markerEndTicks, type PlacedMarker } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { PresentationView, SegmentRow } from '../presentation/view.ts'
import { quoted, tagWith } from './hls-attributes.ts'
import type { ListedWindow } from './listed-window.ts'
import { isoTime } from './time-text.ts'

const CLASS_PREFIX = 'org.headend.'

/**
 * The markers that a manifest of this window tells of: what reaches into it, or is still to come. One that was called off, and
 * what would come behind the end, are none.
 */
export function listedMarkers(view: PresentationView, { first, end }: ListedWindow): readonly PlacedMarker[] {
  const { markers } = view
  if (markers.length === 0) return markers
  const fromTicks = view.segment(first)?.startTicks ?? 0
  const newest = view.segment(end - 1)
  const isBounded = view.ended || end < view.endSequence
  const untilTicks = isBounded && newest ? newest.startTicks + newest.durationTicks : Number.POSITIVE_INFINITY
  return markers.filter(
    (marker) => !marker.isCancelled && marker.startTicks < untilTicks && markerEndTicks(marker) >= fromTicks,
  )
}

/** `EXT-X-DATERANGE` of each (RFC 8216bis §4.4.5.1), in the order of their start. */
export function dateRangeTags(view: PresentationView, window: ListedWindow): string[] {
  return listedMarkers(view, window).map(dateRangeTag)
}

/** `EXT-X-DATERANGE` of one. */
export function dateRangeTag(marker: Marker): string {
  const { id, kind, wallMs, plannedTicks, durationTicks, scte35, scte35In, values = {} } = marker
  const isBreak = kind === 'ad-break'
  return tagWith('EXT-X-DATERANGE', {
    ID: quoted(id),
    CLASS: quoted(`${CLASS_PREFIX}${kind}`),
    'START-DATE': quoted(isoTime(wallMs)),
    DURATION: durationTicks === undefined ? undefined : seconds(durationTicks),
    'PLANNED-DURATION': plannedTicks === undefined ? undefined : seconds(plannedTicks),
    ...ownAttributes(values),
    'SCTE35-CMD': isBreak ? undefined : hex(scte35),
    'SCTE35-OUT': isBreak ? hex(scte35) : undefined,
    'SCTE35-IN': hex(scte35In),
  })
}

/** `X-…` of our own; where two names become one, the first counts. */
function ownAttributes(values: Readonly<Record<string, string>>): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(values)) {
    const attribute = `X-${name.toUpperCase().replace(/[^A-Z0-9-]+/g, '-')}`
    attributes[attribute] ??= quoted(value)
  }
  return attributes
}

/** Ticks as decimal seconds with milliseconds. */
function seconds(ticks: number): string {
  return (ticks / PRESENTATION_TIMESCALE).toFixed(3)
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes && `0x${Buffer.from(bytes).toString('hex').toUpperCase()}`
}

/**
 * Tags before the segments of a break as players and ad servers from before `EXT-X-DATERANGE` know them: `EXT-OATCLS-SCTE35` and
 * `EXT-X-CUE-OUT`, `EXT-X-CUE-OUT-CONT`, `EXT-X-CUE-IN`. A break begins and ends with the segment that starts nearest. What is given makes the
 * tags before a closed segment, each line with its end; asked for segments in their order, it looks at each marker once. It is good
 * until the view changes.
 */
export function cueTagsOf(view: Pick<PresentationView, 'segment' | 'markers'>): (sequence: number) => string {
  const breaks = view.markers.filter(({ kind, isCancelled }) => kind === 'ad-break' && !isCancelled)
  if (breaks.length === 0) return () => ''
  let walk = new BreakWalk(breaks)
  return (sequence) => {
    const row = view.segment(sequence)
    if (!row) return ''
    // What begins after the middle of this segment begins with the next one.
    const untilTicks = row.startTicks + row.durationTicks / 2
    // The segment before the first that is known was about as long.
    const before = view.segment(sequence - 1)
    const fromTicks = before ? before.startTicks + before.durationTicks / 2 : row.startTicks - row.durationTicks / 2
    if (walk.isPast(untilTicks)) walk = new BreakWalk(breaks)
    return walk.begunBefore(untilTicks).reduce((lines, each) => lines + cueTag(each, row, fromTicks, untilTicks), '')
  }
}

/** Breaks in the order of their start, and how far they were walked along. */
class BreakWalk {
  readonly #breaks: readonly Marker[]
  #next = 0
  #begun: readonly Marker[] = []
  #untilTicks = Number.NEGATIVE_INFINITY

  constructor(breaks: readonly Marker[]) {
    this.#breaks = breaks
  }

  isPast(ticks: number): boolean {
    return this.#untilTicks > ticks
  }

  /** Those that begin before this time, and were not over at the time that was asked for before. */
  begunBefore(untilTicks: number): readonly Marker[] {
    const goingOn = this.#begun.filter((marker) => cueEndTicks(marker) >= this.#untilTicks)
    const from = this.#next
    while ((this.#breaks[this.#next]?.startTicks ?? Number.POSITIVE_INFINITY) < untilTicks) this.#next++
    this.#begun = [...goingOn, ...this.#breaks.slice(from, this.#next)]
    this.#untilTicks = untilTicks
    return this.#begun
  }
}

function cueEndTicks({ startTicks, durationTicks }: Marker): number {
  return durationTicks === undefined ? Number.POSITIVE_INFINITY : startTicks + durationTicks
}

/** What one break has to say before a segment. It has begun with this one, or earlier. */
function cueTag(marker: Marker, row: SegmentRow, fromTicks: number, untilTicks: number): string {
  const { startTicks, plannedTicks, durationTicks } = marker
  const endTicks = cueEndTicks(marker)
  const length = durationTicks ?? plannedTicks
  if (endTicks < untilTicks) return endTicks >= fromTicks && startTicks < fromTicks ? '#EXT-X-CUE-IN\n' : ''
  if (startTicks >= fromTicks) return outTags(marker, length)
  return contTag(marker, row.startTicks - startTicks, length)
}

function outTags({ scte35 }: Marker, lengthTicks: number | undefined): string {
  const message = scte35 ? `#EXT-OATCLS-SCTE35:${Buffer.from(scte35).toString('base64')}\n` : ''
  return `${message}#EXT-X-CUE-OUT${lengthTicks === undefined ? '' : `:${seconds(lengthTicks)}`}\n`
}

function contTag({ scte35 }: Marker, elapsedTicks: number, lengthTicks: number | undefined): string {
  return `${tagWith('EXT-X-CUE-OUT-CONT', {
    ElapsedTime: seconds(Math.max(0, elapsedTicks)),
    Duration: lengthTicks === undefined ? undefined : seconds(lengthTicks),
    SCTE35: scte35 && Buffer.from(scte35).toString('base64'),
  })}\n`
}
