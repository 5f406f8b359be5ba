import type { AudioConfig, VideoConfig } from '../media/media.ts'
import type { PresentationView } from '../presentation/view.ts'
import { captionsOf, hlsCaptions } from './captions.ts'
import { quoted, tagWith } from './hls-attributes.ts'
import { subtitleMedia, TEXT_GROUP } from './hls-texts.ts'
import { listedWindow } from './listed-window.ts'
import { type ListedRendition, ListingSurvey } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import type { TextUris } from './text-uris.ts'

/** EXT-X-INDEPENDENT-SEGMENTS came with 6; nothing else in a master playlist needs more (RFC 8216 §7). */
const VERSION = 6

type AudioGroup = { readonly id: string; readonly members: readonly ListedRendition[] }

/** Which master playlist. */
export type MasterOptions = {
  readonly audioOnly?: boolean
  readonly version?: number
  /** What there is of the renditions in the form that the playlist is of. */
  readonly formed?: (listed: readonly ListedRendition[]) => readonly ListedRendition[]
  /** EXT-X-SESSION-KEY, a line each. */
  readonly sessionKeys?: readonly string[]
  /** Where the playlists of texts are; absent: it has none. */
  readonly texts?: Pick<TextUris, 'playlist'>
}

/** The HLS master playlist (RFC 8216 §4.3.4). `audioOnly` leaves out what has a picture. */
export function buildMasterPlaylist(
  view: PresentationView,
  uris: ManifestUris,
  options: MasterOptions = {},
  survey = new ListingSurvey(view),
): string {
  const window = listedWindow(view)
  const { version = VERSION, formed = (all: readonly ListedRendition[]) => all } = options
  const listed = formed(view.renditions.map((rendition) => survey.listed(rendition, window)))
  const audio = listed.filter(({ rendition }) => rendition.kind === 'audio')
  const video = options.audioOnly ? [] : listed.filter(({ rendition }) => rendition.kind === 'video')
  const captions = hlsCaptions(captionsOf(video.flatMap(({ tracks }) => tracks)))
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${Math.max(version, captions.version)}`]
  const isIndependent = [...video, ...audio].every(({ independent }) => independent)
  if (isIndependent) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
  lines.push(...(options.sessionKeys ?? []))
  const subtitles = options.texts && !options.audioOnly ? subtitleMedia(view.texts ?? [], options.texts) : []
  lines.push(...subtitles, ...captions.lines)
  const others = { hasTexts: subtitles.length > 0, captions: captions.attribute }
  if (video.length === 0) lines.push(...audio.map((member) => variant(member, undefined, uris, others)))
  else {
    const groups = audioGroups(audio)
    for (const group of groups) lines.push(...group.members.map((member, at) => audioMedia(group, member, at, uris)))
    for (const group of groups.length > 0 ? groups : [undefined]) {
      lines.push(...video.map((member) => variant(member, group, uris, others)))
    }
    lines.push(...video.map((member) => iframeVariant(member, uris)))
  }
  return `${lines.join('\n')}\n`
}

/** One group per codec: a variant names the codecs of all that it may be played with. */
function audioGroups(audio: readonly ListedRendition[]): readonly AudioGroup[] {
  const groups = Map.groupBy(audio, ({ tracks }) => lastOf(tracks).config.codec)
  return [...groups].map(([codec, members]) => ({ id: `audio-${codec}`, members }))
}

function audioMedia(group: AudioGroup, { rendition, tracks }: ListedRendition, at: number, uris: ManifestUris): string {
  const track = lastOf(tracks)
  // What a player chooses by itself is to be told apart by its language (RFC 8216 §4.3.4.1.1); the rest is for viewers to choose.
  const isLikeOther = group.members.slice(0, at).some((other) => lastOf(other.tracks).language === track.language)
  const { channels } = track.config as AudioConfig
  return tagWith('EXT-X-MEDIA', {
    TYPE: 'AUDIO',
    'GROUP-ID': quoted(group.id),
    NAME: quoted(rendition.name),
    LANGUAGE: track.language === undefined ? undefined : quoted(track.language),
    DEFAULT: at === 0 ? 'YES' : 'NO',
    AUTOSELECT: isLikeOther ? 'NO' : 'YES',
    CHANNELS: quoted(String(channels)),
    URI: quoted(uris.mediaPlaylist(rendition)),
  })
}

function variant(
  member: ListedRendition,
  group: AudioGroup | undefined,
  uris: ManifestUris,
  { hasTexts, captions }: { readonly hasTexts: boolean; readonly captions: string },
): string {
  const audio = group?.members ?? []
  const tag = tagWith('EXT-X-STREAM-INF', {
    BANDWIDTH: peakOf(member) + Math.max(0, ...audio.map(peakOf)),
    'AVERAGE-BANDWIDTH': averageOf(member) + Math.max(0, ...audio.map(averageOf)),
    CODECS: codecsOf([member, ...audio]),
    ...pictureOf(member),
    AUDIO: group && quoted(group.id),
    SUBTITLES: hasTexts ? quoted(TEXT_GROUP) : undefined,
    'CLOSED-CAPTIONS': member.rendition.kind === 'video' ? captions : undefined,
  })
  return `${tag}\n${uris.mediaPlaylist(member.rendition)}`
}

/** Declared with the bandwidth of the whole rendition: what its I-frames alone take is never more. */
function iframeVariant(member: ListedRendition, uris: ManifestUris): string {
  const { RESOLUTION } = pictureOf(member)
  return tagWith('EXT-X-I-FRAME-STREAM-INF', {
    BANDWIDTH: peakOf(member),
    'AVERAGE-BANDWIDTH': averageOf(member),
    CODECS: codecsOf([member]),
    RESOLUTION,
    URI: quoted(uris.iframePlaylist(member.rendition)),
  })
}

/** RESOLUTION and FRAME-RATE of what has a picture. */
export function pictureOf({ tracks }: ListedRendition): {
  readonly RESOLUTION?: string
  readonly 'FRAME-RATE'?: string
} {
  const { config, frameRate } = lastOf(tracks)
  if (config.kind === 'audio') return {}
  const { width, height, frameRate: coded }: VideoConfig = config
  const rate = frameRate ?? coded
  const RESOLUTION = `${width}x${height}`
  return rate === undefined ? { RESOLUTION } : { RESOLUTION, 'FRAME-RATE': rate.toFixed(3) }
}

/** The CODECS of what is played together. */
export function codecsOf(members: readonly ListedRendition[]): string {
  const codecs = members.flatMap(({ tracks }) => tracks.map(({ config }) => config.codecString))
  return quoted([...new Set(codecs)].join(','))
}

/** The greatest bandwidth that is declared for a rendition. */
export function peakOf({ tracks }: ListedRendition): number {
  return Math.max(...tracks.map(({ bandwidth }) => Math.ceil(bandwidth)))
}

function averageOf({ tracks }: ListedRendition): number {
  return Math.max(...tracks.map(({ averageBandwidth }) => Math.ceil(averageBandwidth)))
}

function lastOf<T>(items: readonly [T, ...T[]]): T {
  return items.at(-1) ?? items[0]
}
