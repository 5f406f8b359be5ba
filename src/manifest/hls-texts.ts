import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import type { PresentationView, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { quoted, tagWith } from './hls-attributes.ts'
import { targetSeconds } from './hls-skip.ts'
import { listedWindow } from './listed-window.ts'
import type { TextUris } from './text-uris.ts'
import { isoTime, microsAt, secondsText } from './time-text.ts'

/** The group of all texts; every variant has it. */
export const TEXT_GROUP = 'text'

/** EXT-X-PROGRAM-DATE-TIME and all else in a playlist of texts is there in 3 (RFC 8216 §7). */
const VERSION = 3
/** What a text for those who hear little says of itself (Apple HLS authoring specification, "Accessibility"). */
const CAPTION_CHARACTERISTICS =
  'public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound'

/** EXT-X-MEDIA of the texts (RFC 8216 §4.3.4.1), none of which is shown unless the viewer wants it, or, forced, the player finds that it is needed. */
export function subtitleMedia(texts: readonly TextRendition[], uris: Pick<TextUris, 'playlist'>): readonly string[] {
  // What a player chooses by itself is to be told apart by what is said of it; the rest is for viewers to choose.
  const isLikeOther = ({ language, role }: TextRendition, at: number) =>
    texts.slice(0, at).some((other) => other.language === language && other.role === role)
  return texts.map((text, at) =>
    tagWith('EXT-X-MEDIA', {
      TYPE: 'SUBTITLES',
      'GROUP-ID': quoted(TEXT_GROUP),
      NAME: quoted(text.name),
      LANGUAGE: text.language === undefined ? undefined : quoted(text.language),
      DEFAULT: 'NO',
      AUTOSELECT: isLikeOther(text, at) ? 'NO' : 'YES',
      FORCED: text.role === 'forced' ? 'YES' : 'NO',
      CHARACTERISTICS: text.role === 'caption' ? quoted(CAPTION_CHARACTERISTICS) : undefined,
      URI: quoted(uris.playlist(text)),
    }),
  )
}

/**
 * The HLS playlist of a text: a segment of WebVTT for each segment of the presentation, with the numbers, durations and discontinuities of its first
 * rendition. One is there where no media is, too.
 */
export function buildTextPlaylist(view: PresentationView, text: TextRendition, uris: TextUris): string {
  const { first, end } = listedWindow(view)
  const firstRow = view.segment(first)
  let discontinuitySequence = view.segment(first - 1)?.discontinuitySequence ?? firstRow?.discontinuitySequence ?? 0
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${VERSION}`, `#EXT-X-TARGETDURATION:${targetSeconds(view.header)}`]
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${first}`)
  if (discontinuitySequence > 0) lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`)
  if (view.archived) lines.push('#EXT-X-PLAYLIST-TYPE:VOD')
  for (let sequence = first; sequence < end; sequence++) {
    const row = view.segment(sequence)
    if (!row) continue
    const risen = row.discontinuitySequence - discontinuitySequence
    for (let tag = 0; tag < risen; tag++) lines.push('#EXT-X-DISCONTINUITY')
    const isDated = (risen > 0 || sequence === first) && view.header.hasWallClock !== false
    if (isDated) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${isoTime(row.wallMs)}`)
    discontinuitySequence = row.discontinuitySequence
    lines.push(`#EXTINF:${secondsText(durationMicros(view, row))},`, uris.segment(text, row.startTicks))
  }
  if (view.ended) lines.push('#EXT-X-ENDLIST')
  return `${lines.join('\n')}\n`
}

/** As the first rendition has it, so that both come out alike at the end. */
function durationMicros(view: PresentationView, { sequence, startTicks, durationTicks }: SegmentRow): number {
  const [main] = view.renditions
  const media: RenditionSegment | undefined = main && view.renditionSegment(main.index, sequence)
  const timescale = media && view.track(media.track)?.timescale
  if (media && timescale !== undefined) {
    return microsAt(media.startTicks + media.durationTicks, timescale) - microsAt(media.startTicks, timescale)
  }
  return microsAt(startTicks + durationTicks, PRESENTATION_TIMESCALE) - microsAt(startTicks, PRESENTATION_TIMESCALE)
}
