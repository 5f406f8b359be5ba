import { AppError } from '../lib/errors.ts'
import { isCarried } from '../media/mpegts/elementary-stream.ts'
import { isEncryptable } from '../media/mpegts/encrypted-stream.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { tagWith } from './hls-attributes.ts'
import { codecsOf, peakOf, pictureOf } from './hls-master.ts'
import type { PlaylistStyle } from './hls-segment-lines.ts'
import { listedWindow } from './listed-window.ts'
import { type ListedRendition, ListingSurvey } from './listing-survey.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { muxedBandwidth, transported } from './transport-bandwidth.ts'

/** EXT-X-MEDIA and I-frame playlists came with 4 (RFC 8216 §7); what older players don't know of a newer version they pass over. */
export const TRANSPORT_VERSION = 4
const OLD_VERSION = 3

/** Media playlists of transport streams and packed audio (RFC 8216 §3.2, §3.4), which need no initialisation segment. */
export const transportStyles = {
  transport: {
    version: TRANSPORT_VERSION,
    hasInit: false,
    headTags: [],
    isListed: () => true,
    byteRange: () => undefined,
  },
  /** Each key frame is a stream of its own, not a range of one: how many packets it takes there is known only when it is packaged. */
  'transport-key-frames': {
    version: TRANSPORT_VERSION,
    hasInit: false,
    headTags: ['#EXT-X-I-FRAMES-ONLY'],
    isListed: ({ independent, leadingBytes }) => independent && leadingBytes > 0,
    byteRange: () => undefined,
  },
  'transport-v3': {
    version: OLD_VERSION,
    hasInit: false,
    omitsGaps: true,
    headTags: [],
    isListed: () => true,
    byteRange: () => undefined,
  },
} as const satisfies Record<string, PlaylistStyle>

/** Whether all of a rendition has a place in transport streams or packed audio. */
export function isTransportable({ tracks }: Rendition): boolean {
  return tracks.every(({ config }) => isCarried(config))
}

/** What transport streams and packed audio have a place for, and what the form is called that has none. */
export type TransportForm = { readonly name: string; carries(rendition: Rendition): boolean }

/** In the clear, or encrypted by whole segments. */
export const plainTransport: TransportForm = { name: 'HLS with transport streams', carries: isTransportable }

/** Encrypted sample by sample. */
export const sampleAesTransport: TransportForm = {
  name: 'SAMPLE-AES in transport streams',
  carries: (rendition) => isTransportable(rendition) && rendition.tracks.every(({ config }) => isEncryptable(config)),
}

/** @throws AppError `MEDIA_UNSUPPORTED` where the form has no place for these */
export function requireCarried(renditions: readonly Rendition[], { name, carries }: TransportForm): void {
  const lacking = renditions.filter((rendition) => !carries(rendition))
  const codecs = lacking.flatMap(({ tracks }) => tracks.map(({ config }) => config.codecString))
  if (lacking.length === 0) return
  throw new AppError(
    'MEDIA_UNSUPPORTED',
    `${name} has no place for ${[...new Set(codecs)].join(', ')}: ask for m3u8-cmaf.`,
  )
}

/** The audio that goes with every picture where there are no groups: the first that can. */
export function muxedAudio({ renditions }: PresentationView, { carries } = plainTransport): Rendition | undefined {
  return renditions.find((rendition) => rendition.kind === 'audio' && carries(rendition))
}

/**
 * Renditions as transport streams have them: those that there is a place for, and what they take there.
 * @throws AppError `MEDIA_UNSUPPORTED` where none is left
 */
export function transportRenditions(
  { header }: PresentationView,
  all: readonly ListedRendition[],
  audioOnly: boolean,
  form = plainTransport,
): readonly ListedRendition[] {
  const listed = audioOnly ? all.filter(({ rendition }) => rendition.kind === 'audio') : all
  const carried = listed.filter(({ rendition }) => form.carries(rendition))
  if (carried.length === 0) {
    requireCarried(
      listed.map(({ rendition }) => rendition),
      form,
    )
  }
  return carried.map(({ tracks: [first, ...others], ...member }) => {
    const grown = (track: Track) => transported(track, header)
    return { ...member, tracks: [grown(first), ...others.map(grown)] }
  })
}

/**
 * The master playlist of version 3: each picture with the default audio in one stream, and that audio alone; all audio where there is no
 * picture. @throws AppError `MEDIA_UNSUPPORTED` where nothing of it has a place in transport streams
 */
export function buildVersion3Master(
  view: PresentationView,
  uris: ManifestUris,
  { audioOnly = false, form = plainTransport }: { readonly audioOnly?: boolean; readonly form?: TransportForm },
  survey = new ListingSurvey(view),
): string {
  const window = listedWindow(view)
  const all = view.renditions.map((rendition) => survey.listed(rendition, window))
  const listed = transportRenditions(view, all, audioOnly, form)
  const video = listed.filter(({ rendition }) => rendition.kind === 'video')
  const audio = listed.filter(({ rendition }) => rendition.kind === 'audio')
  const sound = audio.slice(0, 1)
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${OLD_VERSION}`]
  const added = sound.reduce((sum, member) => sum + muxedBandwidth(peakOf(member), view.header), 0)
  lines.push(...video.map((member) => variant([member, ...sound], peakOf(member) + added, uris)))
  lines.push(...(video.length > 0 ? sound : audio).map((member) => variant([member], peakOf(member), uris)))
  return `${lines.join('\n')}\n`
}

function variant(muxed: readonly ListedRendition[], bandwidth: number, uris: ManifestUris): string {
  const [main] = muxed as readonly [ListedRendition, ...ListedRendition[]]
  const tag = tagWith('EXT-X-STREAM-INF', {
    BANDWIDTH: bandwidth,
    CODECS: codecsOf(muxed),
    RESOLUTION: pictureOf(main).RESOLUTION,
  })
  return `${tag}\n${uris.mediaPlaylist(main.rendition)}`
}
