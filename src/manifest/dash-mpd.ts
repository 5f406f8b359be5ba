import type { Marker } from '../presentation/markers.ts'
import { type TileGrid, tileGrid } from '../presentation/tile-grid.ts'
import type { PresentationView, SegmentRow } from '../presentation/view.ts'
import { adaptationSets } from './dash-adaptation-set.ts'
import { eventStreams, markersByPeriod } from './dash-events.ts'
import { inBandKind } from './dash-in-band.ts'
import type { DashKeySignals, PeriodKeys } from './dash-keys.ts'
import { type LowLatency, lowLatencyOf, numberedPeriods, openedPeriod, serviceDescription } from './dash-low-latency.ts'
import { type ListedPeriod, listedPeriods, type MpdOrigin, PERIOD_TIMESCALE, placePeriod } from './dash-period.ts'
import { type DashTexts, type TextTimelines, textSets, textTimelines } from './dash-texts.ts'
import { thumbnailSet } from './dash-thumbnails.ts'
import { listedMarkers } from './hls-markers.ts'
import { type ListedWindow, listedWindow, liveWindow } from './listed-window.ts'
import { ListingSurvey } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { isoTime, microsAt, xmlDuration } from './time-text.ts'
import { element, textElement, type Xml } from './xml.ts'

/** How far behind the live edge a player starts, in target durations (as HLS has it). */
const DELAY_TARGETS = 3
const MICROS_PER_MS = 1_000
/** How far back a live MPD reaches where nobody asks for more. */
const REWIND_LIMIT_MS = 2 * 3_600_000

/** What the request asks of an MPD. */
export type MpdOptions = {
  /** Leaves out what has a picture. */
  readonly audioOnly?: boolean
  /**
   * An ended presentation is `zero`: on-demand, its first segment at 0 (the default); or `epoch`: on the timeline it had
   * while it was live, for a player that is in the middle of it.
   */
  readonly endedTimeline?: 'zero' | 'epoch'
  /** `full`: live, the whole of the rewind window. Else two hours of it at most. */
  readonly rewind?: 'full'
  /** Where a player of the live MPD is to look for the next one (`Location`), so that it can be told from a new player. */
  readonly location?: string
  /** How far behind the live edge what is shown ends. */
  readonly backoffMs?: number
  /** Segments that can be asked for while they are written are counted, where there are such. */
  readonly lowLatency?: boolean
  /** Where sprites of an on-demand presentation are, with `$Number$`; absent: it has no thumbnails. */
  readonly thumbnails?: string
  /** What the sprites are of, where the view is a part of it; absent: of the view. */
  readonly thumbnailsOf?: PresentationView
  /** What is said of keys; absent: it is in the clear. */
  readonly keys?: DashKeySignals | undefined
  /** How the view's texts are listed; absent: they are not. */
  readonly texts?: DashTexts
}

/**
 * The DASH MPD (ISO/IEC 23009-1, live profile): a period per discontinuity that has media, named after its discontinuity
 * sequence. While it is live, MPD time 0 is the Unix epoch. With nothing listed there is one empty period.
 */
