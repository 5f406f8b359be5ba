/** A line-by-line reading of HLS playlists by the specification's letter, independent of what wrote them. */
export type ListedSegment = {
  readonly url: string
  readonly sequence: number
  readonly discontinuitySequence: number
  readonly duration: number
  readonly gap: boolean
  readonly programDateTimeMs: number | undefined
  readonly initUrl: string | undefined
}

export type MediaPlaylist = {
  readonly targetDuration: number
  readonly mediaSequence: number
  readonly ended: boolean
  readonly segments: readonly ListedSegment[]
}

export function parseMediaPlaylist(text: string, baseUrl: string): MediaPlaylist {
  const segments: ListedSegment[] = []
  const header = { target: 0, sequence: 0, discontinuity: 0, ended: false }
  let next: { duration: number; gap: boolean; pdt: number | undefined } = { duration: 0, gap: false, pdt: undefined }
  let discontinuity = 0
  let init: string | undefined
  for (const line of text.split('\n')) {
    const value = line.slice(line.indexOf(':') + 1)
    if (line.startsWith('#EXT-X-TARGETDURATION:')) header.target = Number(value)
    else if (line.startsWith('#EXT-X-MEDIA-SEQUENCE:')) header.sequence = Number(value)
    else if (line.startsWith('#EXT-X-DISCONTINUITY-SEQUENCE:')) discontinuity = Number(value)
    else if (line === '#EXT-X-DISCONTINUITY') discontinuity++
    else if (line === '#EXT-X-GAP') next.gap = true
    else if (line === '#EXT-X-ENDLIST') header.ended = true
    else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) next.pdt = Date.parse(value)
    else if (line.startsWith('#EXTINF:')) next.duration = Number.parseFloat(value)
    else if (line.startsWith('#EXT-X-MAP:')) init = new URL(/URI="([^"]+)"/.exec(line)?.[1] ?? '', baseUrl).href
    else if (line !== '' && !line.startsWith('#')) {
      segments.push({
        url: new URL(line, baseUrl).href,
        sequence: header.sequence + segments.length,
        discontinuitySequence: discontinuity,
        duration: next.duration,
        gap: next.gap,
        programDateTimeMs: next.pdt,
        initUrl: init,
      })
      next = { duration: 0, gap: false, pdt: undefined }
    }
  }
  return { targetDuration: header.target, mediaSequence: header.sequence, ended: header.ended, segments }
}

export type MasterPlaylist = {
  readonly variants: readonly { readonly url: string; readonly attributes: string }[]
  readonly audio: readonly string[]
  readonly iframes: readonly string[]
}

export function parseMasterPlaylist(text: string, baseUrl: string): MasterPlaylist {
  const lines = text.split('\n')
  const uri = (line: string) => new URL(/URI="([^"]+)"/.exec(line)?.[1] ?? '', baseUrl).href
  return {
    variants: lines.flatMap((line, index) =>
      line.startsWith('#EXT-X-STREAM-INF:')
        ? [{ url: new URL(lines[index + 1] ?? '', baseUrl).href, attributes: line.slice(18) }]
        : [],
    ),
    audio: lines.filter((line) => line.startsWith('#EXT-X-MEDIA:TYPE=AUDIO')).map(uri),
    iframes: lines.filter((line) => line.startsWith('#EXT-X-I-FRAME-STREAM-INF')).map(uri),
  }
}

export async function fetchMaster(url: string): Promise<MasterPlaylist> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return parseMasterPlaylist(text, url)
}

export async function fetchMedia(url: string): Promise<MediaPlaylist> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return parseMediaPlaylist(text, url)
}

export async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

const LOOK_MS = 200

/**
 * Looks at something again and again, as a player does with a live playlist, until `isThere` accepts it. Rejects when
 * `limitMs` is over: nothing is slept for that has not been asked of the server.
 */
export async function until<T>(
  what: string,
  limitMs: number,
  look: () => Promise<T>,
  isThere: (value: T) => boolean,
): Promise<T> {
  const deadline = Date.now() + limitMs
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const value = await look()
      if (isThere(value)) return value
      last = value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  throw new Error(
    `${what} did not come within ${limitMs} ms; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  )
}

/** The first variant's media playlist once it lists at least `count` segments with media. */
export async function playingVariant(
  masterUrl: string,
  count: number,
  limitMs = 30_000,
): Promise<{ url: string; playlist: MediaPlaylist }> {
  const master = await until(
    'the master playlist',
    limitMs,
    () => fetchMaster(masterUrl),
    ({ variants }) => variants.length > 0,
  )
  const url = master.variants[0]?.url ?? ''
  const playlist = await until(
    `${count} segments`,
    limitMs,
    () => fetchMedia(url),
    ({ segments }) => segments.filter(({ gap }) => !gap).length >= count,
  )
  return { url, playlist }
}
