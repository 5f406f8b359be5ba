import { carriedEvents } from '../presentation/carried-events.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { quoted } from './hls-attributes.ts'
import type { HlsProtection } from './hls-protection.ts'
import { currentTrack } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { isoTime, microsAt, rescale, secondsText } from './time-text.ts'

/** What distinguishes a playlist of segments from one of key frames. */
export type PlaylistStyle = {
  /** EXT-X-VERSION, where it isn't that of playlists of fragments. */
  readonly version?: number
  /** `false`: what is listed needs no initialisation segment. */
  readonly hasInit?: false
  /**
   * Its readers know no gaps: where no segment's number can change any more, gaps are left out, and a discontinuity stands there. While it
   * changes they are listed, since a number that is another at the next reload is worse than a segment that is not there.
   */
  readonly omitsGaps?: true
  readonly headTags: readonly string[]
  /** What is listed are key frames, each at an address of its own. */
  readonly isApart?: true
  /** Whether what the rendition has in a segment can be listed; else the segment is a gap. */
  isListed(media: RenditionSegment): boolean
  /** The byte range within the segment, whose fragments stand behind `eventBytes`, as EXT-X-BYTERANGE gives it; `undefined` for the whole. */
  byteRange(media: RenditionSegment, eventBytes: number): string | undefined
}

/** Whose segments are listed, and how. */
export type LineSource = {
  readonly view: PresentationView
  readonly rendition: Rendition
  readonly uris: ManifestUris
  readonly style: PlaylistStyle
  /** Absent: all of it is in the clear. */
  readonly protection?: HlsProtection | undefined
  /** The parts of a closed segment, each line with its end. */
  readonly partTags?: ((sequence: number, track: Track) => string) | undefined
  /** What a closed segment has to say of breaks, each line with its end. */
  readonly cueTags?: (sequence: number) => string
}

type RowHead = Pick<SegmentRow, 'discontinuitySequence' | 'startTicks' | 'wallMs'>
type MediaHead = Pick<RenditionSegment, 'track' | 'startTicks'>

/** What a playlist has said before the first of some lines. */
export type LineContext = {
  /** The track of the media before; where there is none, of the first that comes. */
  readonly track: Track
  /** The discontinuity sequence so far: the one of the row before. */
  readonly discontinuitySequence: number
  /** Whether the row before is a gap of this rendition. */
  readonly wasGap: boolean
  /** The key so far. */
  readonly kid?: string | undefined
  /** Lines whose reader may not know what was said before: they name their key, their init segment and their time anew. */
  readonly restates: boolean
}

/** The tags and URIs of the segments from `first` to before `end`, each line with its end. */
export function segmentLines(source: LineSource, first: number, end: number, context: LineContext): string {
  const { view, rendition, style } = source
  let before = context
  let lines = ''
  for (let sequence = first; sequence < end; sequence++) {
    const row = view.segment(sequence) as SegmentRow
    const media = view.renditionSegment(rendition.index, sequence)
    const isGap = media === undefined || !style.isListed(media)
    if (isGap && style.omitsGaps && view.archived) {
      before = { ...before, wasGap: true }
      continue
    }
    const { text, next } = leadingTags(source, row, media, isGap, before)
    lines += text
    if (source.cueTags) lines += source.cueTags(sequence)
    if (source.partTags) lines += source.partTags(sequence, next.track)
    lines += segmentText(source, row, isGap ? undefined : media, media, next.track)
    before = next
  }
  return lines
}

/** What stands before a segment, closed or open, because it is new since the lines before it. */
export function leadingTags(
  { view, rendition, uris, style, protection }: LineSource,
  row: RowHead,
  media: MediaHead | undefined,
  isGap: boolean,
  before: LineContext,
): { readonly text: string; readonly next: LineContext } {
  const { discontinuitySequence } = row
  let { track } = before
  if (media && media.track !== track.track) track = view.track(media.track) ?? currentTrack(rendition)
  const leftOut = style.omitsGaps && view.archived && before.wasGap && !before.restates ? 1 : 0
  const risen = Math.max(leftOut, discontinuitySequence - before.discontinuitySequence)
  // A player counts one discontinuity per tag, so a number that rose by two has two.
  let text = risen > 0 ? '#EXT-X-DISCONTINUITY\n'.repeat(risen) : ''
  const key = protection?.keyOf(track, row.startTicks)
  const isKeyed = key === undefined || (!before.restates && key.kid === before.kid)
  // Before the init segment, which names the key, or is encrypted with it.
  if (!isKeyed) text += `${key.lines.join('\n')}\n`
  const isMapped = style.hasInit === false || (!before.restates && track === before.track && isKeyed)
  if (!isMapped) text += `#EXT-X-MAP:URI=${quoted(uris.init(track, key?.periodMs))}\n`
  const isDated = before.restates || risen > 0 || (before.wasGap && !isGap)
  if (isDated && view.header.hasWallClock !== false)
    text += `#EXT-X-PROGRAM-DATE-TIME:${isoTime(wallMsOf(row, media, track))}\n`
  return { text, next: { track, discontinuitySequence, wasGap: isGap, kid: key?.kid, restates: false } }
}

/** Whether a rendition's segment is listed as a gap. */
export function isGapLine({ view, rendition, style }: Omit<LineSource, 'uris'>, sequence: number): boolean {
  const media = view.renditionSegment(rendition.index, sequence)
  return media === undefined || !style.isListed(media)
}

function segmentText(
  { view, rendition, uris, style, protection }: LineSource,
  row: SegmentRow,
  listed: RenditionSegment | undefined,
  media: RenditionSegment | undefined,
  track: Track,
): string {
  const duration = secondsText(durationMicros(row, media, track))
  const startTicks = media?.startTicks ?? rescale(row.startTicks, PRESENTATION_TIMESCALE, track.timescale)
  const eventBytes = carriedEvents(view, rendition, row.sequence)?.byteLength ?? 0
  const range = listed && style.byteRange(listed, eventBytes)
  // Where in an encrypted segment something stands is known only when it is encrypted.
  const isApart = style.isApart ?? (range !== undefined && protection !== undefined)
  const uri = isApart ? uris.keyFrame(track, startTicks) : uris.segment(track, startTicks)
  const byteRange = isApart ? undefined : range
  const gap = listed ? '' : '#EXT-X-GAP\n'
  const rangeTag = byteRange === undefined ? '' : `#EXT-X-BYTERANGE:${byteRange}\n`
  return `${gap}#EXTINF:${duration},\n${rangeTag}${uri}\n`
}

function durationMicros(row: SegmentRow, media: RenditionSegment | undefined, track: Track): number {
  const { startTicks, durationTicks } = media ?? row
  const timescale = media ? track.timescale : PRESENTATION_TIMESCALE
  return microsAt(startTicks + durationTicks, timescale) - microsAt(startTicks, timescale)
}

/** The wall clock of this rendition's first sample, which need not be the instant at which the segment starts. */
function wallMsOf(row: RowHead, media: MediaHead | undefined, track: Track): number {
  if (media === undefined) return row.wallMs
  const rowMicros = microsAt(row.startTicks, PRESENTATION_TIMESCALE)
  return row.wallMs + (microsAt(media.startTicks, track.timescale) - rowMicros) / 1_000
}
