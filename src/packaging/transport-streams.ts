import { FormatError } from '../lib/errors.ts'
import type { AudioConfig, VideoConfig } from '../media/media.ts'
import { ADTS_BYTES, adtsForm, writeAdtsHeader } from '../media/mpegts/adts.ts'
import { byteStreamForm, byteStreamPieces } from '../media/mpegts/annex-b.ts'
import { elementaryStream } from '../media/mpegts/elementary-stream.ts'
import type { Piece } from '../media/mpegts/packet-writer.ts'
import { TRANSPORT_TIMESCALE, transportTicks } from '../media/mpegts/timestamps.ts'
import type { PesPacket, StreamPackets } from '../media/mpegts/transport-segment.ts'
import type { StoredSample } from './fragment-samples.ts'

/** How a track's times are told: the program's base is of 90 kHz. */
export type TrackTime = { readonly timescale: number; readonly baseTicks: number }

/** Frames of audio are put together as long as the program's clock, which may stand with them, comes often enough. */
const MAX_AUDIO_TICKS = 0.09 * TRANSPORT_TIMESCALE
const MAX_AUDIO_BYTES = 16_384
const FEWEST_FRAME_BYTES = 2
const NOTHING = new Uint8Array(0)

/** Pictures as a transport stream carries them, one to a PES packet. @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
export function videoPackets(config: VideoConfig, time: TrackTime, samples: readonly StoredSample[]): StreamPackets {
  const stream = elementaryStream(config)
  const form = byteStreamForm(config)
  const packets: PesPacket[] = new Array(samples.length)
  // DTS goes up and is never past PTS in a transport stream, as it may be where composition offsets are below 0.
  let latestTicks = Number.POSITIVE_INFINITY
  for (let index = samples.length - 1; index >= 0; index--) {
    const {
      bytes,
      from,
      to,
      dtsTicks: storedTicks,
      compositionTicks,
      durationTicks,
      independent,
    } = samples[index] as StoredSample
    const ptsTicks = ticksOf(storedTicks + compositionTicks, time)
    const dtsTicks = Math.min(ticksOf(storedTicks, time), ptsTicks, latestTicks - 1)
    latestTicks = dtsTicks
    packets[index] = {
      dtsTicks,
      ptsTicks,
      durationTicks: ticksOf(storedTicks + durationTicks, time) - ticksOf(storedTicks, time),
      randomAccess: independent,
      pieces: byteStreamPieces(bytes, from, to, form, independent),
    }
  }
  return { stream, packets }
}

/** Sound as a transport stream carries it, some frames to a PES packet. @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
export function audioPackets(config: AudioConfig, time: TrackTime, samples: readonly StoredSample[]): StreamPackets {
  const stream = elementaryStream(config)
  const framed = audioFrames(config, samples)
  const packets: PesPacket[] = []
  for (let first = 0; first < framed.length; ) {
    const startTicks = ticksOf((samples[first] as StoredSample).dtsTicks, time)
    const end = groupEnd(samples, first, startTicks, time)
    const last = samples[end - 1] as StoredSample
    packets.push({
      dtsTicks: startTicks,
      ptsTicks: startTicks,
      durationTicks: ticksOf(last.dtsTicks + last.durationTicks, time) - startTicks,
      randomAccess: true,
      pieces: framed.slice(first, end).flat(),
    })
    first = end
  }
  return { stream, packets }
}

/** Audio frames as a player reads them one after another: AAC behind ADTS headers, others as they are. */
export function audioFrames({ codec, record }: AudioConfig, samples: readonly StoredSample[]): Piece[][] {
  for (const { from, to } of samples) {
    if (to - from < FEWEST_FRAME_BYTES) throw new FormatError(codec, from, `a frame of ${to - from} bytes`)
  }
  if (codec !== 'aac') return samples.map((sample) => [sample])
  const form = adtsForm(record)
  const headers = new Uint8Array(samples.length * ADTS_BYTES)
  return samples.map((sample, index) => {
    const from = index * ADTS_BYTES
    const before = index === 0 ? form.programElement : NOTHING
    const own = before.byteLength
    writeAdtsHeader(headers, from, form, sample.to - sample.from + own)
    const header = { bytes: headers, from, to: from + ADTS_BYTES }
    return own === 0 ? [header, sample] : [header, { bytes: before, from: 0, to: own }, sample]
  })
}

/** Where the frames end that follow `first` without a hole and may share its PES packet. */
function groupEnd(samples: readonly StoredSample[], first: number, startTicks: number, time: TrackTime): number {
  let bytes = 0
  let expectedTicks: number | undefined
  for (let index = first; index < samples.length; index++) {
    const { from, to, dtsTicks, durationTicks } = samples[index] as StoredSample
    bytes += to - from + ADTS_BYTES
    const isWithin =
      dtsTicks === expectedTicks &&
      ticksOf(dtsTicks + durationTicks, time) - startTicks <= MAX_AUDIO_TICKS &&
      bytes <= MAX_AUDIO_BYTES
    if (index > first && !isWithin) return index
    expectedTicks = dtsTicks + durationTicks
  }
  return samples.length
}

function ticksOf(ticks: number, { timescale, baseTicks }: TrackTime): number {
  return transportTicks(ticks, timescale, baseTicks)
}
