import { gunzipSync, gzipSync } from 'node:zlib'
import { AppError } from '../lib/errors.ts'
import type { LogRecord } from '../presentation/records.ts'
import { parseRecord, recordText } from './record-text.ts'

/** Says what the rest is, for whoever finds such a file. */
const HEAD = '{"headend":"log chunk","version":1}'
/** A chunk is the rows of a minute or two; one that unpacks to more is none of ours. */
const MAX_TEXT_BYTES = 268_435_456

/** The records of a span as they are kept beside it: a head line and one line for each, gzip. */
export function encodeChunk(records: Iterable<LogRecord>): Uint8Array {
  const lines = [HEAD]
  for (const record of records) lines.push(recordText(record))
  return gzipSync(`${lines.join('\n')}\n`, { level: 6 })
}

/** @throws AppError `ARCHIVE_DAMAGED` for what `encodeChunk` did not make */
export function decodeChunk(bytes: Uint8Array): LogRecord[] {
  const [head, ...lines] = textOf(bytes).split('\n')
  if (head !== HEAD || lines.pop() !== '') throw new AppError('ARCHIVE_DAMAGED', 'This is no chunk of a log.')
  return lines.map((line) => parseRecord(line))
}

function textOf(bytes: Uint8Array): string {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_TEXT_BYTES }).toString('utf8')
  } catch (cause) {
    throw new AppError('ARCHIVE_DAMAGED', 'A chunk of a log can not be unpacked.', { cause })
  }
}
