import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { quoted } from './hls-attributes.ts'
import { currentTrack, type ListedWindow, listedRendition, listedWindow, rowsOf } from './listed-window.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { isoTime, microsAt, rescale, secondsText } from './time-text.ts'

/**
 * EXT-X-MAP in a playlist of whole segments needs 6 (RFC 8216 §7); EXT-X-GAP came with 8, and validators ask for it. It is
 * said always, because a version that changes from one reload to the next helps nobody.
 */
const VERSION = 8

/** What distinguishes a playlist of segments from one of key frames. */
type Style = {
  readonly headTags: readonly string[]
  /** Whether what the rendition has in a segment can be listed; else the segment is a gap. */
  isListed(media: RenditionSegment): boolean
  /** The byte range within the segment, as EXT-X-BYTERANGE gives it; `undefined` for the whole. */
  byteRange(media: RenditionSegment): string | undefined
}

const segmentStyle: Style = { headTags: [], isListed: () => true, byteRange: () => undefined }

const iframeStyle: Style = {
  headTags: ['#EXT-X-I-FRAMES-ONLY'],
  isListed: ({ independent, leadingBytes }) => independent && leadingBytes > 0,
  byteRange: ({ leadingBytes }) => `${leadingBytes}@0`,
}

/** The HLS media playlist of one rendition (RFC 8216 §4.3.3). Every rendition of a view lists the same segments. */
export function buildMediaPlaylist(view: PresentationView, rendition: Rendition, uris: ManifestUris): string {
  return buildPlaylist(view, rendition, uris, segmentStyle)
}

/**
 * The first key frame of every segment (RFC 8216 §4.3.3.6). A segment without one is listed as a gap, so that sequence
 * numbers are those of the media playlist.
 */
export function buildIframePlaylist(view: PresentationView, rendition: Rendition, uris: ManifestUris): string {
  return buildPlaylist(view, rendition, uris, iframeStyle)
}

function buildPlaylist(view: PresentationView, rendition: Rendition, uris: ManifestUris, style: Style): string {
  const window = listedWindow(view)
  const listed = listedRendition(view, rendition, window)
  const lines = head(view, window, style, listed.independent)
  let track: Track = listed.tracks[0]
  let mapped: Track | undefined
  let previous: SegmentRow | undefined
  let wasGap = false
  for (const row of rowsOf(view, window)) {
    const media = view.renditionSegment(rendition.index, row.sequence)
    if (media && media.track !== track.track) track = view.track(media.track) ?? currentTrack(rendition)
    const isGap = media === undefined || !style.isListed(media)
    const risen = row.discontinuitySequence - (previous ?? row).discontinuitySequence
    // A player counts one discontinuity per tag, so a number that rose by two has two.
    for (let tags = 0; tags < risen; tags++) lines.push('#EXT-X-DISCONTINUITY')
    if (track !== mapped) lines.push(`#EXT-X-MAP:URI=${quoted(uris.init(track))}`)
    const isDated = previous === undefined || risen > 0 || (wasGap && !isGap)
    if (isDated) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${isoTime(wallMsOf(row, media, track))}`)
    if (isGap) lines.push('#EXT-X-GAP')
    lines.push(`#EXTINF:${secondsText(durationMicros(row, media, track))},`)
    const byteRange = isGap ? undefined : style.byteRange(media)
    if (byteRange !== undefined) lines.push(`#EXT-X-BYTERANGE:${byteRange}`)
    const startTicks = media?.startTicks ?? rescale(row.startTicks, PRESENTATION_TIMESCALE, track.timescale)
    lines.push(uris.segment(track, startTicks))
    mapped = track
    previous = row
    wasGap = isGap
  }
  if (view.ended) lines.push('#EXT-X-ENDLIST')
  return `${lines.join('\n')}\n`
}

function head(view: PresentationView, window: ListedWindow, style: Style, isIndependent: boolean): string[] {
  const discontinuitySequence = view.segment(window.first)?.discontinuitySequence ?? 0
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${VERSION}`]
  lines.push(`#EXT-X-TARGETDURATION:${Math.max(1, Math.round(view.header.targetDurationMs / 1_000))}`)
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${window.first}`)
  if (discontinuitySequence > 0) lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`)
  if (onlyGrows(view)) lines.push('#EXT-X-PLAYLIST-TYPE:EVENT')
  lines.push(...style.headTags)
  if (isIndependent) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
  return lines
}

/**
 * Both windows are unlimited. A log that keeps everything starts at number 0; one that starts later has lost something,
 * and leaving the type out promises nothing.
 */
function onlyGrows({ header, firstSequence }: PresentationView): boolean {
  return header.rewindWindowMs === undefined && header.archiveWindowMs === undefined && firstSequence === 0
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
