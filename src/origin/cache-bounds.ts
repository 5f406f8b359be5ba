import type { Answer } from './answer.ts'

/** Nothing says a longer one. */
const LONGEST_SECONDS = 31_536_000

/** The answer with a `Cache-Control` that keeps it no longer than that, and `isPrivate`: in no shared cache. */
export function boundCaching(answer: Answer, maxAgeSeconds: number, isPrivate: boolean): Answer {
  if (maxAgeSeconds >= LONGEST_SECONDS && !isPrivate) return answer
  const headers = answer.headers.map((value, at) =>
    at % 2 === 1 && answer.headers[at - 1] === 'Cache-Control' ? bounded(value, maxAgeSeconds, isPrivate) : value,
  )
  return { ...answer, headers }
}

function bounded(cacheControl: string, maxAgeSeconds: number, isPrivate: boolean): string {
  const shared = isPrivate ? cacheControl.replace('public', 'private') : cacheControl
  return shared.replace(/max-age=(\d+)/, (_match, age: string) => `max-age=${Math.min(Number(age), maxAgeSeconds)}`)
}
