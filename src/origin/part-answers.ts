import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { withEvents } from '../presentation/carried-events.ts'
import { findPart, newestPart } from '../presentation/live-edge.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import { CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { FragmentReader } from './ports.ts'
import { sliceChunks } from './slice-chunks.ts'

/**
 * A part, by its number in the track: these bytes of its segment's, whether that is closed or not.
 * @throws AppError `SEGMENT_GONE`, `SEGMENT_NOT_YET` or `URL_UNKNOWN`
 */
export async function partAnswer(
  { request, view, digest, caching, signal }: MediaRequest,
  fragments: FragmentReader,
  rendition: Rendition,
  track: number,
  number: number,
): Promise<Answer> {
  const { config } = rendition.tracks.find((candidate) => candidate.track === track) ?? {}
  const part = view.live && config && findPart(view.live, track, number)
  if (!part || !config) throw absentPart(view, rendition, track, number)
  const etag = `"${digest}-${track}.${number}"`
  const headers = ['Content-Type', `${config.kind}/mp4`, 'Cache-Control', CACHE_CONTROL[caching]]
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  const { sequence, sizeBytes } = part.fragment
  const read = fragments.read(view.header.id, rendition.index, sequence, signal)
  const chunks = read instanceof Promise ? await read : read
  if (!chunks) throw gone()
  const range = { first: part.offsetBytes, last: part.offsetBytes + sizeBytes - 1 }
  const stored = sliceChunks(chunks, range)
  const bytes = part.offsetBytes === 0 ? withEvents(view, rendition, sequence, stored) : stored
  const heldBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  return { ...rangeAnswer(request, etag, headers, bytes), heldBytes }
}

/** Why there is no such part: it is older than what is kept one by one, is yet to come, or never will. */
export function absentPart(view: PresentationView, rendition: Rendition, track: number, number: number): AppError {
  const newest = view.live && newestPart(view.live, rendition.tracks)
  const isKnown = rendition.tracks.some((candidate) => candidate.track === track)
  if (!isKnown || !newest || newest.number === undefined) {
    return new AppError('URL_UNKNOWN', 'The presentation has no such part.')
  }
  if (newest.track !== track || number <= newest.number) return gone()
  if (view.ended) return new AppError('URL_UNKNOWN', 'The presentation has ended before this part.')
  return new AppError('SEGMENT_NOT_YET', 'This part is not there yet.')
}
