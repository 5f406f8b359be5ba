import { SMOOTH_TIMESCALE, smoothTime, smoothTimeText } from '../media/isobmff/smooth-time.ts'
import type { Marker } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { element, textElement, type Xml } from './xml.ts'

/** The stream of SCTE-35 messages. */
export const SPARSE_STREAM = 'scte35'
/** It has one quality level, of which nobody chooses another. */
const SPARSE_BITRATE = 0
/**
 * A message is of an instant: how long what it tells of lasts is in the message. That much lies between two of them at least, so that each has
 * a time of its own, which players that count in doubles hold.
 */
export const SPARSE_TICKS = 8

/** A message and its instant on Smooth's timeline. */
export type SparseMessage = { readonly time: number; readonly message: Uint8Array; readonly marker: Marker }

/** The SCTE-35 messages of all markers of a presentation, in the order of their times; of those at the same time each is a little behind the one before. */
export function sparseMessages(markers: readonly Marker[]): readonly SparseMessage[] {
  const found = markers.flatMap((marker) => {
    const { startTicks, durationTicks = 0, scte35, scte35In } = marker
    const begin = scte35 ? [{ ticks: startTicks, message: scte35, marker }] : []
    return scte35In ? [...begin, { ticks: startTicks + durationTicks, message: scte35In, marker }] : begin
  })
  let freeFrom = 0
  return found
    .toSorted((one, other) => one.ticks - other.ticks)
    .map(({ ticks, message, marker }) => {
      const time = Math.max(freeFrom, smoothTime(ticks, PRESENTATION_TIMESCALE))
      freeFrom = time + SPARSE_TICKS
      return { time, message, marker }
    })
}

/**
 * The stream as the manifest has it ([MS-SSTR] §2.2.2.3): sparse, of the stream `parent`, with each message in the manifest itself; players that
 * want a fragment get that too. Nothing where there is no message.
 */
export function sparseStream(messages: readonly SparseMessage[], parent: string): readonly Xml[] {
  if (messages.length === 0) return []
  const attributes = {
    Type: 'text',
    Subtype: 'DATA',
    Name: SPARSE_STREAM,
    ParentStreamIndex: parent,
    ManifestOutput: 'TRUE',
    Chunks: messages.length,
    QualityLevels: 1,
    TimeScale: SMOOTH_TIMESCALE,
    Url: `QualityLevels({bitrate})/Fragments(${SPARSE_STREAM}={start time})`,
  }
  const level = element('QualityLevel', { Index: 0, Bitrate: SPARSE_BITRATE, FourCC: 'DATA', CodecPrivateData: '' })
  const chunks = messages.map(({ time, message }) =>
    element('c', { t: smoothTimeText(time), d: SPARSE_TICKS }, [
      textElement('f', Buffer.from(message).toString('base64')).replace('<f>', '<f i="0">') as Xml,
    ]),
  )
  return [element('StreamIndex', attributes, [level, ...chunks])]
}
