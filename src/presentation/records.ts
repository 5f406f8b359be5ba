import type { CaptionService } from '../media/codecs/captions.ts'
import type { CodecConfig } from '../media/media.ts'
import type { Loss } from './losses.ts'
import type { Marker } from './markers.ts'
import type { SegmentEvents } from './segment-events.ts'

/** Presentation-wide times (segment starts and durations) are in ticks of 90 kHz from the Unix epoch. */
export const PRESENTATION_TIMESCALE = 90_000

/**
 * One initialisation of a rendition. A new codec configuration in mid-stream is a new track of the same rendition; the
 * number is never used again.
 */
export type Track = {
  readonly track: number
  /** What stays the same across reconnects and codec changes, and names the media in URLs: `video-1`, `audio-1`. */
  readonly rendition: string
  readonly config: CodecConfig
  readonly timescale: number
  /** ftyp + moov. */
  readonly init: Uint8Array
  /** Declared peak and average in bit/s, fixed when the track is added (HLS BANDWIDTH and AVERAGE-BANDWIDTH; DASH @bandwidth). */
  readonly bandwidth: number
  readonly averageBandwidth: number
  /** The bitrate that stands in `QualityLevels(…)`; unique among the presentation's tracks of a kind. */
  readonly nominalBitrate: number
  /** Frames per second, of video, where known. */
  readonly frameRate?: number
  /** BCP 47. */
  readonly language?: string
  /**
   * Of sound that its source has several of in one language: which of them, from 1 on; absent: the first. It is another content (a commentary, a
   * description), not another quality.
   */
  readonly alternative?: number
  /** What captions its pictures carry; absent: none that are known of. */
  readonly captions?: readonly CaptionService[]
}

/** What stands over a presentation while it lives; but for the rewind window nothing of it changes. Durations in milliseconds. */
export type PresentationHeader = {
  readonly id: string
  /** Random, made once per presentation; part of every digest, so that no URL ever has two contents. */
  readonly epoch: string
  /** `EXT-X-TARGETDURATION` × 1000, fixed at the start: max(segmentDuration, key-frame interval). */
  readonly targetDurationMs: number
  /** Part target; absent where segments are stored whole. */
  readonly partDurationMs?: number
  /**
   * Segments begin with the first picture at or after each multiple of this since the Unix epoch, in every stretch of timeline; absent =
   * nobody knows when the next one begins. It never changes, but goes away where a pause has made it untrue.
   */
  readonly gridMs?: number
  /** The name under which locators publish it, in `/{locatorId}/{manifestName}.ism`. */
  readonly manifestName?: string
  /** How far back a live manifest reaches; absent = everything kept. A `rewind-changed` record sets another. */
  readonly rewindWindowMs?: number
  /** How often the rewind window was changed so far; absent = never. */
  readonly rewindChanges?: number
  /** How often it went on after a pause so far; absent = never. */
  readonly resumptions?: number
  /** How often segments were lost so far; absent = never. */
  readonly losses?: number
  /** The latest of them, oldest first: what a delta update may not skip. */
  readonly recentLosses?: readonly Loss[]
  /** How often something was said of markers so far; absent = never. */
  readonly markerChanges?: number
  /**
   * The instant (90 kHz) from which transport streams count, the same for all renditions; absent = the Unix epoch. It never changes, so
   * that PTS go on over a pause.
   */
  readonly timeBaseTicks?: number
  /** `false`: nobody knows when it was recorded, as of an uploaded file, and the wall clock of its segments means nothing. */
  readonly hasWallClock?: boolean
  /** `true`: samples of one track are decoded at the same time, as files may have it; absent = every sample has a time of its own. */
  readonly hasEqualDecodeTimes?: boolean
  /** How much is kept at all; absent = everything, `evicted` never comes, and a playlist may say that it only grows. */
  readonly archiveWindowMs?: number
}

