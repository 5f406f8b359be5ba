import { AppError } from '../lib/errors.ts'

/** What a manifest's URL shows of the presentation. */
export type SelectionQuery = {
  /** Filters, in the order in which they are named. */
  readonly names: readonly string[]
  /** ms since the epoch. */
  readonly startMs?: number
  readonly endMs?: number
}

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})$/i
const EPOCH_SECONDS = /^\d{1,12}(?:\.\d{1,9})?$/
const nothing: SelectionQuery = { names: [] }
/** Most queries are of other things. */
const MAYBE = /(?:filter|start|end)=/

/** The names of `A;B`. */
export function filterNames(list: string): readonly string[] {
  return list
    .split(';')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/**
 * Reads `filter=A;B`, `start=` and `end=` (ISO 8601 with its zone, or seconds since the epoch) of a request target's query.
 * @throws AppError `URL_INVALID` where one is malformed or given twice, or the end is not after the start
 */
export function readSelectionQuery(requestTarget: string): SelectionQuery {
  const at = requestTarget.indexOf('?')
  const text = at < 0 ? '' : requestTarget.slice(at + 1)
  if (!MAYBE.test(text)) return nothing
  const query = new URLSearchParams(text.replace(/#.*$/, ''))
  const startMs = timeOf(query, 'start')
  const endMs = timeOf(query, 'end')
  if (startMs !== undefined && endMs !== undefined && endMs <= startMs) throw invalid('end is later than start')
  return {
    names: filterNames(oneOf(query, 'filter') ?? ''),
    ...(startMs !== undefined && { startMs }),
    ...(endMs !== undefined && { endMs }),
  }
}

/** The same as a query, `?` included: empty where everything is shown. */
export function selectionQuery({ names, startMs, endMs }: SelectionQuery): string {
  const parts: string[] = []
  if (names.length > 0) parts.push(`filter=${names.map(encodeURIComponent).join(';')}`)
  if (startMs !== undefined) parts.push(`start=${startMs / 1_000}`)
  if (endMs !== undefined) parts.push(`end=${endMs / 1_000}`)
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

function timeOf(query: URLSearchParams, key: 'start' | 'end'): number | undefined {
  // A plus sign that was not escaped has become a space.
  const text = oneOf(query, key)?.replace(' ', '+')
  if (text === undefined) return undefined
  if (EPOCH_SECONDS.test(text)) return Math.round(Number(text) * 1_000)
  const ms = ISO.test(text) ? Date.parse(text) : Number.NaN
  if (ms >= 0) return ms
  throw invalid(`${key} is a time such as 2026-11-21T20:00:00Z, or seconds since 1970`)
}

function oneOf(query: URLSearchParams, key: string): string | undefined {
  const values = query.getAll(key)
  if (values.length > 1) throw invalid(`${key} is given twice`)
  return values[0]
}

function invalid(rule: string): AppError {
  return new AppError('URL_INVALID', `The URL is malformed: ${rule}.`)
}
