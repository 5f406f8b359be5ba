/** What a player knows of a segment when it has read a playlist; `sequence` and the like are resolved. */
export type KnownSegment = {
  readonly sequence: number
  readonly discontinuitySequence: number
  readonly duration: number
  readonly uri: string
  readonly gap: boolean
  readonly map: string | undefined
  readonly byteRange: string | undefined
  /** As a tag gives it, or counted on from the last one; ms since the epoch. */
  readonly dateMs: number | undefined
}

/** A segment as it is kept from one playlist to the next: it counts in a playlist by the discontinuities before it. */
type HeldSegment = Omit<KnownSegment, 'sequence' | 'discontinuitySequence'> & { readonly discontinuities: number }

/** A playlist as a client holds it. */
export type HeldPlaylist = {
  readonly head: readonly string[]
  readonly mediaSequence: number
  readonly discontinuitySequence: number
  readonly ended: boolean
  readonly segments: readonly HeldSegment[]
}

const HEAD_TAGS =
  /^#(EXTM3U|EXT-X-(VERSION|TARGETDURATION|MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE|PLAYLIST-TYPE|I-FRAMES-ONLY|INDEPENDENT-SEGMENTS|SERVER-CONTROL|ENDLIST|SKIP))\b/

/** Reads a playlist; of a delta update, `skipped` says how many segments are to be taken from an older one. */
export function readPlaylist(text: string): HeldPlaylist & { readonly skipped: number } {
  const head: string[] = []
  const segments: HeldSegment[] = []
  let tags: string[] = []
  for (const line of text.split('\n').filter((line) => line !== '')) {
    if (HEAD_TAGS.test(line)) head.push(line)
    else if (line.startsWith('#')) tags.push(line)
    else {
      segments.push(readSegment(tags, line, segments.at(-1)))
      tags = []
    }
  }
  const number = (tag: string) => Number(new RegExp(`${tag}(\\d+)`).exec(head.join('\n'))?.[1] ?? 0)
  return {
    head,
    segments,
    mediaSequence: number('EXT-X-MEDIA-SEQUENCE:'),
    discontinuitySequence: number('EXT-X-DISCONTINUITY-SEQUENCE:'),
    ended: head.includes('#EXT-X-ENDLIST'),
    skipped: number('SKIPPED-SEGMENTS='),
  }
}

/** What its tags say of a segment, and those before it that go on to apply (§4.4.4). */
function readSegment(tags: readonly string[], uri: string, before: HeldSegment | undefined): HeldSegment {
  const value = (tag: string) => tags.find((line) => line.startsWith(`#${tag}:`))?.slice(tag.length + 2)
  const date = value('EXT-X-PROGRAM-DATE-TIME')
  const countedMs = before?.dateMs === undefined ? undefined : before.dateMs + before.duration * 1_000
  return {
    discontinuities: tags.filter((line) => line === '#EXT-X-DISCONTINUITY').length,
    duration: Number.parseFloat(value('EXTINF') ?? ''),
    uri,
    gap: tags.includes('#EXT-X-GAP'),
    map: /URI="([^"]+)"/.exec(value('EXT-X-MAP') ?? '')?.[1] ?? before?.map,
    byteRange: value('EXT-X-BYTERANGE'),
    dateMs: date === undefined ? countedMs : Date.parse(date),
  }
}

/**
 * RFC 8216bis §6.3.7: the contents of a delta update merged with the version that the client has; `undefined`: it lacks some
 * of what is skipped, and has to ask for the whole.
 */
export function mergeDelta(held: HeldPlaylist, text: string): HeldPlaylist | undefined {
  const { skipped, ...delta } = readPlaylist(text)
  const from = delta.mediaSequence - held.mediaSequence
  const taken = held.segments.slice(Math.max(0, from), from + skipped)
  if (skipped > 0 && (from < 0 || taken.length < skipped)) return undefined
  return { ...delta, segments: [...taken, ...delta.segments] }
}

/** What the playlist says of each segment; discontinuities are counted by the letter of §4.4.3.3. */
export function resolve({ mediaSequence, discontinuitySequence, segments }: HeldPlaylist): readonly KnownSegment[] {
  let counted = discontinuitySequence
  return segments.map(({ discontinuities, ...segment }, at) => {
    counted += discontinuities
    return { ...segment, sequence: mediaSequence + at, discontinuitySequence: counted }
  })
}
