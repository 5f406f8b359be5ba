import { ByteReader, ByteWriter, concatBytes } from '../../src/lib/bytes.ts'
import type { EncodedTrack } from './flv-encoded.ts'
import type { FlvMessage } from './flv-file.ts'
import {
  type ExTag,
  exAudio,
  exAudioTypes,
  exVideo,
  exVideoTypes,
  legacyAac,
  legacyMp3,
  legacyVideo,
  withComposition,
} from './flv-tags.ts'

/** Whether a sample entry is a video codec's. */
export function isVideo(track: EncodedTrack): boolean {
  return ['avc1', 'hvc1', 'av01', 'vp09'].includes(track.entry)
}

/** An encoded track as an Enhanced RTMP publisher sends it: a sequence start and a message per sample, in order. */
export function enhancedMessages(
  track: EncodedTrack,
  options: { readonly trackId?: number; readonly fourCc?: string } = {},
): FlvMessage[] {
  const { trackId, fourCc = track.entry } = options
  const put = (packetType: number, body: Uint8Array, frameType: number): ExTag =>
    trackId === undefined
      ? { packetType, fourCc, body, frameType }
      : { packetType, layout: 'one', tracks: [{ trackId, fourCc, body }], frameType }
  if (!isVideo(track)) {
    const frames = track.samples.map((sample) =>
      message(8, sample.dtsMs, exAudio(put(exAudioTypes.codedFrames, sample.data, 1))),
    )
    const header = sequenceHeader(track)
    if (header === undefined) return frames
    return [message(8, 0, exAudio(put(exAudioTypes.sequenceStart, header, 1))), ...frames]
  }
  const nal = fourCc === 'avc1' || fourCc === 'hvc1'
  const start = message(9, 0, exVideo(put(exVideoTypes.sequenceStart, sequenceHeader(track)!, 1)))
  const frames = track.samples.map((sample) => {
    const frameType = sample.sync ? 1 : 2
    const compositionMs = Math.round(sample.compositionMs)
    const short = !nal || compositionMs === 0
    const type = nal && compositionMs === 0 ? exVideoTypes.codedFramesX : exVideoTypes.codedFrames
    const body = short ? sample.data : withComposition(compositionMs, sample.data)
    return message(9, sample.dtsMs, exVideo(put(type, body, frameType)))
  })
  return [start, ...frames]
}

/** An H.264, HEVC (as codec id 12), AAC or MP3 track as a legacy publisher sends it. */
export function legacyMessages(track: EncodedTrack): FlvMessage[] {
  if (isVideo(track)) {
    const codecId = track.entry === 'hvc1' ? 12 : 7
    const frames = track.samples.map((sample) => {
      const compositionMs = Math.round(sample.compositionMs)
      return message(9, sample.dtsMs, legacyVideo(1, sample.data, { codecId, key: sample.sync, compositionMs }))
    })
    return [message(9, 0, legacyVideo(0, track.record, { codecId })), ...frames]
  }
  const aac = track.record.byteLength > 0
  const frames = track.samples.map((sample) =>
    message(8, sample.dtsMs, aac ? legacyAac(1, sample.data) : legacyMp3(sample.data)),
  )
  return aac ? [message(8, 0, legacyAac(0, track.record)), ...frames] : frames
}

/** Messages of several tracks in the order of their timestamps, as one connection carries them. */
export function interleave(...tracks: readonly (readonly FlvMessage[])[]): FlvMessage[] {
  return tracks.flat().sort((a, b) => a.timestampMs - b.timestampMs)
}

/** What a publisher sends as sequence header; `undefined` for the codecs that have none. */
function sequenceHeader(track: EncodedTrack): Uint8Array | undefined {
  if (track.entry === 'Opus') return opusHead(track.record)
  if (track.entry === 'fLaC') return concatBytes([new TextEncoder().encode('fLaC'), track.record.subarray(4)])
  if (track.entry === 'ac-3' || track.entry === 'ec-3' || track.record.byteLength === 0) return undefined
  return track.record
}

/** `dOps` back into OpusHead: little-endian again. */
function opusHead(dOps: Uint8Array): Uint8Array {
  const reader = new ByteReader(dOps, 'dOps')
  reader.skip(1)
  const out = new ByteWriter(64)
  out.ascii('OpusHead')
  out.u8(1)
  out.u8(reader.u8())
  out.append(new Uint8Array(reader.take(2)).reverse())
  out.append(new Uint8Array(reader.take(4)).reverse())
  out.append(new Uint8Array(reader.take(2)).reverse())
  out.append(reader.rest())
  return out.finish()
}

function message(messageType: 8 | 9, dtsMs: number, payload: Uint8Array): FlvMessage {
  return { messageType, timestampMs: Math.round(dtsMs), payload: new Uint8Array(payload) }
}