export function buildMpd(
  view: PresentationView,
  uris: ManifestUris,
  options: MpdOptions = {},
  survey = new ListingSurvey(view),
): string {
  const window = mpdWindow(view, options)
  const renditions = view.renditions.filter(({ kind }) => kind === 'audio' || !options.audioOnly)
  const isOnDemand = isStatic(view, options)
  const latency = mpdLowLatency(view, options)
  const periods = listedPeriods(view, window, renditions, survey)
  const opened = latency && openedPeriod(view, window, renditions)
  if (opened) periods.push(opened)
  const withMedia = periods.filter(({ representations }) => representations.length > 0)
  const found = withMedia.length > 0 ? withMedia : periods.slice(-1)
  const listed = latency ? numberedPeriods(found, latency, utcTiming(uris)) : found
  const origin = { originTicks: isOnDemand ? (listed[0]?.firstMediaTicks ?? 0) : 0 }
  const markers = markersByPeriod(listed, listedMarkers(view, window))
  const children: Xml[] = []
  if (!view.ended && options.location !== undefined) children.push(textElement('Location', options.location))
  if (latency) children.push(serviceDescription(latency))
  const grid =
    isOnDemand && !options.audioOnly && options.thumbnails !== undefined
      ? tileGrid(options.thumbnailsOf ?? view)
      : undefined
  const images = grid && { grid, media: options.thumbnails ?? '' }
  const texts =
    options.texts && !options.audioOnly
      ? { ...options.texts, timelines: textTimelines(view, window, origin, options.texts) }
      : undefined
  const periodOf = (period: ListedPeriod) =>
    periodElement(view, period, { markers: markers.get(period) ?? [], origin, uris, images, texts, keys: options.keys })
  children.push(...listed.map(periodOf))
  if (listed.length === 0) children.push(element('Period', { id: 'd0', start: 'PT0S' }))
  if (!isOnDemand) children.push(utcTiming(uris))
  const attributes = {
    xmlns: 'urn:mpeg:dash:schema:mpd:2011',
    profiles: 'urn:mpeg:dash:profile:isoff-live:2011',
    ...(isOnDemand
      ? { type: 'static' }
      : liveAttributes(view, view.segment(window.end - 1), rewindMs(view, options), options, opened)),
    minBufferTime: xmlDuration(view.header.targetDurationMs * MICROS_PER_MS),
    mediaPresentationDuration: view.ended ? durationOf(listed, origin) : undefined,
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('MPD', attributes, children)}\n`
}

/** What an MPD lists: the window of playlists where it is on-demand; else that of the players which were there live. */
export function mpdWindow(view: PresentationView, options: MpdOptions): ListedWindow {
  return isStatic(view, options) ? listedWindow(view) : liveWindow(view, rewindMs(view, options))
}

function isStatic({ ended }: PresentationView, { endedTimeline }: MpdOptions): boolean {
  return ended && endedTimeline !== 'epoch'
}

/** The low latency of an MPD; players of one that has ended go on with the addresses that they have. */
function mpdLowLatency(view: PresentationView, options: MpdOptions): LowLatency | undefined {
  return options.lowLatency && !isStatic(view, options) ? lowLatencyOf(view) : undefined
}

/** How far back a live MPD reaches; `undefined`: to the beginning. */
function rewindMs({ header }: PresentationView, { rewind }: MpdOptions): number | undefined {
  if (rewind === 'full') return header.rewindWindowMs
  return Math.min(header.rewindWindowMs ?? REWIND_LIMIT_MS, REWIND_LIMIT_MS)
}

/** An MPD that has ended is live without an update period: nothing new is coming, and what is there stays available. */
function liveAttributes(
  view: PresentationView,
  newest: SegmentRow | undefined,
  rewindWindowMs: number | undefined,
  { backoffMs = 0 }: MpdOptions,
  opened: ListedPeriod | undefined,
): Record<string, string | undefined> {
  const targetMicros = view.header.targetDurationMs * MICROS_PER_MS
  const isRewindKnown = !view.ended && rewindWindowMs !== undefined
  return {
    type: 'dynamic',
    availabilityStartTime: '1970-01-01T00:00:00Z',
    publishTime: isoTime(publishMs(view, newest, opened)),
    minimumUpdatePeriod: view.ended ? undefined : xmlDuration(targetMicros),
    timeShiftBufferDepth: isRewindKnown ? xmlDuration(rewindWindowMs * MICROS_PER_MS) : undefined,
    suggestedPresentationDelay: xmlDuration(targetMicros * DELAY_TARGETS + backoffMs * MICROS_PER_MS),
  }
}

/** When the newest segment was complete; a player takes an MPD for new only if this is later, so the end is a tick after. */
function publishMs(view: PresentationView, newest: SegmentRow | undefined, opened: ListedPeriod | undefined): number {
  if (newest === undefined) return 0
  const durationMs = microsAt(newest.durationTicks, PERIOD_TIMESCALE) / MICROS_PER_MS
  const completeMs = newest.wallMs + durationMs + (view.ended ? 1 : 0) + newsSince(view)
  return opened ? Math.max(completeMs + 1, view.live?.openSegment?.wallMs ?? 0) : completeMs
}

function durationOf(periods: readonly ListedPeriod[], { originTicks }: MpdOrigin): string {
  const endTicks = periods.at(-1)?.endMediaTicks ?? originTicks
  return xmlDuration(microsAt(endTicks - originTicks, PERIOD_TIMESCALE))
}

/** What a period has beside its media, and where that is found. */
type PeriodContents = {
  readonly markers: readonly Marker[]
  readonly origin: MpdOrigin
  readonly uris: ManifestUris
  readonly keys: DashKeySignals | undefined
  readonly images: { readonly grid: TileGrid; readonly media: string } | undefined
  readonly texts: (DashTexts & { readonly timelines: TextTimelines }) | undefined
}

/** What was said of markers since the newest segment; far fewer than it has milliseconds. */
function newsSince({ markers, endSequence }: PresentationView): number {
  const recent = markers.filter(({ changedSequence }) => changedSequence >= endSequence)
  return Math.min(
    999,
    recent.reduce((sum, { revision }) => sum + revision + 1, 0),
  )
}

function periodElement(
  view: PresentationView,
  period: ListedPeriod,
  { markers, origin, uris, images, texts, keys }: PeriodContents,
): Xml {
  const { startTicks, mediaTicks } = placePeriod(period, origin)
  const attributes = {
    id: `d${period.discontinuitySequence}`,
    start: xmlDuration(microsAt(startTicks, PERIOD_TIMESCALE)),
  }
  const sets = adaptationSets(period.representations, view.renditions, mediaTicks, uris, {
    inBand: inBandKind(view),
    keys: keys && keysOfPeriod(keys, period),
  })
  // A part has fewer renditions than its highest index says.
  const freeId = 1 + Math.max(-1, ...view.renditions.map(({ index }) => index))
  const isSeen = period.representations.some(({ track }) => track.config.kind === 'video')
  const seen = images && isSeen ? [thumbnailSet(freeId, images.grid, mediaTicks, images.media)] : []
  const read = texts ? textSets(view, period, mediaTicks, freeId + 1, texts) : []
  return element('Period', attributes, [...eventStreams(markers, mediaTicks), ...sets, ...seen, ...read])
}

/** The keys of a period: one where they do not rotate. */
function keysOfPeriod(keys: DashKeySignals, { discontinuitySequence }: ListedPeriod): PeriodKeys {
  const periodMs = keys.periodMs(discontinuitySequence)
  return {
    elements: (track) => keys.elements(track, periodMs),
    initPeriod: (track) => keys.initPeriod(track, periodMs),
  }
}

function utcTiming({ utcTiming: value }: ManifestUris): Xml {
  return element('UTCTiming', { schemeIdUri: 'urn:mpeg:dash:utc:http-xsdate:2014', value })
}
