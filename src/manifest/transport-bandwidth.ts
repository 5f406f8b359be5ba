import type { PresentationHeader, Track } from '../presentation/records.ts'

/** Four bytes of header in each packet of 188, and a little. */
const PACKET_SHARE = 1.025
/** Of a picture: PES header, delimiter, parameter sets, clock, and the stuffing of its last packet. */
const PICTURE_BITS = { most: 2_000, usual: 1_000 } as const
const UNKNOWN_FRAME_RATE = 60
/** With fewer pictures a second than this, the clock has packets of its own. */
const CLOCK_RATE = 10
/** Of audio among pictures, a second: a dozen PES packets and more. */
const MUXED_AUDIO_BITS = 32_000
/** Of packed audio, a second: ADTS headers, at 96 kHz 94 of them. */
const PACKED_AUDIO_BITS = 5_500
const PACKET_BITS = 188 * 8
/** The tables, and what fills up the counters of a stream. */
const SEGMENT_PACKETS = 32 + 15
const TAG_BITS = 73 * 8

/** A track as it is alone: pictures in a transport stream, audio packed. Its bandwidths are those that it then has at most. */
export function transported(track: Track, { targetDurationMs }: PresentationHeader): Track {
  const { config, bandwidth, averageBandwidth } = track
  const segments = 1_000 / targetDurationMs
  if (config.kind === 'audio') {
    const added = PACKED_AUDIO_BITS + TAG_BITS * segments
    return { ...track, bandwidth: bandwidth + added, averageBandwidth: averageBandwidth + added }
  }
  const rate = track.frameRate ?? config.frameRate ?? UNKNOWN_FRAME_RATE
  const clocks = rate < CLOCK_RATE ? CLOCK_RATE : 0
  const tables = (SEGMENT_PACKETS * segments + clocks) * PACKET_BITS
  return {
    ...track,
    bandwidth: bandwidth * PACKET_SHARE + rate * PICTURE_BITS.most + tables,
    averageBandwidth: averageBandwidth * PACKET_SHARE + rate * PICTURE_BITS.usual + tables,
  }
}

/** What audio of `packedBandwidth` adds to a stream of pictures that it is in. */
export function muxedBandwidth(packedBandwidth: number, { targetDurationMs }: PresentationHeader): number {
  const padding = (15 * PACKET_BITS * 1_000) / targetDurationMs
  return Math.ceil(packedBandwidth * PACKET_SHARE + MUXED_AUDIO_BITS + padding)
}
