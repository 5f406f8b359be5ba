import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { quoted } from './hls-attributes.ts'
import { currentTrack } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { isoTime, microsAt, rescale, secondsText } from './time-text.ts'

/** What distinguishes a playlist of segments from one of key frames. */
export type PlaylistStyle = {
  readonly headTags: readonly string[]
  /** Whether what the rendition has in a segment can be listed; else the segment is a gap. */
  isListed(media: RenditionSegment): boolean
  /** The byte range within the segment, as EXT-X-BYTERANGE gives it; `undefined` for the whole. */
  byteRange(media: RenditionSegment): string | undefined
}

/** Whose segments are listed, and how. */
export type LineSource = {
  readonly view: PresentationView
  readonly rendition: Rendition
  readonly uris: ManifestUris
  readonly style: PlaylistStyle
}

/** What a playlist has said before the first of some lines. */
export type LineContext = {
  /** The track of the media before; where there is none, of the first that comes. */
  readonly track: Track
  /** The discontinuity sequence so far: the one of the row before. */
  readonly discontinuitySequence: number
  /** Whether the row before is a gap of this rendition. */
  readonly wasGap: boolean
  /** Lines whose reader may not know what was said before: they name their init segment and their time anew. */
  readonly restates: boolean
}

/** The tags and URIs of the segments from `first` to before `end`, each line with its end. */
export function segmentLines(source: LineSource, first: number, end: number, context: LineContext): string {
  const { view, rendition, uris, style } = source
  let { track, discontinuitySequence, wasGap } = context
  let mapped = context.restates ? undefined : track
  let isRestated = context.restates
  let lines = ''
  for (let sequence = first; sequence < end; sequence++) {
    const row = view.segment(sequence) as SegmentRow
    const media = view.renditionSegment(rendition.index, sequence)
    if (media && media.track !== track.track) track = view.track(media.track) ?? currentTrack(rendition)
    const isGap = media === undefined || !style.isListed(media)
    const risen = row.discontinuitySequence - discontinuitySequence
    // A player counts one discontinuity per tag, so a number that rose by two has two.
    if (risen > 0) lines += '#EXT-X-DISCONTINUITY\n'.repeat(risen)
    if (track !== mapped) lines += `#EXT-X-MAP:URI=${quoted(uris.init(track))}\n`
    const isDated = isRestated || risen > 0 || (wasGap && !isGap)
    if (isDated) lines += `#EXT-X-PROGRAM-DATE-TIME:${isoTime(wallMsOf(row, media, track))}\n`
    lines += segmentText(source, row, isGap ? undefined : media, media, track)
    mapped = track
    discontinuitySequence = row.discontinuitySequence
    wasGap = isGap
    isRestated = false
  }
  return lines
}

/** Whether a rendition's segment is listed as a gap. */
export function isGapLine({ view, rendition, style }: Omit<LineSource, 'uris'>, sequence: number): boolean {
  const media = view.renditionSegment(rendition.index, sequence)
  return media === undefined || !style.isListed(media)
}

function segmentText(
  { uris, style }: LineSource,
  row: SegmentRow,
  listed: RenditionSegment | undefined,
  media: RenditionSegment | undefined,
  track: Track,
): string {
  const duration = secondsText(durationMicros(row, media, track))
  const startTicks = media?.startTicks ?? rescale(row.startTicks, PRESENTATION_TIMESCALE, track.timescale)
  const uri = uris.segment(track, startTicks)
  const byteRange = listed && style.byteRange(listed)
  const gap = listed ? '' : '#EXT-X-GAP\n'
  const range = byteRange === undefined ? '' : `#EXT-X-BYTERANGE:${byteRange}\n`
  return `${gap}#EXTINF:${duration},\n${range}${uri}\n`
}

function durationMicros(row: SegmentRow, media: RenditionSegment | undefined, track: Track): number {
  const { startTicks, durationTicks } = media ?? row
  const timescale = media ? track.timescale : PRESENTATION_TIMESCALE
  return microsAt(startTicks + durationTicks, timescale) - microsAt(startTicks, timescale)
}

/** The wall clock of this rendition's first sample, which need not be the instant at which the segment starts. */
function wallMsOf(row: SegmentRow, media: RenditionSegment | undefined, track: Track): number {
  if (media === undefined) return row.wallMs
  const rowMicros = microsAt(row.startTicks, PRESENTATION_TIMESCALE)
  return row.wallMs + (microsAt(media.startTicks, track.timescale) - rowMicros) / 1_000
}
