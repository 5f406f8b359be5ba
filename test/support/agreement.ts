import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { fetchMaster, parseMediaPlaylist } from './playlist.ts'

/** A rendition's segments as one of the manifests lists them, oldest first. */
export type Listing = ReadonlyMap<string, { readonly url: string; readonly seconds: number; readonly initUrl: string }>

async function textOf(url: string): Promise<string> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return await response.text()
}

function parseM3u8(text: string): Parser['manifest'] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

/** A segment's URL tells its rendition and its start, in HLS and in DASH. */
const keyOf = (url: string) => new URL(url).pathname

function listingOf(entries: readonly { url: string; seconds: number; initUrl: string }[]): Listing {
  return new Map(entries.map((entry) => [keyOf(entry.url), entry]))
}

/** Throws what is not the same in the readings of one media playlist by three parsers that don't know each other. */
function readPlaylist(url: string, text: string): { readonly listing: Listing; readonly own: boolean } {
  const ours = parseMediaPlaylist(text, url)
  const strict = hlsParser.parse(text)
  if (strict.isMasterPlaylist) throw new Error(`${url} is a master playlist`)
  const loose = parseM3u8(text)
  const readings = [
    ours.segments.map((segment) => `${segment.duration.toFixed(3)} ${segment.url}`),
    strict.segments.map((segment) => `${segment.duration.toFixed(3)} ${new URL(segment.uri, url).href}`),
    loose.segments.map((segment) => `${segment.duration.toFixed(3)} ${new URL(segment.uri, url).href}`),
  ].map((lines) => lines.join('\n'))
  if (new Set(readings).size !== 1) throw new Error(`${url} is read differently:\n${readings.join('\n--\n')}`)
  const numbers = [
    `${ours.targetDuration} ${ours.mediaSequence}`,
    `${strict.targetDuration} ${strict.mediaSequenceBase}`,
    `${loose.targetDuration} ${loose.mediaSequence}`,
  ]
  if (new Set(numbers).size !== 1) throw new Error(`${url} is counted differently: ${numbers}`)
  const media = ours.segments.filter(({ gap }) => !gap)
  const entries = media.map(({ url: at, duration, initUrl }) => ({
    url: at,
    seconds: duration,
    initUrl: initUrl ?? '',
  }))
  return { listing: listingOf(entries), own: loose.iFramesOnly === true }
}

/** What the HLS manifests say, agreed on by hls-parser, m3u8-parser and our own reading. */
export type HlsReading = {
  /** By URL of the media playlist, in the order of the master. */
  readonly video: ReadonlyMap<string, Listing>
  readonly audio: ReadonlyMap<string, Listing>
  /** Key frames listed for each I-frame playlist. */
  readonly keyFrames: ReadonlyMap<string, number>
}

export async function readHls(hlsUrl: string): Promise<HlsReading> {
  const text = await textOf(hlsUrl)
  const master = await fetchMaster(hlsUrl)
  const strict = hlsParser.parse(text)
  if (!strict.isMasterPlaylist) throw new Error(`${hlsUrl} is a media playlist`)
  const absolute = (uri: string | undefined) => new URL(uri ?? '', hlsUrl).href
  const strictVideo = strict.variants.filter((variant) => !variant.isIFrameOnly)
  const strictKeys = strict.variants.filter((variant) => variant.isIFrameOnly)
  const strictAudio = new Set(strictVideo.flatMap(({ audio }) => audio.map(({ uri }) => absolute(uri))))
  const variants = [
    master.variants.map(({ url }) => url),
    strictVideo.map(({ uri }) => absolute(uri)),
    (parseM3u8(text).playlists ?? []).map(({ uri }) => absolute(uri)),
  ]
  if (new Set(variants.map(String)).size !== 1)
    throw new Error(`variants are read differently: ${variants.join(' / ')}`)
  if (String([...strictAudio]) !== String(master.audio)) throw new Error('audio is read differently')
  const keyUrls = strictKeys.map(({ uri }) => absolute(uri))
  if (String(keyUrls) !== String(master.iframes)) throw new Error('I-frame playlists are read differently')
  const read = async (urls: readonly string[]) =>
    new Map(await Promise.all(urls.map(async (url) => [url, readPlaylist(url, await textOf(url))] as const)))
  const [video, audio, keys] = await Promise.all([read(variants[0] ?? []), read(master.audio), read(keyUrls)])
  for (const [url, { own }] of keys) if (!own) throw new Error(`${url} does not say EXT-X-I-FRAMES-ONLY`)
  const listings = (map: typeof video) => new Map([...map].map(([url, { listing }]) => [url, listing]))
  // Several key frames may stand in one segment: their number is what is listed, not their URLs.
  const counts = await Promise.all(
    keyUrls.map(async (url) => [url, parseM3u8(await textOf(url)).segments.length] as const),
  )
  return { video: listings(video), audio: listings(audio), keyFrames: new Map(counts) }
}

/** What mpd-parser reads of the MPD: video and audio by representation id. */
export type DashReading = { readonly video: ReadonlyMap<string, Listing>; readonly audio: ReadonlyMap<string, Listing> }

export async function readDash(dashUrl: string): Promise<DashReading> {
  const manifest = parseMpd(await textOf(dashUrl), { manifestUri: dashUrl })
  const audio = Object.values(manifest.mediaGroups.AUDIO)
    .flatMap((group) => Object.values(group))
    .flatMap(({ playlists }) => playlists)
  const read = (playlists: typeof manifest.playlists) =>
    new Map(
      playlists.map(({ attributes, segments }) => {
        const absolute = (uri: string) => new URL(uri, dashUrl).href
        const entries = segments.map(({ uri, duration, map }) => {
          return { url: absolute(uri), seconds: duration, initUrl: absolute(map.uri) }
        })
        return [String(attributes['NAME']), listingOf(entries)] as const
      }),
    )
  return { video: read(manifest.playlists), audio: read(audio) }
}
