import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { tagWith } from './hls-attributes.ts'
import { canSkipDateRanges, dateRangeUpdate } from './hls-date-ranges.ts'
import { type LowLatencyTags, lowLatencyTags } from './hls-low-latency.ts'
import { cueTagsOf, dateRangeTags } from './hls-markers.ts'
import { listsParts } from './hls-parts.ts'
import type { HlsProtection } from './hls-protection.ts'
import { isGapLine, type LineContext, type LineSource, type PlaylistStyle, segmentLines } from './hls-segment-lines.ts'
import { type Skipping, type SkipRule, skippingOf, skipRuleOf, targetSeconds } from './hls-skip.ts'
import { transportStyles } from './hls-transport.ts'
import { type ListedWindow, listedWindow } from './listed-window.ts'
import { BLOCK_SEGMENTS, type ListedRendition, ListingSurvey } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import type { SurveyedMedia } from './surveyed-rows.ts'

/**
 * EXT-X-MAP in a playlist of whole segments needs 6 (RFC 8216 §7); EXT-X-GAP came with 8, and validators ask for it. It is
 * said always, because a version that changes from one reload to the next helps nobody. EXT-X-SKIP needs 9, and only who
 * asked for it reads it; with RECENTLY-REMOVED-DATERANGES it needs 10.
 */
const VERSION = 8
const SKIP_VERSION = 9
const SKIP_DATE_RANGES_VERSION = 10

const styles = {
  segments: { headTags: [], isListed: () => true, byteRange: () => undefined },
  /**
   * The first key frame of every segment (RFC 8216 §4.3.3.6). A segment without one is listed as a gap, so that sequence
   * numbers are those of the media playlist.
   */
  'key-frames': {
    headTags: ['#EXT-X-I-FRAMES-ONLY'],
    isListed: ({ independent, leadingBytes }) => independent && leadingBytes > 0,
    byteRange: ({ leadingBytes }, eventBytes) => `${leadingBytes}@${eventBytes}`,
  },
  /** Every key frame of a view in which each is a segment of its own, at an address of its own. */
  'key-frames-apart': {
    headTags: ['#EXT-X-I-FRAMES-ONLY'],
    isApart: true,
    isListed: () => true,
    byteRange: () => undefined,
  },
  ...transportStyles,
} as const satisfies Record<string, PlaylistStyle>

/** `v2`: of date ranges too. */
export type Skip = boolean | 'v2'

/** Which playlist of a rendition. */
export type PlaylistOptions = {
  readonly lists?: keyof typeof styles
  /** A delta update, where the playlist allows for one now (RFC 8216bis §6.2.5.1); else it is the whole. */
  readonly skip?: Skip
  readonly skipRule?: SkipRule
  /** The tags of breaks from before EXT-X-DATERANGE as well. */
  readonly cues?: boolean
  /** Absent: all of it is in the clear. */
  readonly protection?: HlsProtection | undefined
}

/**
 * What a block's text is made from, beside what never changes: texts with equal stamps are equal. `media` is compared as an
 * object.
 */
export type BlockStamp = {
  readonly media: SurveyedMedia
  readonly track: number
  readonly wasGap: boolean
  /** Of markers that stand among its lines, what was said so far. */
  readonly markerChanges?: number | undefined
}

/**
 * The HLS media playlist of one rendition (RFC 8216 §4.3.3) in pieces. Every rendition of a view lists the same segments. The
 * text of a block stays the same from one version to the next, as its stamp does; what comes before the blocks and after them
 * does not. What is new with each part of a segment stands in `edge`: the rest is the same until the view's version changes. All of it is to
 * be read before the view changes.
 */
export class MediaPlaylist {
  readonly #source: LineSource
  readonly #window: ListedWindow
  readonly #survey: ListingSurvey
  readonly #listed: ListedRendition
  readonly #skipping: Skipping | undefined
  readonly #lowLatency: LowLatencyTags | undefined
  /** The first segment that is listed rather than skipped. */
  readonly #firstKept: number
  readonly #skipsDateRanges: boolean
  /** The first segment that belongs to `edge`. */
  readonly #firstOfEdge: number

