import { endName, eventId } from '../presentation/marker-events.ts'
import type { Marker } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { ListedPeriod } from './dash-period.ts'
import { element, textElement, type Xml } from './xml.ts'

/** SCTE 214-1 §6.7: the binary message within `scte35:Signal`. */
const SCTE35_SCHEME = 'urn:scte:scte35:2014:xml+bin'
const SCTE35_NAMESPACE = 'http://www.scte.org/schemas/35/2016'
/** What is no SCTE-35, as a JSON object of texts. */
const OWN_SCHEME = 'urn:org.headend:marker:1'

/**
 * The markers of each period. An event stands in the period in which it starts; one that started before the first, in that. `markers`: in
 * the order of their start.
 */
export function markersByPeriod(
  periods: readonly ListedPeriod[],
  markers: readonly Marker[],
): ReadonlyMap<ListedPeriod, readonly Marker[]> {
  const placed = new Map<ListedPeriod, Marker[]>()
  for (const marker of markers) {
    const period = periods.findLast(({ startTicks }) => startTicks <= marker.startTicks) ?? periods[0]
    if (!period) continue
    placed.set(period, [...(placed.get(period) ?? []), marker])
  }
  return placed
}

/**
 * The event streams of a period (ISO/IEC 23009-1 §5.10.2). `mediaTicks`: the media time (90 kHz) that plays at its start. The time
 * of an event is its media time, so that it is the same live and on demand.
 */
export function eventStreams(markers: readonly Marker[], mediaTicks: number): readonly Xml[] {
  const splices = markers.filter(({ scte35 }) => scte35 !== undefined)
  const others = markers.filter(({ scte35 }) => scte35 === undefined)
  return [
    ...stream(SCTE35_SCHEME, mediaTicks, splices.flatMap(spliceEvents)),
    ...stream(OWN_SCHEME, mediaTicks, others.map(ownEvent)),
  ]
}

function stream(schemeIdUri: string, mediaTicks: number, events: readonly Xml[]): Xml[] {
  if (events.length === 0) return []
  const attributes = { schemeIdUri, timescale: PRESENTATION_TIMESCALE, presentationTimeOffset: mediaTicks }
  return [element('EventStream', attributes, events)]
}

/** The end of a break is an event of its own, as it is a message of its own. */
function spliceEvents(marker: Marker): Xml[] {
  const { id, startTicks, durationTicks, plannedTicks, scte35, scte35In } = marker
  const duration = durationTicks ?? plannedTicks
  const begin = scte35 ? [spliceEvent(id, startTicks, duration, scte35)] : []
  const isOver = scte35In && durationTicks !== undefined
  return isOver ? [...begin, spliceEvent(endName(id), startTicks + durationTicks, undefined, scte35In)] : begin
}

function spliceEvent(id: string, presentationTime: number, duration: number | undefined, message: Uint8Array): Xml {
  const binary = textElement('Binary', Buffer.from(message).toString('base64'))
  const signal = element('Signal', { xmlns: SCTE35_NAMESPACE }, [binary])
  return element('Event', { presentationTime, duration, id: eventId(id) }, [signal])
}

function ownEvent({ id, kind, startTicks, durationTicks, plannedTicks, values = {} }: Marker): Xml {
  const duration = durationTicks ?? plannedTicks
  const messageData = JSON.stringify({ id, kind, ...values })
  return element('Event', { presentationTime: startTicks, duration, id: eventId(id), messageData })
}
