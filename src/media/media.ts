/**
 * The words that every room shares: what a codec needs before its first sample, what an encoder contributes, and what a
 * sample is once it stands on the timeline.
 */

/** The video codecs that come in and go out. */
export type VideoCodec = 'avc' | 'hevc' | 'av1' | 'vp9'
/** The audio codecs that come in and go out. */
export type AudioCodec = 'aac' | 'mp3' | 'opus' | 'flac' | 'ac3' | 'eac3'

/** What a decoder needs before the first picture. */
export type VideoConfig = {
  readonly kind: 'video'
  readonly codec: VideoCodec
  /** The payload (without box header) of `avcC`, `hvcC`, `av1C` or `vpcC` (ISO/IEC 14496-15 and the codecs' ISOBMFF bindings). */
  readonly record: Uint8Array
  /** Coded picture after cropping, in pixels; square pixels are assumed for display. */
  readonly width: number
  readonly height: number
  /** RFC 6381, as in `avc1.64001f`. */
  readonly codecString: string
  /** Frames per second where the bit stream says so. */
  readonly frameRate?: number
}

/** What a decoder needs before the first audio frame. */
export type AudioConfig = {
  readonly kind: 'audio'
  readonly codec: AudioCodec
  /**
   * What the sample entry carries: the AudioSpecificConfig for AAC, the payload of `dOps`, `dfLa` (with its version and
   * flags), `dac3` or `dec3`; empty for MP3.
   */
  readonly record: Uint8Array
  readonly sampleRate: number
  readonly channels: number
  /** Duration of a coded frame in samples at `sampleRate`; 0 where it varies and the codec's own frames say it. */
  readonly samplesPerFrame: number
  /** RFC 6381, as in `mp4a.40.2`. */
  readonly codecString: string
}

/** What a decoder needs before the first sample of either kind. */
export type CodecConfig = VideoConfig | AudioConfig

/**
 * What an encoder contributes, in the order it came. Times are the encoder's own: milliseconds of the RTMP timestamp
 * (32 bits, rolling over; with a fraction where ModEx gives nanoseconds). `trackId` is 0 unless the encoder sends multitrack.
 */
export type Contribution =
  | { readonly type: 'config'; readonly trackId: number; readonly config: CodecConfig }
  | {
      readonly type: 'frame'
      readonly kind: 'video' | 'audio'
      readonly trackId: number
      readonly dtsMs: number
      /** PTS - DTS in milliseconds; negative with signed composition offsets. Always 0 for audio. */
      readonly compositionMs: number
      /** A random access point (IDR, key frame); every audio frame is one. */
      readonly independent: boolean
      /** The sample as ISOBMFF stores it: length-prefixed NAL units, OBUs without temporal delimiter, raw audio frame. */
      readonly data: Uint8Array
    }
  /** `onMetaData`: what the encoder says of itself; not to be trusted, good for names and declared bitrates. */
  | { readonly type: 'metadata'; readonly values: Readonly<Record<string, unknown>> }
  /** `onCuePoint`, `onAdCue`, `onTextData` and the like. */
  | {
      readonly type: 'cue'
      readonly name: string
      readonly dtsMs: number
      readonly value: unknown
      /** Its timestamp as the encoder sent it, where `dtsMs` is of another clock. */
      readonly sentMs?: number
    }
  /** The encoder ended this track's sequence (FLV sequence end). */
  | { readonly type: 'sequence-end'; readonly kind: 'video' | 'audio'; readonly trackId: number }

/** One access unit on the epoch timeline. Ticks are of the track's timescale; 0 is the Unix epoch. */
export type Sample = {
  readonly dtsTicks: number
  /** PTS - DTS. */
  readonly compositionTicks: number
  readonly independent: boolean
  readonly data: Uint8Array
}

/** Video is always counted at 90 kHz; audio at its sample rate. */
export const VIDEO_TIMESCALE = 90_000

/** The ticks that a second of this track has. */
export function timescaleOf(config: CodecConfig): number {
  return config.kind === 'video' ? VIDEO_TIMESCALE : config.sampleRate
}
