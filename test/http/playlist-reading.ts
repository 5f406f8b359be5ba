import { expect } from 'vitest'
import { type RawAnswer, rawRequest } from './raw-request.ts'

/** One request, with nothing unpacked. */
export function get(url: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  return rawRequest(url, { headers })
}

/** The body of what has to be there. */
export async function text(url: string): Promise<string> {
  const { status, body } = await get(url)
  expect(status, `${url}: ${body}`).toBe(200)
  return body.toString()
}

/** The URIs of lines that are no tags, and of attributes, against the playlist's own. */
export function urisOf(playlist: string, url: string): string[] {
  const uris = playlist.split('\n').flatMap((line) => {
    if (line.startsWith('#')) return [...line.matchAll(/URI="([^"]+)"/g)].map((match) => match[1]!)
    return line === '' ? [] : [line]
  })
  return uris.map((uri) => new URL(uri, url).href)
}

/** What a media playlist lists, all of which has to be there. */
export async function segmentsOf(url: string): Promise<Buffer[]> {
  const answers = await Promise.all(urisOf(await text(url), url).map((uri) => get(uri)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  return answers.map(({ body }) => body)
}
