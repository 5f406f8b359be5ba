import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import hlsParser from 'hls-parser'
import { parse as parseMpd } from 'mpd-parser'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { fetchBytes } from '../playlist.ts'
import { fileOf, fragmentUrl, type ReadStream, readSmoothManifest } from '../smooth-client.ts'
import { readSmoothFragment } from '../smooth-fragment.ts'
import type { MatrixSource } from './house.ts'

/** What an output gives of one rendition, downloaded whole and joined, so that any tool reads it. */
export type CollectedTrack = {
  readonly kind: 'video' | 'audio' | 'both'
  /** `320x180` of pictures, `en` of sound; empty where the output doesn't say. */
  readonly label: string
  readonly file: string
  /** Key frames, each with what a player puts before it. */
  readonly pieces?: readonly string[]
  readonly container: 'mp4' | 'ts' | 'packed'
  readonly keyFramesOnly: boolean
  /** Init and segments, where it is made of such. */
  readonly init: Uint8Array | undefined
  readonly segments: readonly Uint8Array[]
  /** When it begins, where that stands beside what ffmpeg reads. */
  readonly startSeconds?: number
  /** Where it is listed. */
  readonly playlist?: { readonly url: string; readonly text: string }
}

export type Collected = {
  readonly manifest: { readonly url: string; readonly text: string }
  readonly tracks: readonly CollectedTrack[]
}

/** A format that sources are asked for. */
export type MatrixOutput = {
  readonly family: 'hls' | 'dash' | 'smooth' | 'progressive'
  /** Of a source: its manifest, or the file itself. */
  readonly url: (source: MatrixSource) => string
  readonly collect: (url: string, folder: string) => Promise<Collected>
}

const manifest = (format: string) => (source: MatrixSource) =>
  `${source.base}/${source.manifestName}.ism/manifest(format=${format})`

/** All outputs, by the names that cells have. */
export const outputs = {
  'HLS CMAF': { family: 'hls', url: manifest('m3u8-cmaf'), collect: (url, folder) => collectHls(url, folder, 'media') },
  'HLS TS v4': {
    family: 'hls',
    url: manifest('m3u8-aapl'),
    collect: (url, folder) => collectHls(url, folder, 'video'),
  },
  'HLS TS v3': {
    family: 'hls',
    url: manifest('m3u8-aapl-v3'),
    collect: (url, folder) => collectHls(url, folder, 'media'),
  },
  'packed audio': {
    family: 'hls',
    url: manifest('m3u8-aapl'),
    collect: (url, folder) => collectHls(url, folder, 'audio'),
  },
  'I-frames CMAF': {
    family: 'hls',
    url: manifest('m3u8-cmaf'),
    collect: (url, folder) => collectHls(url, folder, 'iframes'),
  },
  'I-frames TS': {
    family: 'hls',
    url: manifest('m3u8-aapl'),
    collect: (url, folder) => collectHls(url, folder, 'iframes'),
  },
  'DASH cmaf': { family: 'dash', url: manifest('mpd-time-cmaf'), collect: collectDash },
  'DASH csf': { family: 'dash', url: manifest('mpd-time-csf'), collect: collectDash },
  Smooth: { family: 'smooth', url: manifest('fmp4-v20'), collect: collectSmooth },
  progressive: {
    family: 'progressive',
    url: ({ base, file }) => `${base}/${file}`,
    collect: collectFile,
  },
} as const satisfies Record<string, MatrixOutput>

export type OutputName = keyof typeof outputs

async function textAt(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return text
}

/** Some at a time, in their order. */
async function fetchAll(urls: readonly string[]): Promise<Uint8Array[]> {
  const bytes: Uint8Array[] = []
  for (let at = 0; at < urls.length; at += 8) {
    bytes.push(...(await Promise.all(urls.slice(at, at + 8).map(fetchBytes))))
  }
  return bytes
}

type Lists = { readonly uri: string; readonly kind: 'video' | 'audio' | 'both'; readonly label: string }

/** `which`: all that plays; pictures or sound of it alone; or the playlists of key frames. */
async function collectHls(
  url: string,
  folder: string,
  which: 'media' | 'video' | 'audio' | 'iframes',
): Promise<Collected> {
  const text = await textAt(url)
  const master = hlsParser.parse(text)
  if (!master.isMasterPlaylist) throw new Error(`${url} is no master playlist`)
  const lists = new Map<string, Lists>()
  for (const variant of master.variants) {
    if (variant.isIFrameOnly !== (which === 'iframes')) continue
    const { resolution, uri, audio } = variant
    const size = resolution ? `${resolution.width}x${resolution.height}` : ''
    // Sound is in the variant itself where no group has it.
    const apart = audio.filter((group) => group.uri !== undefined)
    const kind = size === '' ? 'audio' : which !== 'iframes' && audio.length === 0 ? 'both' : 'video'
    for (const group of apart)
      lists.set(group.uri ?? '', { uri: group.uri ?? '', kind: 'audio', label: group.language ?? '' })
    if (!lists.has(uri)) lists.set(uri, { uri, kind, label: size })
  }
  const wanted = [...lists.values()].filter(({ kind }) => which === 'media' || which === 'iframes' || kind === which)
  const tracks = await Promise.all(wanted.map((list, at) => collectList(url, list, join(folder, `hls-${which}-${at}`))))
  return { manifest: { url, text }, tracks }
}

