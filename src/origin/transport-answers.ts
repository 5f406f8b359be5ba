import { AppError } from '../lib/errors.ts'
import { buildMasterPlaylist } from '../manifest/hls-master.ts'
import { MediaPlaylist } from '../manifest/hls-media.ts'
import {
  buildVersion3Master,
  muxedAudio,
  requireCarried,
  TRANSPORT_VERSION,
  transportRenditions,
} from '../manifest/hls-transport.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import type { DeliveryKeys } from './delivery-keys.ts'
import { hlsProtection } from './hls-delivery.ts'
import { sessionKeyLines } from './key-signals.ts'
import type { ManifestAnswers } from './manifest-answers.ts'
import type { ManifestRequest } from './manifest-request.ts'
import { absent, type MediaRequest } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import { textUris } from './text-uris.ts'
import { transportForm, transportPackagings } from './transport-protection.ts'
import { MUXED, type TransportList, transportUris } from './transport-uris.ts'

/** HLS as players before fragmented MP4 know it: version 4 with audio by itself, version 3 with audio in every stream. */
export type TransportFormat = 'm3u8-aapl' | 'm3u8-aapl-v3'

/** What one stream is made of: a picture, a picture and audio, or audio. */
type Media = { readonly main: Rendition; readonly audio?: Rendition | undefined }

const styleOf = { v4: 'transport', 'v4-iframes': 'transport-key-frames', v3: 'transport-v3' } as const

/** Playlists and segments of transport streams and packed audio. */
export class TransportAnswers {
  readonly #manifests: ManifestAnswers
  readonly #packaged: PackagedSegments
  readonly #keys: DeliveryKeys

  constructor(manifests: ManifestAnswers, packaged: PackagedSegments, keys: DeliveryKeys) {
    this.#manifests = manifests
    this.#packaged = packaged
    this.#keys = keys
  }

