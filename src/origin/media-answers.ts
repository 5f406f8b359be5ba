import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { withEvents } from '../presentation/carried-events.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import type { Delivery } from './deliveries.ts'
import type { Admission } from './load-shedding.ts'
import type { FragmentReader } from './ports.ts'

/** A URL that carries the digest never has another content; one of the AMS grammar has a validator instead. */
export const CACHE_CONTROL = {
  immutable: 'public, max-age=31536000, immutable',
  validated: 'public, max-age=60',
} as const

/** How long outside caches may keep an answer: a key of the table of `Cache-Control` values. */
export type Caching = keyof typeof CACHE_CONTROL

/** A request for media bytes, resolved to where they are. */
export type MediaRequest = {
  readonly request: IncomingMessage
  readonly view: PresentationView
  readonly digest: string
  /** How it is protected. */
  readonly delivery: Delivery
  readonly caching: Caching
  /** Aborted when the answer is done with, one way or another. */
  readonly signal: AbortSignal
  /** There is too much to do: asked before any work is begun. */
  readonly admission?: Admission | undefined
}

/** The initialisation segment of a track. */
export function initAnswer({ request, digest, caching }: MediaRequest, track: Track): Answer {
  const etag = `"${digest}-i${track.track}"`
  const headers = mediaHeaders(track, caching)
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  return rangeAnswer(request, etag, headers, [track.init])
}

/** The segment of a rendition that starts at `startTicks`; throws `SEGMENT_GONE`, `SEGMENT_NOT_YET` or `URL_UNKNOWN`. */
export async function segmentAnswer(
  { request, view, digest, caching, signal, admission }: MediaRequest,
  fragments: FragmentReader,
  rendition: Rendition,
  startTicks: number,
): Promise<Answer> {
  const segment = view.findSegment(rendition.index, startTicks)
  const track = segment && view.track(segment.track)
  if (!segment || !track) throw absent(view, rendition, startTicks)
  const etag = segmentEtag(digest, segment)
  const headers = mediaHeaders(track, caching)
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  if (admission && !fragments.isReady?.(view.header.id, rendition.index, segment.sequence)) admission.forWork()
  const read = fragments.read(view.header.id, rendition.index, segment.sequence, signal)
  const chunks = read instanceof Promise ? await read : read
  if (!chunks) throw gone()
  return rangeAnswer(request, etag, headers, withEvents(view, rendition, segment.sequence, chunks))
}

function segmentEtag(digest: string, { track, startTicks, sizeBytes }: RenditionSegment): string {
  return `"${digest}-${track}-${startTicks}-${sizeBytes}"`
}

function mediaHeaders({ config }: Track, caching: Caching): string[] {
  return ['Content-Type', `${config.kind}/mp4`, 'Cache-Control', CACHE_CONTROL[caching]]
}

/**
 * Why no segment starts there: it was before the first kept one; or it is yet to come, which begins half way through the newest,
 * since the next may start a frame before that one's end; or no segment ever started there.
 */
export function absent(view: PresentationView, rendition: Rendition, startTicks: number): AppError {
  const timescale = rendition.tracks.at(-1)?.timescale ?? PRESENTATION_TIMESCALE
  const ticks = (startTicks / timescale) * PRESENTATION_TIMESCALE
  const first = view.segment(view.firstSequence)
  const last = view.segment(view.endSequence - 1)
  if (first && ticks < first.startTicks && view.firstSequence > 0) return gone()
  const isAhead = !last || ticks > last.startTicks + last.durationTicks / 2
  if (isAhead && !view.ended) return new AppError('SEGMENT_NOT_YET', 'This segment is not there yet.')
  return new AppError('URL_UNKNOWN', 'No segment starts at this time.')
}

/** What was there and is no more. */
export function gone(): AppError {
  return new AppError('SEGMENT_GONE', 'This segment is older than what is kept.')
}