/** What may be another when a presentation goes on after a pause. A target duration never becomes shorter. */
export type PresentationTerms = Pick<
  PresentationHeader,
  'targetDurationMs' | 'partDurationMs' | 'gridMs' | 'manifestName' | 'rewindWindowMs' | 'archiveWindowMs'
>

/** Why a new stretch of timeline began. */
export type DiscontinuityReason =
  | 'input-returned'
  | 'input-switched'
  | 'codec-change'
  | 'clock-jump'
  | 'transcoder-restart'
  | 'restart'
  | 'resumed'

/**
 * The presentation log (architecture.md, "Records of the log"). Append-only, one writer. Readers never count: sequence
 * numbers, discontinuity sequences and bandwidths are fields.
 *
 * Order: `opened`; `track-added` before the first fragment of the track; then for each segment `segment-opened`,
 * `fragment`…, `segment-closed`. A `discontinuity` stands between segments. Segments are numbered without holes.
 */
export type LogRecord =
  | { readonly type: 'opened'; readonly header: PresentationHeader }
  | { readonly type: 'track-added'; readonly track: Track }
  | {
      readonly type: 'segment-opened'
      readonly sequence: number
      readonly discontinuitySequence: number
      /** Earliest presentation time of the segment, 90 kHz. */
      readonly startTicks: number
      /** Wall clock of that instant, ms since the epoch: EXT-X-PROGRAM-DATE-TIME. */
      readonly wallMs: number
      /** What was announced before it opened, and travels in it. */
      readonly events?: SegmentEvents
    }
  | {
      readonly type: 'fragment'
      readonly sequence: number
      readonly track: number
      /** Earliest PTS and sum of sample durations, in the track's timescale. */
      readonly startTicks: number
      readonly durationTicks: number
      readonly sizeBytes: number
      /** Bytes from the fragment's start to the end of its first sample: the byte range of an I-frame playlist. */
      readonly leadingBytes: number
      /** The first sample is a random access point. */
      readonly independent: boolean
      readonly wallMs: number
      /** Counts the track's fragments without a hole, and names the part; absent where parts were folded into a segment. */
      readonly number?: number
    }
  | { readonly type: 'segment-closed'; readonly sequence: number; readonly durationTicks: number }
  | { readonly type: 'discontinuity'; readonly discontinuitySequence: number; readonly reason: DiscontinuityReason }
  /** A segment without media in any rendition; takes a sequence number of its own. */
  | {
      readonly type: 'gap'
      readonly sequence: number
      readonly discontinuitySequence: number
      readonly startTicks: number
      readonly durationTicks: number
      readonly wallMs: number
    }
  /**
   * An ad marker or timed metadata; with an id that is known, what is added to it. `changedSequence` stands in records of what was said
   * before, which count for no change.
   */
  | ({ readonly type: 'marker'; readonly changedSequence?: number } & Marker)
  /** The rewind window is another one from here on. What was discarded before doesn't come back. */
  | { readonly type: 'rewind-changed'; readonly rewindWindowMs: number }
  /** Everything before this sequence number is no longer kept. */
  | { readonly type: 'evicted'; readonly firstSequence: number }
  /** These segments lie in storage, one file for each track (`src/archive`); `endSequence` is the first one that doesn't. */
  | { readonly type: 'span'; readonly firstSequence: number; readonly endSequence: number }
  /** The media of these segments is nowhere any more, because it could not be written: they are gaps. */
  | { readonly type: 'lost'; readonly firstSequence: number; readonly endSequence: number }
  /** The program stopped: ENDLIST on the same window and timeline. */
  | { readonly type: 'ended' }
  /** It goes on after a pause, even if it had ended: who comes now finds it live. */
  | { readonly type: 'resumed'; readonly terms: PresentationTerms }
  /** Nobody plays the live window any more: all that is kept is listed, as on-demand. */
  | { readonly type: 'archived' }

/** The records of one type. */
export type RecordOf<T extends LogRecord['type']> = Extract<LogRecord, { readonly type: T }>
