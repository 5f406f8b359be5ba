import { AppError, FormatError } from '../../lib/errors.ts'
import type { Contribution } from '../media.ts'
import { AudioTrack } from './audio-track.ts'
import {
  AUDIO_PACKET,
  audioCodecOf,
  COMMAND_FRAME,
  legacyAudioCodec,
  legacyVideoCodec,
  VIDEO_PACKET,
  videoCodecOf,
} from './codes.ts'
import { type EnhancedPacket, readEnhancedPackets } from './enhanced-packets.ts'
import { VideoTrack } from './video-track.ts'

/** RTMP message types: the bodies are FLV's audio and video tags (RTMP 1.0 §7.1.4, §7.1.5). */
const AUDIO_MESSAGE = 8

const EX_AUDIO_HEADER = 9
const EX_VIDEO_FLAG = 0x80
const DEFAULT_MAX_TRACKS = 16

/** Legacy AVCPacketType and AACPacketType. */
const SEQUENCE_HEADER = 0
const CODED = 1
const END_OF_SEQUENCE = 2

/**
 * Turns the audio and video messages of one publishing session into contributions, in their order: FLV's legacy tags (FLV 10.1
 * annex E) and those of Enhanced RTMP v2.
 *
 * Frames are views on the message, which has to have memory of its own; the exceptions, Annex B video and AV1 with inner
 * temporal delimiters, are copies. A configuration comes before the frames it is for, and again only when it changed.
 */
export class FlvDemuxer {
  readonly #maxTracks: number
  readonly #video = new Map<number, VideoTrack>()
  readonly #audio = new Map<number, AudioTrack>()

  /** `maxTracks` bounds the tracks of each kind (16 unless told). */
  constructor(options: { readonly maxTracks?: number } = {}) {
    this.#maxTracks = options.maxTracks ?? DEFAULT_MAX_TRACKS
  }

  /**
   * Reads one message. An empty one (keep-alive, silence) gives nothing. Bytes that break the format are a `FormatError`, a codec
   * that Headend doesn't take is `MEDIA_UNSUPPORTED`, a track too many `LIMIT_EXCEEDED`; the demuxer stays usable after each.
   */
  read(messageType: 8 | 9, timestampMs: number, payload: Uint8Array): Contribution[] {
    const first = payload[0]
    if (first === undefined) return []
    const out: Contribution[] = []
    if (messageType === AUDIO_MESSAGE) {
      if (first >>> 4 === EX_AUDIO_HEADER) this.#readEnhancedAudio(timestampMs, payload, out)
      else this.#readLegacyAudio(first >>> 4, timestampMs, payload, out)
    } else if ((first & EX_VIDEO_FLAG) !== 0) {
      this.#readEnhancedVideo(timestampMs, payload, out)
    } else {
      this.#readLegacyVideo(first, timestampMs, payload, out)
    }
    return out
  }

