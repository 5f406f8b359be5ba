import { textTag } from '../media/id3/text-tag.ts'
import { buildEventMessage } from '../media/isobmff/event-message.ts'
import type { Marker } from './markers.ts'
import { PRESENTATION_TIMESCALE } from './records.ts'

/** SCTE-35 in segments: the binary section (SCTE 214-3 §7). */
export const SCTE35_IN_BAND = 'urn:scte:scte35:2013:bin'
/** Whatever else there is of timed metadata, as an ID3 tag (AOM "Carriage of ID3 Timed Metadata in CMAF" §2). */
export const ID3_IN_BAND = 'https://aomedia.org/emsg/ID3'

/** What names an event among events is a 32-bit number: the same for the same name, wherever it is rendered. */
export function eventId(name: string): number {
  let hash = 0x811c_9dc5
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0
  return hash
}

/** The end of a break is an event of its own, as it is a message of its own. */
export function endName(id: string): string {
  return `${id}/in`
}

/** The `emsg` that a marker begins with. It says nothing that is only known later. */
export function beginMessage({ id, kind, startTicks, plannedTicks, scte35, values = {} }: Marker): Uint8Array {
  return buildEventMessage({
    schemeIdUri: scte35 ? SCTE35_IN_BAND : ID3_IN_BAND,
    value: '',
    timescale: PRESENTATION_TIMESCALE,
    presentationTime: startTicks,
    ...(plannedTicks !== undefined && { duration: plannedTicks }),
    id: eventId(id),
    data: scte35 ?? tagOf(values) ?? textTag({ id, kind, ...values }),
  })
}

/** The `emsg` that a marker ends with; `undefined` while it goes on, and of one without a message that ends it. */
export function endMessage({ id, startTicks, durationTicks, scte35In }: Marker): Uint8Array | undefined {
  if (durationTicks === undefined || !scte35In) return undefined
  return buildEventMessage({
    schemeIdUri: SCTE35_IN_BAND,
    value: '',
    timescale: PRESENTATION_TIMESCALE,
    presentationTime: startTicks + durationTicks,
    duration: 0,
    id: eventId(endName(id)),
    data: scte35In,
  })
}

/** A tag that the encoder has sent as it is, in base64. */
function tagOf(values: Readonly<Record<string, string>>): Uint8Array | undefined {
  for (const text of Object.values(values)) {
    if (text.startsWith('SUQz')) return Uint8Array.from(Buffer.from(text, 'base64'))
  }
  return undefined
}
