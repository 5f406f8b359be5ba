import { buildFragment } from '../media/cmaf/fragment.ts'
import { transportTicks, wrapped } from '../media/mpegts/timestamps.ts'
import { writeStppSample } from '../media/text/stpp.ts'
import { cuesWithin, type TextDocument } from '../media/text/text-document.ts'
import { buildTextInit, type TextCodec } from '../media/text/text-init.ts'
import { writeTtml } from '../media/text/ttml-writer.ts'
import { webVttHeader, writeWebVtt } from '../media/text/web-vtt-writer.ts'
import { writeWvttSamples } from '../media/text/wvtt.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader } from '../presentation/records.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import type { SegmentRow } from '../presentation/view.ts'

/** Raised whenever other bytes are made of the same text. */
export const TEXT_PACKAGER_VERSION = 2

/** A text and its cues; `reaches` is of `reachesOf`. */
export type TextMedia = {
  readonly text: TextRendition
  readonly document: TextDocument
  readonly reaches: Float64Array
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/**
 * A segment of WebVTT (RFC 8216 §3.5): all cues that are shown in it, each with the times of its source. X-TIMESTAMP-MAP says where their time 0 lies
 * in the media beside it: in fragments, the presentation's own time; in transport streams, what PTS count from.
 */
export function webVttSegment(
  { text, document, reaches }: TextMedia,
  { startTicks, durationTicks }: SegmentRow,
  header: PresentationHeader,
  media: 'fragments' | 'transport',
): string {
  const { zeroTicks } = text
  const cues = within(document, reaches, startTicks - zeroTicks, startTicks + durationTicks - zeroTicks)
  const ticks =
    media === 'fragments' ? zeroTicks : transportTicks(zeroTicks, PRESENTATION_TIMESCALE, header.timeBaseTicks ?? 0)
  return writeWebVtt(cues, document, { map: { localMs: 0, transportTicks: wrapped(ticks) } })
}

/** A segment of text in a fragment, which is as long as its row. */
export function textFragment(
  { text, document, reaches }: TextMedia,
  { sequence, startTicks, durationTicks }: SegmentRow,
  codec: TextCodec,
): Uint8Array {
  const { zeroTicks, language } = text
  const endTicks = startTicks + durationTicks
  const cues = within(document, reaches, startTicks - zeroTicks, endTicks - zeroTicks)
  const placement = { zeroTicks, ticksPerMs: TICKS_PER_MS }
  const samples =
    codec === 'wvtt'
      ? writeWvttSamples(cues, startTicks, endTicks, placement)
      : [writeStppSample(cues, document, language, startTicks, endTicks, placement)]
  const { bytes } = buildFragment({
    ...{ trackId: 1, sequenceNumber: sequence + 1, baseDecodeTicks: startTicks, kind: 'audio', opensSegment: true },
    samples: samples.map(({ durationTicks: ticks, data }) => ({
      ...{ durationTicks: ticks, compositionTicks: 0, independent: true, data },
    })),
  })
  return bytes
}

/** What comes before the fragments. */
export function textInit({ text: { language }, document }: TextMedia, codec: TextCodec): Uint8Array {
  return buildTextInit({ codec, timescale: PRESENTATION_TIMESCALE, language, header: webVttHeader(document) })
}

/** All that is shown between two instants as one file, with times from the first on. */
export function wholeText(
  { text, document, reaches }: TextMedia,
  format: 'vtt' | 'ttml',
  fromTicks: number,
  toTicks: number,
): string {
  const { zeroTicks, language } = text
  const cues = within(document, reaches, fromTicks - zeroTicks, toTicks - zeroTicks)
  const minusMs = (fromTicks - zeroTicks) / TICKS_PER_MS
  if (format === 'vtt') return writeWebVtt(cues, document, { minusMs })
  return writeTtml(cues, document, language, { plusMs: -minusMs, toMs: (toTicks - fromTicks) / TICKS_PER_MS })
}

function within({ cues }: TextDocument, reaches: Float64Array, fromTicks: number, toTicks: number) {
  return cuesWithin(cues, reaches, fromTicks / TICKS_PER_MS, toTicks / TICKS_PER_MS)
}
