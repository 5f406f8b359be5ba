import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ByteRange, chooseRange, matchesEtag } from '../lib/http-conditions.ts'
import { type Problem, problemOf } from './problem.ts'
import { sliceChunks } from './slice-chunks.ts'

/** An answer before it is sent. `headers` are names and values in turn. */
export type Answer = {
  readonly status: number
  readonly headers: readonly string[]
  readonly chunks: readonly Uint8Array[]
  /** Follows the chunks: what is too large to be held in memory. */
  readonly stream?: AnswerStream
  /** Of the body, also where `HEAD` leaves it out. */
  readonly sizeBytes: number
  /** What stays in memory until the body is sent, where that is more: all of what it is a part of. */
  readonly heldBytes?: number
  /** The one page that may read it, `null` for none; absent: every page. */
  readonly allowOrigin?: string | null
}

/** A body that is read while it is sent. */
export type AnswerStream = {
  /** What is in memory of it at most. */
  readonly windowBytes: number
  /** Nobody knows yet how long it will be: it has no Content-Length. */
  readonly isOpenEnded?: true
  /** Called once, when there is somebody to send to; no chunk is altered after it was given. */
  readonly open: () => AsyncIterable<Uint8Array>
}

/** The body of an answer, as an answer has it. */
export type AnswerBody = Pick<Answer, 'chunks' | 'stream'>

const EVERY_ANSWER: readonly string[] = [
  ...['Access-Control-Allow-Origin', '*'],
  ...[
    'Access-Control-Expose-Headers',
    'Content-Disposition, Content-Length, Content-Range, Content-Encoding, Date, ETag, Retry-After',
  ],
  ...['Cross-Origin-Resource-Policy', 'cross-origin'],
  ...['Timing-Allow-Origin', '*'],
  ...['X-Content-Type-Options', 'nosniff'],
]
const PREFLIGHT: readonly string[] = [
  ...['Allow', 'GET, HEAD, OPTIONS'],
  ...['Access-Control-Allow-Methods', 'GET, HEAD, OPTIONS'],
  ...[
    'Access-Control-Allow-Headers',
    '*, Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, Range, If-None-Match, If-Range, If-Modified-Since',
  ],
  ...['Access-Control-Max-Age', '86400'],
  ...['Vary', 'Access-Control-Request-Headers'],
]

/** The answer to `OPTIONS`, a CORS preflight or not. */
export const preflightAnswer: Answer = { status: 204, headers: PREFLIGHT, chunks: [], sizeBytes: 0 }

/** `body` whole, or 304 where the client has it. */
export function entityAnswer(
  request: IncomingMessage,
  etag: string,
  headers: readonly string[],
  body: Uint8Array,
): Answer {
  const validated = [...headers, 'ETag', etag]
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified(validated)
  return { status: 200, headers: validated, chunks: [body], sizeBytes: body.byteLength }
}

/** Media bytes, or the part of them that is asked for. */
export function rangeAnswer(
  request: IncomingMessage,
  etag: string,
  headers: readonly string[],
  chunks: readonly Uint8Array[],
): Answer {
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const answer = rangedAnswer(request, etag, headers, sizeBytes, (range) => ({
    chunks: range.last - range.first + 1 === sizeBytes ? chunks : sliceChunks(chunks, range),
  }))
  return answer.status === 206 ? { ...answer, heldBytes: sizeBytes } : answer
}

