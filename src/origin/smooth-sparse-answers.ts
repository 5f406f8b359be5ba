import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { SPARSE_STREAM, SPARSE_TICKS, sparseMessages } from '../manifest/smooth-sparse.ts'
import { sparseFragment } from '../packaging/smooth-sparse.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import { CACHE_CONTROL, type MediaRequest } from './media-answers.ts'
import { digestOf } from './rendered.ts'

/** Whether a stream of Smooth Streaming is that of SCTE-35 messages. */
export function isSparseStream(stream: string): boolean {
  return stream.toLowerCase() === SPARSE_STREAM
}

/** A fragment of the stream of SCTE-35 messages, by the time that the manifest gives it. @throws AppError `URL_UNKNOWN` */
export function sparseFragmentAnswer({ request, view, digest, caching }: MediaRequest, time: number): Answer {
  const found = sparseMessages(view.markers).find((message) => message.time === time && !message.marker.isCancelled)
  if (!found) throw new AppError('URL_UNKNOWN', 'The presentation has no message at this time.')
  const etag = `"${digest}-${SPARSE_STREAM}-${time}-${digestOf(Buffer.from(found.message))}"`
  const headers = ['Content-Type', 'application/mp4', 'Cache-Control', CACHE_CONTROL[caching]]
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  return rangeAnswer(request, etag, headers, [sparseFragment(time, SPARSE_TICKS, found.message)])
}
