import type { LiveEdge } from './live-edge.ts'
import type { PlacedMarker } from './markers.ts'
import type { PresentationHeader, Track } from './records.ts'
import type { SegmentEvents } from './segment-events.ts'
import type { Span } from './span-table.ts'
import type { TextRendition } from './text-rendition.ts'

/** A closed segment (or gap) of the presentation. */
export type SegmentRow = {
  readonly sequence: number
  readonly discontinuitySequence: number
  /** 90 kHz. */
  readonly startTicks: number
  readonly durationTicks: number
  readonly wallMs: number
  /** No rendition has media here. */
  readonly gap: boolean
}

/** What one rendition has in one segment. */
export type RenditionSegment = {
  readonly sequence: number
  readonly track: number
  /** Earliest PTS and duration, in the track's timescale. */
  readonly startTicks: number
  readonly durationTicks: number
  readonly sizeBytes: number
  readonly leadingBytes: number
  readonly independent: boolean
}

/** What a player may choose, over all its codec configurations. */
export type Rendition = {
  /** Position in `PresentationView.renditions`; stable for the presentation's life. */
  readonly index: number
  readonly name: string
  readonly kind: 'video' | 'audio'
  /** In the order they were added; the last one is current. Never empty. */
  readonly tracks: readonly Track[]
}

/**
 * A read-only look at a presentation at one `version`. Manifests are functions of this and of the request alone. The
 * numbers of closed segments run without holes from `firstSequence` to `endSequence` - 1.
 */
export type PresentationView = {
  readonly header: PresentationHeader
  /** Grows with every record that changes what a manifest may say. */
  readonly version: number
  readonly ended: boolean
  /** It ended a while ago: all that is kept is listed, as on-demand. */
  readonly archived: boolean
  readonly renditions: readonly Rendition[]
  /** Texts beside the media, as players list them; absent or empty: there are none. They have a segment in every row. */
  readonly texts?: readonly TextRendition[] | undefined
  readonly firstSequence: number
  readonly endSequence: number
  /** Ad markers and timed metadata that reach into what is kept, or come later, in the order of their start. */
  readonly markers: readonly PlacedMarker[]
  /** What is being written, and the parts of what was; absent where segments are only to be had whole. */
  readonly live?: LiveEdge | undefined
  track(track: number): Track | undefined
  segment(sequence: number): SegmentRow | undefined
  /** `undefined`: the rendition has no media in this segment (a gap for it alone), or the segment is not there. */
  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined
  /**
   * Where the stretch of timeline with this discontinuity sequence began (90 kHz), even if its first segments are evicted
   * by now; `undefined` when no closed segment of it is there.
   */
  discontinuityStartTicks(discontinuitySequence: number): number | undefined
  /** What a segment, closed or open, carries of markers; `undefined`: nothing. */
  events(sequence: number): SegmentEvents | undefined
  /** The run of segments in storage that this one is part of; `undefined`: it is in memory, or on its way to storage. */
  span(sequence: number): Span | undefined
  /**
   * Each key frame of a rendition as a segment of its own, where segments have more than the one that they begin with; `undefined`: they
   * have not, or nobody knows. The rendition has another index there, and the same name and tracks. `bounds` (90 kHz): what starts within.
   */
  keyFrames?(
    renditionIndex: number,
    bounds?: { readonly fromTicks: number; readonly toTicks: number },
  ): PresentationView | undefined
  /** The closed segment in which this rendition's media starts at exactly `startTicks` (the track's timescale). */
  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined
}