  constructor(
    view: PresentationView,
    rendition: Rendition,
    uris: ManifestUris,
    { lists = 'segments', skip = false, skipRule, cues = false, protection }: PlaylistOptions = {},
    survey: ListingSurvey = new ListingSurvey(view),
  ) {
    this.#window = listedWindow(view)
    const hasParts = lists === 'segments' && !protection?.omitsParts
    const rule = skipRule ?? skipRuleOf(view, hasParts)
    const lowLatency = hasParts ? lowLatencyTags(view, rendition, uris, this.#window) : undefined
    this.#lowLatency = lowLatency
    const partTags = lowLatency && ((sequence: number, track: Track) => lowLatency.partTags(sequence, track))
    const style: PlaylistStyle = styles[lists]
    const hasCues = cues && !isOfKeyFrames(style)
    this.#source = { view, rendition, uris, style, protection, partTags, ...(hasCues && { cueTags: cueTagsOf(view) }) }
    this.#survey = survey
    this.#listed = survey.listed(rendition, this.#window)
    // A delta update needs a newer version than players of this one know.
    this.#skipping = lists === 'transport-v3' ? undefined : skippingOf(view, this.#window, rule)
    const { first } = this.#window
    this.#firstKept = (skip ? this.#skipping?.firstKept : undefined) ?? first
    this.#skipsDateRanges = skip === 'v2' && this.#firstKept > first && canSkipDateRanges(view)
    this.#firstOfEdge = Math.max(this.#firstKept, this.#lowLatency?.firstSequence ?? this.#window.end)
  }

  /** The whole blocks within: `firstBlock` ≤ n < `endBlock`, possibly none. */
  get firstBlock(): number {
    return Math.min(Math.floor(this.#firstKept / BLOCK_SEGMENTS) + 1, this.endBlock)
  }

  get endBlock(): number {
    return Math.floor(this.#firstOfEdge / BLOCK_SEGMENTS)
  }

  /** The head and the segments before the first block. */
  front(): string {
    const isBlocked = this.firstBlock < this.endBlock
    const end = isBlocked ? this.firstBlock * BLOCK_SEGMENTS : this.#firstOfEdge
    return this.#head() + this.#lines(this.#firstKept, end)
  }

  stamp(block: number): BlockStamp {
    const { track, wasGap } = this.#contextAt(block * BLOCK_SEGMENTS)
    const { rendition, view, cueTags: cues } = this.#source
    const markerChanges = cues && view.header.markerChanges
    return { media: this.#survey.block(rendition.index, block), track: track.track, wasGap, markerChanges }
  }

  block(block: number): string {
    return this.#lines(block * BLOCK_SEGMENTS, (block + 1) * BLOCK_SEGMENTS)
  }

  /** The segments after the last block; the end as well, where there is no edge. */
  tail(): string {
    const isBlocked = this.firstBlock < this.endBlock
    const lines = isBlocked ? this.#lines(this.endBlock * BLOCK_SEGMENTS, this.#firstOfEdge) : ''
    return this.#lowLatency ? lines : lines + this.#endTag
  }

  /** The segments whose parts are listed, what is there of the next, and the end; empty where no parts are listed. */
  edge(): string {
    if (!this.#lowLatency) return ''
    const { end } = this.#window
    const segments = this.#lines(this.#firstOfEdge, end)
    return segments + this.#lowLatency.endLines(this.#source, this.#contextAt(end)) + this.#endTag
  }

  toString(): string {
    let text = this.front()
    for (let block = this.firstBlock; block < this.endBlock; block++) text += this.block(block)
    return text + this.tail() + this.edge()
  }

  get #endTag(): string {
    return this.#source.view.ended ? '#EXT-X-ENDLIST\n' : ''
  }

  #lines(first: number, end: number): string {
    return first < end ? segmentLines(this.#source, first, end, this.#contextAt(first)) : ''
  }

  #contextAt(sequence: number): LineContext {
    const { view, rendition } = this.#source
    const { first } = this.#window
    const isFirst = sequence === first
    const track = this.#survey.trackBefore(rendition, sequence, first) ?? this.#listed.tracks[0]
    const before = view.segment(sequence - 1)
    return {
      track,
      kid: before && this.#source.protection?.keyOf(track, before.startTicks).kid,
      discontinuitySequence: sequenceBefore(view, sequence),
      wasGap: !isFirst && isGapLine(this.#source, sequence - 1),
      restates: sequence === this.#firstKept,
    }
  }

  #head(): string {
    const { view, style } = this.#source
    const { first } = this.#window
    const skipped = this.#firstKept - first
    const discontinuitySequence = sequenceBefore(view, first)
    const hasDateRanges = !isOfKeyFrames(style)
    const update =
      this.#skipsDateRanges && hasDateRanges ? dateRangeUpdate(view, this.#window, this.#firstKept) : undefined
    const skipVersion = update ? SKIP_DATE_RANGES_VERSION : SKIP_VERSION
    const version = Math.max(style.version ?? VERSION, this.#source.protection?.version ?? 0)
    const lines = ['#EXTM3U', `#EXT-X-VERSION:${skipped > 0 ? skipVersion : version}`]
    lines.push(`#EXT-X-TARGETDURATION:${targetSeconds(view.header)}`)
    const skipsDateRanges = hasDateRanges && canSkipDateRanges(view)
    if (this.#skipping) lines.push(serverControl(this.#skipping, this.#lowLatency, skipsDateRanges))
    if (this.#lowLatency) lines.push(this.#lowLatency.headTag)
    lines.push(`#EXT-X-MEDIA-SEQUENCE:${first}`)
    if (discontinuitySequence > 0) lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`)
    const type = playlistType(view)
    if (type) lines.push(`#EXT-X-PLAYLIST-TYPE:${type}`)
    lines.push(...style.headTags)
    if (this.#listed.independent) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
    const removed = update && `,RECENTLY-REMOVED-DATERANGES="${update.removed}"`
    if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}${removed ?? ''}`)
    if (hasDateRanges) lines.push(...(update?.tags ?? dateRangeTags(view, this.#window)))
    return `${lines.join('\n')}\n`
  }
}

/**
 * The discontinuity sequence before a row. A row that begins a new one keeps its EXT-X-DISCONTINUITY when it comes first in the
 * playlist, also when the row before it is gone: who has it from an older playlist, and the rest from a delta update, has that tag.
 */
function sequenceBefore(view: PresentationView, sequence: number): number {
  const row = view.segment(sequence)
  const before = view.segment(sequence - 1)
  if (before || !row) return before?.discontinuitySequence ?? 0
  const { discontinuitySequence, startTicks } = row
  const begins = view.discontinuityStartTicks(discontinuitySequence) === startTicks
  return begins && sequence > 0 && discontinuitySequence > 0 ? discontinuitySequence - 1 : discontinuitySequence
}

function isOfKeyFrames({ headTags }: PlaylistStyle): boolean {
  return headTags.includes('#EXT-X-I-FRAMES-ONLY')
}

/** Whether such playlists of this view are put together from what was rendered before: they are long, or change with each part. */
export function hasBlocks(view: PresentationView, lists?: PlaylistOptions['lists']): boolean {
  if (lists === 'segments' && listsParts(view)) return true
  const { first, end } = listedWindow(view)
  return Math.floor(first / BLOCK_SEGMENTS) + 1 < Math.floor(end / BLOCK_SEGMENTS)
}

/** Whether there can be a delta update of this view's playlists now; else who asks for one gets the whole. */
export function canSkip(view: PresentationView, lists?: PlaylistOptions['lists']): boolean {
  const window = listedWindow(view)
  const { firstKept = window.first } = skippingOf(view, window, skipRuleOf(view, lists === 'segments')) ?? {}
  return firstKept > window.first
}

/** The text of a media playlist. */
export function buildMediaPlaylist(
  view: PresentationView,
  rendition: Rendition,
  uris: ManifestUris,
  options: PlaylistOptions = {},
  survey?: ListingSurvey,
): string {
  return new MediaPlaylist(view, rendition, uris, options, survey).toString()
}

function serverControl(
  { boundarySeconds, holdBackSeconds }: Skipping,
  lowLatency: LowLatencyTags | undefined,
  skipsDateRanges: boolean,
): string {
  return tagWith('EXT-X-SERVER-CONTROL', {
    ...lowLatency?.control,
    'CAN-SKIP-UNTIL': boundarySeconds.toFixed(1),
    'CAN-SKIP-DATERANGES': skipsDateRanges ? 'YES' : undefined,
    'HOLD-BACK': holdBackSeconds.toFixed(1),
  })
}

/**
 * `EVENT` where both windows are unlimited. A log that keeps everything starts at number 0; one that starts later has lost
 * something, and leaving the type out promises nothing.
 */
function playlistType({ header, firstSequence, archived }: PresentationView): 'VOD' | 'EVENT' | undefined {
  if (archived) return 'VOD'
  const onlyGrows = header.rewindWindowMs === undefined && header.archiveWindowMs === undefined && firstSequence === 0
  return onlyGrows ? 'EVENT' : undefined
}