/** An entity of `sizeBytes`, or the part of it that is asked for; `bodyOf` gives the bytes of a range that lies within. */
export function rangedAnswer(
  request: IncomingMessage,
  etag: string,
  headers: readonly string[],
  sizeBytes: number,
  bodyOf: (range: ByteRange) => AnswerBody,
): Answer {
  const validated = [...headers, 'ETag', etag, 'Accept-Ranges', 'bytes']
  // A range of a HEAD request means nothing (RFC 9110 §14.2).
  const asked = request.method === 'GET' ? request.headers.range : undefined
  const ifRange = request.headers['if-range']
  const range = chooseRange(asked, typeof ifRange === 'string' ? ifRange : undefined, etag, sizeBytes)
  if (range === 'whole') {
    return { status: 200, headers: validated, ...bodyOf({ first: 0, last: sizeBytes - 1 }), sizeBytes }
  }
  if (range === 'unsatisfiable') {
    return {
      status: 416,
      headers: ['Content-Range', `bytes */${sizeBytes}`, 'Cache-Control', 'no-store'],
      chunks: [],
      sizeBytes: 0,
    }
  }
  return {
    status: 206,
    headers: [...validated, 'Content-Range', `bytes ${range.first}-${range.last}/${sizeBytes}`],
    ...bodyOf(range),
    sizeBytes: range.last - range.first + 1,
  }
}

/** 304 repeats what a cache updates: validators and freshness, not the type of a body that isn't there. */
export function notModified(headers: readonly string[]): Answer {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2)
    if (!name.startsWith('Content-')) kept.push(name, value)
  }
  return { status: 304, headers: kept, chunks: [], sizeBytes: 0 }
}

/** An error, as RFC 9457 has it. */
export function problemAnswer(problem: Problem): Answer {
  const { status, type, title, detail, retryAfterSeconds } = problem
  const body = Buffer.from(JSON.stringify({ type, title, status, detail }))
  const headers = ['Content-Type', 'application/problem+json']
  // What is not there and what is gone may be remembered for a moment, so that a crowd doesn't ask for it.
  headers.push('Cache-Control', status === 404 || status === 410 ? 'public, max-age=1' : 'no-store')
  if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(retryAfterSeconds))
  if (status === 405) headers.push('Allow', 'GET, HEAD, OPTIONS')
  return { status, headers, chunks: [body], sizeBytes: body.byteLength }
}

/** The answer to anything that was thrown. */
export function failureAnswer(thrown: unknown): Answer {
  return problemAnswer(problemOf(thrown))
}

/** What a page is told differs from page to page. */
function allowOnly(headers: string[], origin: string | null): void {
  const at = headers.indexOf('Access-Control-Allow-Origin')
  headers.splice(at, 2, ...(origin === null ? [] : ['Access-Control-Allow-Origin', origin]))
  const vary = headers.indexOf('Vary')
  if (vary < 0) headers.push('Vary', 'Origin')
  else headers[vary + 1] += ', Origin'
}

/**
 * Hands the answer to the connection without copying it. `close`: the connection ends with this answer. Where a stream is
 * to follow it gives that, and the response is for the caller to end.
 */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  close: boolean,
): AnswerStream | undefined {
  const headers = [...answer.headers, ...EVERY_ANSWER]
  if (answer.allowOrigin !== undefined) allowOnly(headers, answer.allowOrigin)
  const hasLength = answer.status !== 204 && answer.status !== 304 && !answer.stream?.isOpenEnded
  if (hasLength) headers.push('Content-Length', String(answer.sizeBytes))
  // HTTP/2 has no such header: there a connection is ended by its session.
  if (close && request.httpVersionMajor === 1) headers.push('Connection', 'close')
  response.writeHead(answer.status, headers)
  const { chunks, stream }: AnswerBody = request.method === 'HEAD' ? { chunks: [] } : answer
  if (stream) {
    for (const chunk of chunks) response.write(chunk)
    return stream
  }
  const last = chunks.at(-1)
  if (last === undefined) {
    response.end()
    return undefined
  }
  if (chunks.length === 1) {
    response.end(last)
    return undefined
  }
  if (request.httpVersionMajor === 1) response.cork()
  for (const chunk of chunks.slice(0, -1)) response.write(chunk)
  response.end(last)
  if (request.httpVersionMajor === 1) response.uncork()
  return undefined
}