  #readLegacyVideo(first: number, dtsMs: number, payload: Uint8Array, out: Contribution[]): void {
    if (first >>> 4 === COMMAND_FRAME) return
    const codec = legacyVideoCodec(first & 0xf)
    const packetType = payload[1]
    if (packetType === END_OF_SEQUENCE) {
      this.#videoTrack(0).end(out)
      return
    }
    if (packetType === undefined || payload.byteLength < 5) {
      throw new FormatError('flv/video', payload.byteLength, 'the tag header ends early')
    }
    if (packetType === SEQUENCE_HEADER) {
      this.#videoTrack(0).start(codec, payload.subarray(5), out)
    } else if (packetType === CODED) {
      this.#videoTrack(0).frame(codec, dtsMs, signed24(payload, 2), payload.subarray(5), out)
    } else {
      throw new FormatError('flv/video', 1, `packet type ${packetType}`)
    }
  }

  #readLegacyAudio(soundFormat: number, dtsMs: number, payload: Uint8Array, out: Contribution[]): void {
    const codec = legacyAudioCodec(soundFormat)
    const track = this.#audioTrack(0)
    if (codec !== 'aac') {
      track.frame(codec, dtsMs, payload.subarray(1), out)
      return
    }
    const packetType = payload[1]
    if (packetType === SEQUENCE_HEADER) {
      track.start(codec, payload.subarray(2), out)
    } else if (packetType === CODED) {
      track.frame(codec, dtsMs, payload.subarray(2), out)
    } else {
      throw new FormatError(
        'flv/audio',
        1,
        packetType === undefined ? 'the tag header ends early' : `packet type ${packetType}`,
      )
    }
  }

  #readEnhancedVideo(timestampMs: number, payload: Uint8Array, out: Contribution[]): void {
    for (const packet of readEnhancedPackets(payload, 'video')) this.#videoPacket(timestampMs, packet, out)
  }

  #videoPacket(timestampMs: number, packet: EnhancedPacket, out: Contribution[]): void {
    const { packetType, body } = packet
    // HDR metadata repeats what the bit stream's own colour description says, and the transport-stream descriptor what `av1C` says.
    if (packetType === VIDEO_PACKET.metadata || packetType === VIDEO_PACKET.mpeg2TsSequenceStart) return
    const codec = videoCodecOf(packet.fourCc)
    const track = this.#videoTrack(packet.trackId)
    const dtsMs = timestampMs + packet.offsetMs
    const hasComposition = codec === 'avc' || codec === 'hevc'
    if (packetType === VIDEO_PACKET.sequenceStart) {
      track.start(codec, body, out)
    } else if (packetType === VIDEO_PACKET.codedFrames && hasComposition) {
      if (body.byteLength < 3) throw new FormatError('flv/video', body.byteLength, 'the composition time ends early')
      track.frame(codec, dtsMs, signed24(body, 0), body.subarray(3), out)
    } else if (packetType === VIDEO_PACKET.codedFrames || packetType === VIDEO_PACKET.codedFramesX) {
      track.frame(codec, dtsMs, 0, body, out)
    } else if (packetType === VIDEO_PACKET.sequenceEnd) {
      track.end(out)
    } else {
      throw new FormatError('flv/video', 0, `packet type ${packetType}`)
    }
  }

  #readEnhancedAudio(timestampMs: number, payload: Uint8Array, out: Contribution[]): void {
    for (const packet of readEnhancedPackets(payload, 'audio')) this.#audioPacket(timestampMs, packet, out)
  }

  #audioPacket(timestampMs: number, packet: EnhancedPacket, out: Contribution[]): void {
    const { packetType, body } = packet
    // Every codec taken here tells its own channel layout.
    if (packetType === AUDIO_PACKET.multichannelConfig) return
    const codec = audioCodecOf(packet.fourCc)
    const track = this.#audioTrack(packet.trackId)
    if (packetType === AUDIO_PACKET.sequenceStart) {
      track.start(codec, body, out)
    } else if (packetType === AUDIO_PACKET.codedFrames) {
      track.frame(codec, timestampMs + packet.offsetMs, body, out)
    } else if (packetType === AUDIO_PACKET.sequenceEnd) {
      track.end(out)
    } else {
      throw new FormatError('flv/audio', 0, `packet type ${packetType}`)
    }
  }

  #videoTrack(id: number): VideoTrack {
    let track = this.#video.get(id)
    if (track === undefined) {
      this.#refuseBeyond(this.#video.size, 'video')
      track = new VideoTrack(id)
      this.#video.set(id, track)
    }
    return track
  }

  #audioTrack(id: number): AudioTrack {
    let track = this.#audio.get(id)
    if (track === undefined) {
      this.#refuseBeyond(this.#audio.size, 'audio')
      track = new AudioTrack(id)
      this.#audio.set(id, track)
    }
    return track
  }

  #refuseBeyond(count: number, kind: string): void {
    if (count >= this.#maxTracks) {
      throw new AppError('LIMIT_EXCEEDED', `The encoder sends more than ${this.#maxTracks} ${kind} tracks.`)
    }
  }
}

/** Composition times are signed (SI24): an encoder may shift them below zero instead of delaying DTS. */
function signed24(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8)) >> 8
}
