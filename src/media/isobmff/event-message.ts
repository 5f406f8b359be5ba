import { FormatError } from '../../lib/errors.ts'
import { BoxWriter } from './box-writer.ts'
import { type Box, openFullBox } from './boxes.ts'

/** `event_duration` of an event of which nobody knows how long it is. */
const UNKNOWN_DURATION = 0xffff_ffff
const MAX_TEXT = 256

/** What an event message says: an event on the timeline of the media that it travels with. */
export type EventMessage = {
  readonly schemeIdUri: string
  readonly value: string
  readonly timescale: number
  /** On the timeline of the media, in ticks of `timescale`. */
  readonly presentationTime: number
  /** In ticks of `timescale`; absent: unknown, as is what 32 bits can't hold. */
  readonly duration?: number
  /** Messages of one scheme, value and id are about the same event. */
  readonly id: number
  readonly data: Uint8Array
}

/** An `emsg` of version 1 (ISO/IEC 23009-1 §5.10.3.3), which stands before a `moof`. */
export function buildEventMessage(event: EventMessage): Uint8Array {
  const { schemeIdUri, value, timescale, presentationTime, duration = UNKNOWN_DURATION, id, data } = event
  const out = new BoxWriter(64 + schemeIdUri.length + data.byteLength)
  out.fullBox('emsg', 1, 0, () => {
    out.u32(timescale)
    out.u64(presentationTime)
    out.u32(Math.min(duration, UNKNOWN_DURATION))
    out.u32(id)
    for (const text of [schemeIdUri, value]) {
      out.append(Buffer.from(text))
      out.u8(0)
    }
    out.append(data)
  })
  return out.finish()
}

/** Reads an `emsg` of version 1. @throws FormatError, also for another version, whose times count from the segment's start */
export function readEventMessage(box: Box): EventMessage {
  const { version, reader } = openFullBox(box)
  if (version !== 1) throw new FormatError(box.path, 0, `an event message of version ${version}`)
  const timescale = reader.u32()
  const presentationTime = reader.u64()
  const duration = reader.u32()
  const id = reader.u32()
  const text = () => {
    const bytes: number[] = []
    for (let byte = reader.u8(); byte !== 0; byte = reader.u8()) {
      bytes.push(byte)
      if (bytes.length > MAX_TEXT) reader.fail('a text without an end')
    }
    return Buffer.from(bytes).toString()
  }
  const named = { schemeIdUri: text(), value: text() }
  const lasting = duration === UNKNOWN_DURATION ? {} : { duration }
  return { ...named, timescale, presentationTime, ...lasting, id, data: reader.rest() }
}
