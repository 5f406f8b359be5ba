import { AppError } from '../lib/errors.ts'
import { SMOOTH_TIMESCALE } from '../media/isobmff/smooth-time.ts'
import type { Marker } from '../presentation/markers.ts'
import type { PresentationView } from '../presentation/view.ts'
import { listedMarkers } from './hls-markers.ts'
import { type ListedWindow, listedWindow, liveWindow } from './listed-window.ts'
import { ListingSurvey } from './listing-survey.ts'
import { chunkElements } from './smooth-chunks.ts'
import { type SmoothKind, streamName } from './smooth-names.ts'
import { sparseMessages, sparseStream } from './smooth-sparse.ts'
import {
  betweenChanges,
  listStreams,
  longestOf,
  type RenditionMedia,
  type SmoothListing,
  type SmoothStream,
} from './smooth-streams.ts'
import { element, type Xml } from './xml.ts'

/** What the request asks of a manifest. */
export type SmoothOptions = {
  /** Leaves out what has a picture. */
  readonly audioOnly?: boolean
  /** `full`: live, the whole of the rewind window. Else two hours of it at most. */
  readonly rewind?: 'full' | undefined
  /** The `Protection` element ([MS-SSTR] §2.2.2.2) of what is encrypted, as markup. */
  readonly protection?: string | undefined
}

/** A live fragment tells of this many that follow it, and is not listed before they are there: so its bytes never change. */
export const LOOK_AHEAD_FRAGMENTS = 2
/** How far back a live manifest reaches where nobody asks for more. */
const REWIND_LIMIT_MS = 2 * 3_600_000
const TICKS_PER_MS = SMOOTH_TIMESCALE / 1_000

/**
 * The client manifest of Smooth Streaming ([MS-SSTR] §2.2.2, version 2.2), for the place `/{locatorId}/{name}.ism/manifest`. It keeps the
 * timeline of the log, on which 0 is the Unix epoch, when the presentation ends: the URLs of its fragments stay what they were for players
 * that are in the middle of it.
 * @throws AppError `SEGMENT_NOT_YET` while it has nothing to list, `MEDIA_UNSUPPORTED` where no rendition can be listed, `URL_UNKNOWN`
 * where it never will have
 */
export function buildSmoothManifest(
  view: PresentationView,
  options: SmoothOptions = {},
  survey = new ListingSurvey(view),
): string {
  const window = smoothWindow(view, options)
  const listing = listWindow(view, window, options, survey)
  if (!listing.isWhole) throw nothingListed(view, listing)
  const { streams, omissions } = listing
  const taken = new Set<string>()
  const children: Xml[] = omissions.map(comment)
  for (const stream of streams) {
    const name = streamName(stream.kind, stream.qualities[0].track, taken)
    taken.add(name)
    children.push(streamElement(stream, name))
  }
  const [parent = ''] = taken
  const told: ReadonlySet<Marker> = new Set(listedMarkers(view, window))
  children.push(
    ...sparseStream(
      sparseMessages(view.markers).filter(({ marker }) => told.has(marker)),
      parent,
    ),
  )
  if (options.protection !== undefined) children.push(options.protection as Xml)
  const attributes = {
    MajorVersion: 2,
    MinorVersion: 2,
    TimeScale: SMOOTH_TIMESCALE,
    ...(view.ended ? { Duration: durationOf(streams) } : liveAttributes(rewindMs(view, options))),
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('SmoothStreamingMedia', attributes, children)}\n`
}

/** What a manifest lists, but for the last fragments while it is live. */
export function smoothWindow(view: PresentationView, options: SmoothOptions): ListedWindow {
  return view.ended ? listedWindow(view) : liveWindow(view, rewindMs(view, options))
}

function rewindMs({ header }: PresentationView, { rewind }: SmoothOptions): number | undefined {
  if (rewind === 'full') return header.rewindWindowMs
  return Math.min(header.rewindWindowMs ?? REWIND_LIMIT_MS, REWIND_LIMIT_MS)
}

function listWindow(
  view: PresentationView,
  window: ListedWindow,
  { audioOnly = false }: SmoothOptions,
  survey: ListingSurvey,
): SmoothListing {
  const kinds: ReadonlySet<string> = new Set<SmoothKind>(audioOnly ? ['audio'] : ['video', 'audio'])
  const media = view.renditions
    .filter(({ kind }) => kinds.has(kind))
    .map((rendition) => ({ rendition, pieces: [...survey.stretches(rendition.index, window)] }))
  const stretches = betweenChanges(media)
  const [latest = [], previous] = stretches.toReversed()
  const list = (stretch: readonly RenditionMedia[], withheld: number, which: string) =>
    withChange(
      listStreams(stretch, (track) => view.track(track), withheld),
      previous && which,
    )
  if (view.archived) {
    const timescaleOf = (track: number) => view.track(track)?.timescale ?? SMOOTH_TIMESCALE
    return list(longestOf(stretches, timescaleOf), 0, 'the longest stretch')
  }
  const listing = list(latest, view.ended ? 0 : LOOK_AHEAD_FRAGMENTS, 'what follows the last change')
  if (listing.isWhole || !previous) return listing
  // Until what is new can be listed. A track that goes on through the change has one fragment behind its last one at least.
  return list(previous, LOOK_AHEAD_FRAGMENTS - 1, 'what came before the last change')
}

function withChange(listing: SmoothListing, which: string | undefined): SmoothListing {
  if (which === undefined) return listing
  const change = `The codec configuration changes, which Smooth Streaming has no way to say: this is ${which}.`
  return { ...listing, omissions: [change, ...listing.omissions] }
}

function nothingListed(view: PresentationView, { omissions, isCarried }: SmoothListing): AppError {
  if (!isCarried && omissions.length > 0) {
    return new AppError('MEDIA_UNSUPPORTED', `Smooth Streaming can't carry this presentation. ${omissions.join(' ')}`)
  }
  if (view.ended) return new AppError('URL_UNKNOWN', 'The presentation has nothing of what is asked for.')
  return new AppError('SEGMENT_NOT_YET', 'The presentation has too few segments yet.')
}

