import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'

/** Where things are, relative to the manifest that names them. The origin decides; what it gives is not escaped yet. */
export type ManifestUris = {
  mediaPlaylist(rendition: Rendition): string
  iframePlaylist(rendition: Rendition): string
  /** `periodMs`: the begin of the period of its key, where that rotates. */
  init(track: Track, periodMs?: number): string
  /** `startTicks` in the track's timescale. Also asked for gaps, with a time at which no segment starts. */
  segment(track: Track, startTicks: number): string
  /** The key frame with which a protected segment begins. */
  keyFrame(track: Track, startTicks: number): string
  /** A part, by its number in the track. */
  part(track: Track, number: number): string
  /** Contains `$Time$`, and may contain `$RepresentationID$`. */
  dashSegmentTemplate(rendition: Rendition, track: Track): string
  /** Contains `$Number$`: the segments of a track on the epoch grid, within one stretch of timeline. */
  dashNumberTemplate(track: Track, discontinuitySequence: number): string
  /** Answers with the time as an xs:dateTime. */
  readonly utcTiming: string
}
