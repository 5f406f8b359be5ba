import type { IncomingMessage } from 'node:http'
import { contentDisposition } from '../lib/content-disposition.ts'
import { AppError } from '../lib/errors.ts'
import { type ByteRange, matchesEtag } from '../lib/http-conditions.ts'
import { type Answer, notModified, rangedAnswer } from './answer.ts'
import { READ_BYTES } from './download-body.ts'
import { segmentGone } from './download-index.ts'
import type { OriginFile, OriginFiles, UnopenedFiles } from './ports.ts'

const CACHE_CONTROL = 'public, max-age=60'

/** Which of the published files a URL names. */
export type FileName = { readonly name: string; readonly extension: string }

/**
 * An uploaded file as it is, or the range of it that is asked for. Its bytes are read while they are sent, one read ahead. A locator with
 * filters of its own shows a part, so it gives no file.
 * @throws AppError `URL_UNKNOWN` where no file of this name is published
 */
export function fileAnswer(
  request: IncomingMessage,
  { files, filters = [] }: UnopenedFiles,
  named: FileName,
  signal: AbortSignal,
): Answer {
  const file = filters.length > 0 ? undefined : find(files, `${named.name}.${named.extension}`)
  if (!file) throw new AppError('URL_UNKNOWN', 'The locator publishes no file of this name.')
  const etag = `"${file.digest}"`
  const headers = ['Content-Type', file.contentType, 'Cache-Control', CACHE_CONTROL]
  headers.push('Content-Disposition', contentDisposition(file.name))
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  return rangedAnswer(request, etag, headers, file.sizeBytes, (range) => ({
    chunks: [],
    stream: { windowBytes: 2 * READ_BYTES, open: () => pieces(file, range, signal) },
  }))
}

/** Names are told apart by their case where two differ in nothing else. */
function find({ files }: OriginFiles, name: string): OriginFile | undefined {
  const wanted = name.toLowerCase()
  return files.find((file) => file.name === name) ?? files.find((file) => file.name.toLowerCase() === wanted)
}

async function* pieces(file: OriginFile, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let next = begin(file, range.first, range.last, signal)
  for (let first = range.first + READ_BYTES; next; first += READ_BYTES) {
    const current = next
    next = begin(file, first, range.last, signal)
    const bytes = await current
    if (!bytes) throw segmentGone()
    yield bytes
  }
}

function begin({ read }: OriginFile, first: number, end: number, signal: AbortSignal) {
  if (first > end) return undefined
  const reading = read({ first, last: Math.min(end, first + READ_BYTES - 1) }, signal)
  // It is awaited in its turn; if that never comes, nobody needs to know that it failed.
  reading.catch(() => undefined)
  return reading
}
