import { ByteReader } from '../../lib/bytes.ts'
import { AUDIO_PACKET, COMMAND_FRAME, MOD_EX_PACKET, VIDEO_PACKET } from './codes.ts'

/** One track's part of an Enhanced RTMP message. */
export type EnhancedPacket = {
  readonly packetType: number
  readonly fourCc: string
  /** 0 outside multitrack. */
  readonly trackId: number
  /** What ModEx adds to the message's timestamp, in milliseconds with a fraction. */
  readonly offsetMs: number
  /** A view on the message; where several tracks share one, a copy, so that each has memory of its own. */
  readonly body: Uint8Array
}

const ONE_TRACK = 0
const MANY_TRACKS_MANY_CODECS = 2
const TIMESTAMP_OFFSET_NANO = 0
/** A track id is a byte, so more parts than this repeat one. */
const MAX_PARTS = 256

/**
 * Takes apart a message with ExVideoTagHeader or ExAudioTagHeader (Enhanced RTMP v2). A video command frame (seek start, seek
 * end) has no packets. ModEx types other than the nanosecond offset are stepped over, as their length is for. What doesn't
 * follow the format is a `FormatError`.
 */
export function readEnhancedPackets(payload: Uint8Array, kind: 'video' | 'audio'): EnhancedPacket[] {
  const reader = new ByteReader(payload, kind === 'video' ? 'flv/video' : 'flv/audio')
  const first = reader.u8()
  const { packetType, offsetMs } = readModifiers(reader, first & 0xf)
  if (kind === 'video' && ((first >>> 4) & 7) === COMMAND_FRAME && packetType !== VIDEO_PACKET.metadata) return []
  const multitrack = kind === 'video' ? VIDEO_PACKET.multitrack : AUDIO_PACKET.multitrack
  if (packetType === multitrack) return readTracks(reader, multitrack, offsetMs)
  return [{ packetType, fourCc: reader.ascii(4), trackId: 0, offsetMs, body: reader.rest() }]
}

function readModifiers(reader: ByteReader, first: number): { packetType: number; offsetMs: number } {
  let packetType = first
  let offsetMs = 0
  while (packetType === MOD_EX_PACKET) {
    let size = reader.u8() + 1
    if (size === 256) size = reader.u16() + 1
    const data = new ByteReader(reader.take(size), reader.path)
    const types = reader.u8()
    if (types >>> 4 === TIMESTAMP_OFFSET_NANO) offsetMs = data.u24() / 1e6
    packetType = types & 0xf
  }
  return { packetType, offsetMs }
}

function readTracks(reader: ByteReader, multitrack: number, offsetMs: number): EnhancedPacket[] {
  const types = reader.u8()
  const layout = types >>> 4
  const packetType = types & 0xf
  if (layout > MANY_TRACKS_MANY_CODECS) reader.fail(`multitrack type ${layout}`)
  if (packetType === multitrack || packetType === MOD_EX_PACKET)
    reader.fail(`packet type ${packetType} within multitrack`)
  let fourCc = layout === MANY_TRACKS_MANY_CODECS ? '' : reader.ascii(4)
  if (layout === ONE_TRACK) {
    return [{ packetType, fourCc, trackId: reader.u8(), offsetMs, body: reader.rest() }]
  }
  const packets: EnhancedPacket[] = []
  while (reader.remaining > 0) {
    if (packets.length === MAX_PARTS) reader.fail(`more than ${MAX_PARTS} tracks`)
    if (layout === MANY_TRACKS_MANY_CODECS) fourCc = reader.ascii(4)
    const trackId = reader.u8()
    packets.push({ packetType, fourCc, trackId, offsetMs, body: reader.take(reader.u24()).slice() })
  }
  return packets
}
