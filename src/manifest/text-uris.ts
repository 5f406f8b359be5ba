import type { TextCodec } from '../media/text/text-init.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'

/** Where texts are, relative to the manifest that names them; what is given is not escaped yet. Times are in 90 kHz. */
export type TextUris = {
  /** The HLS playlist. */
  playlist(text: TextRendition): string
  /** A segment of that: WebVTT of the row that starts there. */
  segment(text: TextRendition, startTicks: number): string
  init(text: TextRendition, codec: TextCodec): string
  /** Contains `$Time$`. */
  dashSegmentTemplate(text: TextRendition, codec: TextCodec): string
  /** All that is shown between two times as one file, counted from the first. */
  whole(text: TextRendition, format: 'vtt' | 'ttml', fromTicks: number, toTicks: number): string
}

/** How an MPD has its texts: in fragments, each as what it comes nearest to or all as one codec; as whole files; or not at all. */
export type TextForm = 'fragments' | 'wvtt' | 'stpp' | 'file' | 'none'