  /** @throws AppError `MEDIA_UNSUPPORTED` where transport streams have a place for no rendition */
  master(asked: ManifestRequest, format: TransportFormat, audioOnly: boolean): Promise<Answer> {
    const { view, place, digest, delivery, selection = '' } = asked
    const list = listOf(format)
    const form = transportForm(delivery)
    const uris = () => transportUris(place, digest, { list, muxed: muxedAudio(view, form), selection })
    return this.#manifests.playlistOf(asked, `${list} master ${audioOnly}`, {
      build: (survey) => {
        if (list === 'v3') return buildVersion3Master(view, uris(), { audioOnly, form }, survey)
        const formed = (listed: Parameters<typeof transportRenditions>[1]) =>
          transportRenditions(view, listed, audioOnly, form)
        const texts = textUris(place, digest, 'transport', selection)
        const sessionKeys = sessionKeyLines(delivery, view, 'transport', this.#manifests.signs(delivery))
        const options = { audioOnly, version: TRANSPORT_VERSION, formed, texts, sessionKeys }
        return buildMasterPlaylist(view, uris(), options, survey)
      },
    })
  }

  /** The playlist at our own address. @throws AppError `URL_UNKNOWN`, `MEDIA_UNSUPPORTED` */
  childPlaylist(asked: ManifestRequest, name: string, list: TransportList): Promise<Answer> {
    return this.#playlist(asked, mediaNamed(asked.view, name), list)
  }

  /** The playlist of a track that is named as AMS does. @throws AppError `URL_UNKNOWN`, `MEDIA_UNSUPPORTED` */
  playlist(asked: ManifestRequest, main: Rendition, format: TransportFormat, keyFramesOnly: boolean): Promise<Answer> {
    if (keyFramesOnly && format !== 'm3u8-aapl') {
      throw new AppError('URL_UNKNOWN', 'Playlists of key frames came with HLS version 4: ask for m3u8-aapl.')
    }
    const list = keyFramesOnly ? 'v4-iframes' : listOf(format)
    return this.#playlist(asked, mediaOf(asked, main, format), list)
  }

  /** The segment at our own address. @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET`, `MEDIA_UNSUPPORTED` */
  childSegment(asked: MediaRequest, name: string, startTicks: number, extension: string): Promise<Answer> {
    const media = mediaNamed(asked.view, name)
    return this.#segment(asked, media, startTicks, extension)
  }

  /** The segment of a track that is named as AMS does. @throws AppError as `childSegment` */
  async fragment(
    asked: MediaRequest,
    main: Rendition,
    time: number | 'init',
    format: TransportFormat,
  ): Promise<Answer> {
    if (time === 'init') throw new AppError('URL_UNKNOWN', 'Transport streams have no initialisation segment.')
    const media = mediaOf(asked, main, format)
    return this.#segment(asked, media, time, main.kind === 'video' ? 'ts' : undefined)
  }

  async #playlist(asked: ManifestRequest, { main, audio }: Media, list: TransportList): Promise<Answer> {
    const { place, digest, delivery, selection = '' } = asked
    if (!asked.view.renditions.some(({ index }) => index === main.index)) {
      throw new AppError('URL_UNKNOWN', 'The filters leave this track out.')
    }
    requireCarried(audio ? [main, audio] : [main], transportForm(delivery))
    if (list === 'v4-iframes' && main.kind !== 'video') throw unknown()
    if (audio && list !== 'v3') throw unknown()
    const apart = list === 'v4-iframes' ? asked.view.keyFrames?.(main.index) : undefined
    const view = apart ?? asked.view
    const uris = transportUris(place, digest, { list, muxed: audio, selection })
    const kind = `${list} playlist ${main.index} ${audio?.index}`
    return this.#manifests.playlistOf({ ...asked, view }, kind, {
      open: (survey, skip) => {
        const rendition = apart?.renditions[0] ?? view.renditions.find(({ index }) => index === main.index) ?? main
        return new MediaPlaylist(
          view,
          rendition,
          uris,
          {
            lists: styleOf[list],
            skip,
            cues: asked.cues ?? false,
            protection: hlsProtection(delivery, 'transport', this.#manifests.signs(delivery)),
          },
          survey,
        )
      },
      canSkip: list !== 'v3',
    })
  }

  async #segment(
    asked: MediaRequest,
    { main, audio }: Media,
    startTicks: number,
    extension: string | undefined,
  ): Promise<Answer> {
    const { view, delivery } = asked
    const apart = extension === 'iframe.ts' && !audio ? view.keyFrames?.(main.index) : undefined
    const [keyFrames] = apart?.renditions ?? []
    if (apart && keyFrames) return this.#keyFrame({ ...asked, view: apart }, keyFrames, startTicks)
    const renditions = audio ? [main, audio] : [main]
    requireCarried(renditions, transportForm(delivery))
    const segment = view.findSegment(main.index, startTicks)
    const track = segment && view.track(segment.track)
    const row = segment && view.segment(segment.sequence)
    if (!row || !track) throw absent(view, main, startTicks)
    const { sequence, independent } = segment
    const packagings = await transportPackagings(delivery, this.#keys, track, row.startTicks)
    if (main.kind === 'audio') {
      const form = packagings.packed(track.config)
      if (extension !== undefined && extension !== form.extension) throw unknown()
      return this.#packaged.answer(asked, renditions, sequence, form.packaging)
    }
    if (extension === 'ts') return this.#packaged.answer(asked, renditions, sequence, packagings.segment)
    if (extension !== 'iframe.ts' || audio || !independent) throw unknown()
    return this.#packaged.answer(asked, renditions, sequence, packagings.keyFrame)
  }

  /** A key frame by itself, in a view that has each as a segment of its one rendition. */
  async #keyFrame(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { view, delivery } = asked
    requireCarried([rendition], transportForm(delivery))
    const segment = view.findSegment(rendition.index, startTicks)
    const track = segment && view.track(segment.track)
    const row = segment && view.segment(segment.sequence)
    if (!row || !track) throw absent(view, rendition, startTicks)
    const { keyFrame } = await transportPackagings(delivery, this.#keys, track, row.startTicks)
    return this.#packaged.answer(asked, [rendition], segment.sequence, keyFrame)
  }
}

function listOf(format: TransportFormat): 'v4' | 'v3' {
  return format === 'm3u8-aapl' ? 'v4' : 'v3'
}

function mediaOf(
  { view, delivery }: Pick<MediaRequest, 'view' | 'delivery'>,
  main: Rendition,
  format: TransportFormat,
): Media {
  const isMuxed = main.kind === 'video' && format === 'm3u8-aapl-v3'
  return { main, audio: isMuxed ? muxedAudio(view, transportForm(delivery)) : undefined }
}

/** `{rendition}`, or `{video}+{audio}`: a name may have a `+` of its own. */
function mediaNamed({ renditions }: PresentationView, name: string): Media {
  const named = (wanted: string, kind?: Rendition['kind']) =>
    renditions.find((rendition) => rendition.name === wanted && (kind === undefined || rendition.kind === kind))
  const alone = named(name)
  if (alone) return { main: alone }
  for (let at = name.indexOf(MUXED); at > 0; at = name.indexOf(MUXED, at + 1)) {
    const main = named(name.slice(0, at), 'video')
    const audio = named(name.slice(at + 1), 'audio')
    if (main && audio) return { main, audio }
  }
  throw unknown()
}

function unknown(): AppError {
  return new AppError('URL_UNKNOWN', 'The presentation has no such track.')
}