function liveAttributes(windowMs: number | undefined): Readonly<Record<string, string | number>> {
  return {
    Duration: 0,
    IsLive: 'TRUE',
    LookAheadFragmentCount: LOOK_AHEAD_FRAGMENTS,
    // 0 is a window without an end.
    DVRWindowLength: windowMs === undefined ? 0 : windowMs * TICKS_PER_MS,
    CanSeek: 'TRUE',
    CanPause: 'TRUE',
  }
}

/** From the first fragment of any stream to the last one's end. */
function durationOf(streams: readonly SmoothStream[]): number {
  const chunks = streams.map(({ qualities }) => qualities[0].chunks)
  const start = Math.min(...chunks.map(({ starts }) => starts[0] ?? Number.POSITIVE_INFINITY))
  return Math.max(...chunks.map(({ ends }) => ends.at(-1) ?? start)) - start
}

function streamElement({ kind, qualities }: SmoothStream, name: string): Xml {
  const [{ track, chunks }] = qualities
  const sizes = qualities.map(({ track: { config } }) => (config.kind === 'video' ? config : { width: 0, height: 0 }))
  const MaxWidth = Math.max(...sizes.map(({ width }) => width))
  const MaxHeight = Math.max(...sizes.map(({ height }) => height))
  const display = { MaxWidth, MaxHeight, DisplayWidth: MaxWidth, DisplayHeight: MaxHeight }
  const attributes = {
    Type: kind,
    Name: name,
    Language: kind === 'audio' ? track.language : undefined,
    Chunks: chunks.starts.length,
    QualityLevels: qualities.length,
    ...(kind === 'video' ? display : {}),
    TimeScale: SMOOTH_TIMESCALE,
    Url: `QualityLevels({bitrate})/Fragments(${encodeURIComponent(name)}={start time})`,
  }
  const levels = qualities.map((quality, Index) =>
    element('QualityLevel', { Index, Bitrate: quality.track.nominalBitrate, ...quality.attributes }),
  )
  return element('StreamIndex', attributes, [...levels, ...chunkElements(chunks)])
}

/** Two hyphens would end a comment early (XML 1.0 §2.5). */
function comment(text: string): Xml {
  return `<!-- ${text.replace(/-(?=-)/g, '- ')} -->` as Xml
}
