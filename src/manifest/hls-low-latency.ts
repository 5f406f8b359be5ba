import { newestPart, type PartRecord } from '../presentation/live-edge.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { quoted, tagWith } from './hls-attributes.ts'
import { countParts, firstInParts, type ListedPart, listsParts, partsOf, partTargetMs } from './hls-parts.ts'
import { type LineContext, type LineSource, leadingTags } from './hls-segment-lines.ts'
import type { ListedWindow } from './listed-window.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { secondsText } from './time-text.ts'

/** RFC 8216bis §4.4.3.8: at least three times the part target. */
const HOLD_BACK_PARTS = 3

/** What LL-HLS adds to a media playlist (RFC 8216bis §4.4.3.7–8, §4.4.4.9, §4.4.5.3–4). */
export class LowLatencyTags {
  readonly #view: PresentationView
  readonly #rendition: Rendition
  readonly #uris: ManifestUris
  /** The first segment whose parts are listed; from here on the text may change with each part. */
  readonly firstSequence: number

  constructor(view: PresentationView, rendition: Rendition, uris: ManifestUris) {
    this.#view = view
    this.#rendition = rendition
    this.#uris = uris
    this.firstSequence = firstInParts(view)
  }

  /** Attributes of EXT-X-SERVER-CONTROL. */
  get control(): Readonly<Record<string, string>> {
    const holdBackMs = HOLD_BACK_PARTS * partTargetMs(this.#view.header)
    return { 'CAN-BLOCK-RELOAD': 'YES', 'PART-HOLD-BACK': seconds(holdBackMs) }
  }

  get headTag(): string {
    return tagWith('EXT-X-PART-INF', { 'PART-TARGET': seconds(partTargetMs(this.#view.header)) })
  }

  /** The parts of a closed segment. */
  partTags(sequence: number, track: Track): string {
    if (sequence < this.firstSequence) return ''
    const parts = partsOf(this.#view, this.#rendition, track, sequence) ?? []
    return this.#lines(parts, track)
  }

  /** What follows the last closed segment: the parts of the open one, what comes next, and where the other renditions are. */
  endLines(source: LineSource, before: LineContext): string {
    const { ended, live } = this.#view
    if (ended || !live) return ''
    const newest = newestPart(live, this.#rendition.tracks)
    return this.#openLines(source, before) + this.#hint(newest) + this.#reports()
  }

  #openLines(source: LineSource, before: LineContext): string {
    const open = this.#view.live?.openSegment
    const first = open && this.#view.live?.parts(this.#rendition.index, open.sequence)?.[0]
    if (!open || !first) return ''
    const { text, next } = leadingTags(source, open, first, false, before)
    return text + this.#lines(partsOf(this.#view, this.#rendition, next.track, open.sequence) ?? [], next.track)
  }

  #lines(parts: readonly ListedPart[], track: Track): string {
    let lines = ''
    for (const { durationMicros, independent, place } of parts) {
      const isGap = !('number' in place)
      const uri = isGap ? this.#uris.segment(track, place.startTicks) : this.#uris.part(track, place.number)
      const tag = tagWith('EXT-X-PART', {
        DURATION: secondsText(durationMicros),
        URI: quoted(uri),
        INDEPENDENT: independent ? 'YES' : undefined,
        GAP: isGap ? 'YES' : undefined,
      })
      lines += `${tag}\n`
    }
    return lines
  }

  /** Parts are numbered through, so that where the open segment ends makes no difference to what the next one is called. */
  #hint(newest: PartRecord | undefined): string {
    const current = this.#rendition.tracks.at(-1)
    if (newest?.number === undefined || newest.track !== current?.track) return ''
    const uri = this.#uris.part(current, newest.number + 1)
    return `${tagWith('EXT-X-PRELOAD-HINT', { TYPE: 'PART', URI: quoted(uri) })}\n`
  }

  #reports(): string {
    let lines = ''
    for (const rendition of this.#view.renditions) {
      if (rendition.index === this.#rendition.index) continue
      const { sequence, part } = lastListed(this.#view, rendition)
      const URI = quoted(this.#uris.mediaPlaylist(rendition))
      lines += `${tagWith('EXT-X-RENDITION-REPORT', { URI, 'LAST-MSN': sequence, 'LAST-PART': part })}\n`
    }
    return lines
  }
}

/** The tags of LL-HLS for a playlist of this view and window; `undefined` where it lists no parts. */
export function lowLatencyTags(
  view: PresentationView,
  rendition: Rendition,
  uris: ManifestUris,
  window: ListedWindow,
): LowLatencyTags | undefined {
  // A window that ends earlier has nothing of what is being written.
  const isToTheEnd = window.end === view.endSequence
  return listsParts(view) && isToTheEnd ? new LowLatencyTags(view, rendition, uris) : undefined
}

/** The last segment of which a rendition's playlist has anything, and the index of the last part there. */
function lastListed(view: PresentationView, rendition: Rendition): { sequence: number; part: number | undefined } {
  const open = view.live?.openSegment
  const openParts = open ? (countParts(view, rendition, open.sequence) ?? 0) : 0
  if (open && openParts > 0) return { sequence: open.sequence, part: openParts - 1 }
  const sequence = view.endSequence - 1
  const parts = countParts(view, rendition, sequence) ?? 0
  return { sequence, part: parts > 0 ? parts - 1 : undefined }
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(3)
}