async function collectList(base: string, { uri, kind, label }: Lists, stem: string): Promise<CollectedTrack> {
  const url = new URL(uri, base).href
  const text = await textAt(url)
  const list = hlsParser.parse(text)
  if (list.isMasterPlaylist) throw new Error(`${url} is a master playlist`)
  const media = list.segments.filter((segment) => !('gap' in segment && segment.gap))
  const absolute = media.map((segment) => new URL(segment.uri, url).href)
  const whole = new Map(absolute.map((at) => [at, undefined]))
  const bytes = new Map([...whole.keys()].map((at, index) => [at, index]))
  const files = await fetchAll([...bytes.keys()])
  const segments = media.map((segment, at) => {
    const file = files[bytes.get(absolute[at] ?? '') ?? 0] ?? new Uint8Array()
    const range = segment.byterange
    return range ? file.subarray(range.offset, range.offset + range.length) : file
  })
  const map = media[0]?.map?.uri
  const init = map === undefined ? undefined : await fetchBytes(new URL(map, url).href)
  const common = { kind, label, keyFramesOnly: list.isIFrame === true, playlist: { url, text } }
  if (list.isIFrame) {
    const pieces = segments.map((bytes, at) => joined(`${stem}-${at}.${init ? 'mp4' : 'ts'}`, init, [bytes]).file)
    return { ...common, file: stem, pieces, init, segments, container: init ? 'mp4' : 'ts' }
  }
  if (init) return { ...common, ...joined(`${stem}.mp4`, init, segments), container: 'mp4' }
  const isPacked = segments[0]?.[0] === 0x49
  if (!isPacked) return { ...common, ...joined(`${stem}.ts`, undefined, segments), container: 'ts' }
  const opened = segments.map((segment) => untagged(Buffer.from(segment)))
  const frames = opened.map(({ rest }) => rest)
  const file = joined(`${stem}.aac`, undefined, frames).file
  return { ...common, file, init: undefined, segments, container: 'packed', startSeconds: opened[0]?.seconds ?? 0 }
}

/** Packed audio (RFC 8216 §3.4): an ID3 tag that says when, and behind it the frames. */
function untagged(segment: Buffer): { readonly seconds: number; readonly rest: Buffer } {
  const size = 10 + segment.subarray(6, 10).reduce((sum, byte) => sum * 128 + byte, 0)
  return { seconds: Number(segment.readBigUInt64BE(size - 8)) / 90_000, rest: segment.subarray(size) }
}

function joined(file: string, init: Uint8Array | undefined, segments: readonly Uint8Array[]) {
  writeFileSync(file, concatBytes([...(init ? [init] : []), ...segments]))
  return { file, init, segments }
}

async function collectDash(url: string, folder: string): Promise<Collected> {
  const text = await textAt(url)
  const parsed = parseMpd(text, { manifestUri: url })
  const groups = Object.values(parsed.mediaGroups.AUDIO).flatMap((group) => Object.values(group))
  const sound = groups.flatMap(({ language: label = '', playlists }) =>
    playlists.map((playlist) => ({ playlist, label, kind: 'audio' as const })),
  )
  const pictures = parsed.playlists
    .filter(({ attributes }) => attributes['RESOLUTION'] !== undefined)
    .map((playlist) => {
      const { width, height } = playlist.attributes['RESOLUTION'] as { width: number; height: number }
      return { playlist, label: `${width}x${height}`, kind: 'video' as const }
    })
  // With sound alone the parser lists it in both places.
  const seen = new Set<unknown>()
  const all = [...pictures, ...sound].filter(({ playlist }) => {
    const key = playlist.segments[0]?.resolvedUri
    return !seen.has(key) && seen.add(key)
  })
  const tracks = await Promise.all(
    all.map(async ({ playlist, label, kind }, at): Promise<CollectedTrack> => {
      const absolute = (uri: string) => new URL(uri, url).href
      const [init, ...segments] = await fetchAll([
        absolute(playlist.segments[0]?.map.uri ?? ''),
        ...playlist.segments.map(({ uri }) => absolute(uri)),
      ])
      const file = joined(join(folder, `dash-${at}.mp4`), init, segments)
      return { kind, label, ...file, container: 'mp4', keyFramesOnly: false }
    }),
  )
  return { manifest: { url, text }, tracks }
}

async function collectSmooth(url: string, folder: string): Promise<Collected> {
  const text = await textAt(url)
  const { streams } = readSmoothManifest(text)
  const levels = streams.flatMap((stream) => stream.levels.map((level) => ({ stream, level })))
  const tracks = await Promise.all(
    levels.map(async ({ stream, level }, at): Promise<CollectedTrack> => {
      const segments = await fetchAll(stream.chunks.map(({ time }) => fragmentUrl(url, stream, level, time)))
      const read = segments.map((bytes) => [bytes, readSmoothFragment(bytes)] as const)
      const file = join(folder, `smooth-${at}.mp4`)
      writeFileSync(file, fileOf(level, read))
      const startSeconds = Number(read[0]?.[1].time ?? 0n) / 1e7
      return {
        ...labelOf(stream, level),
        file,
        segments,
        init: undefined,
        container: 'mp4',
        keyFramesOnly: false,
        startSeconds,
      }
    }),
  )
  return { manifest: { url, text }, tracks }
}

function labelOf({ attributes }: ReadStream, level: Readonly<Record<string, string>>) {
  if (attributes['Type'] === 'audio') return { kind: 'audio' as const, label: attributes['Language'] ?? '' }
  return { kind: 'video' as const, label: `${level['MaxWidth']}x${level['MaxHeight']}` }
}

async function collectFile(url: string, folder: string): Promise<Collected> {
  const bytes = await fetchBytes(url)
  const { file } = joined(join(folder, 'progressive.mp4'), undefined, [bytes])
  const track = {
    kind: 'both',
    label: '',
    file,
    init: undefined,
    segments: [],
    container: 'mp4',
    keyFramesOnly: false,
  } as const
  return { manifest: { url, text: '' }, tracks: [track] }
}
