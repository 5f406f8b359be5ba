import { AppError } from '../lib/errors.ts'

/** `_HLS_msn` and `_HLS_part`: the playlist is answered when it has this segment, or this part of it (RFC 8216bis §6.2.5.2). */
export type ReloadDirectives = { readonly msn: number; readonly part: number | undefined }

const NUMBER = /^\d{1,15}$/

/**
 * Reads what a media playlist's query waits for; `undefined`: nothing. Directives that are not known are ignored.
 * @throws AppError `URL_INVALID` for `_HLS_part` without `_HLS_msn`, and for what is no number
 */
export function readReloadDirectives(requestTarget: string): ReloadDirectives | undefined {
  const start = requestTarget.indexOf('?')
  if (start < 0 || !requestTarget.includes('_HLS_')) return undefined
  const query = new URLSearchParams(requestTarget.slice(start + 1).replace(/#.*$/, ''))
  const msn = numberOf(query, '_HLS_msn')
  const part = numberOf(query, '_HLS_part')
  if (msn === undefined && part !== undefined) throw invalid('_HLS_part stands only beside _HLS_msn')
  return msn === undefined ? undefined : { msn, part }
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const [value, ...more] = query.getAll(name)
  if (value === undefined) return undefined
  if (more.length > 0) throw invalid(`${name} is given twice`)
  if (!NUMBER.test(value)) throw invalid(`${name} is a decimal number`)
  return Number(value)
}

function invalid(rule: string): AppError {
  return new AppError('URL_INVALID', `The URL is malformed: ${rule}.`)
}
