import { AppError } from '../lib/errors.ts'
import type { Rendition } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import { carriedToken, type Exchange, type Found, manifestRequest, mediaRequest, type Shown } from './asked.ts'
import { awaitedOf, isQualityLevel } from './awaited-of-target.ts'
import type { BlockingReload } from './blocking-reload.ts'
import { withCarriedToken } from './carried-token.ts'
import { childrenOf, IFRAMES_SUFFIX } from './child-urls.ts'
import type { Delivery } from './deliveries.ts'
import type { DeliveryKeys } from './delivery-keys.ts'
import { deliveryOf } from './delivery-of-target.ts'
import type { DownloadAnswers } from './download-answers.ts'
import { EnvelopedAnswers } from './enveloped-answers.ts'
import type { IsmTarget } from './ism-target.ts'
import { KEYS_PATH } from './key-systems.ts'
import { LiveSegments } from './live-segments.ts'
import type { ManifestAnswers } from './manifest-answers.ts'
import type { ManifestRequest } from './manifest-request.ts'
import { initAnswer, type MediaRequest, segmentAnswer } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import { partAnswer } from './part-answers.ts'
import type { FragmentReader } from './ports.ts'
import { ProtectedAnswers } from './protected-answers.ts'
import { Selections } from './selections.ts'
import { smoothFragmentAnswer } from './smooth-fragments.ts'
import { smoothProtection } from './smooth-protection.ts'
import type { Child, PublishedTarget } from './target.ts'
import type { TextAnswers } from './text-answers.ts'
import type { ThumbnailAnswers } from './thumbnail-answers.ts'
import { TransportAnswers } from './transport-answers.ts'

/** A child that is CMAF media. */
type MediaChild = Extract<Child, { kind: 'part' | 'numbered' | 'segment' | 'key-frame' | 'init' }>

/** Where answers come from. */
export type AnswerSources = {
  readonly manifests: ManifestAnswers
  readonly downloads: DownloadAnswers
  readonly fragments: FragmentReader
  readonly packaged: PackagedSegments
  readonly reload: BlockingReload
  /** Opens what protected media is encrypted with. */
  readonly keys: DeliveryKeys
  /** Absent: nobody here decodes pictures. */
  readonly thumbnails: ThumbnailAnswers | undefined
  /** Absent: there are no texts here. */
  readonly texts: TextAnswers | undefined
}

/** Answers what stands under a locator: which of the formats it is, and of which rendition. */
export class PublishedAnswers {
  readonly #sources: AnswerSources
  readonly #selections = new Selections()
  readonly #transport: TransportAnswers
  readonly #liveSegments: LiveSegments
  readonly #protected: ProtectedAnswers
  readonly #enveloped: EnvelopedAnswers

  constructor(sources: AnswerSources) {
    this.#sources = sources
    this.#liveSegments = new LiveSegments(sources.fragments, sources.reload)
    this.#protected = new ProtectedAnswers(sources)
    this.#enveloped = new EnvelopedAnswers(sources)
    this.#transport = new TransportAnswers(sources.manifests, sources.packaged, sources.keys)
  }

  /**
   * What a target names under a locator that is found. @throws AppError `DELIVERY_BLOCKED`, `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET` and what
   * reading media throws
   */
  async answer(exchange: Exchange, whole: Found, target: PublishedTarget): Promise<Answer> {
    const found = this.#shown(whole, deliveryOf(whole.deliveries, target))
    const answer = await this.#answerOf(exchange, found, target)
    const token = carriedToken(exchange, found)
    return token === undefined
      ? answer
      : withCarriedToken(exchange.request, answer, token, this.#sources.manifests.keysUrl + KEYS_PATH)
  }

  #answerOf(exchange: Exchange, found: Shown, target: PublishedTarget): Promise<Answer> {
    if (target.kind === 'child') return this.#childAnswer(exchange, found, target.child)
    if (target.kind === 'ism') return this.#ismAnswer(exchange, found, target.manifestName, target.target)
    if (target.kind === 'download') {
      const { request, watch } = exchange
      return this.#sources.downloads.answer({ request, ...found, name: target.file, signal: watch.signal })
    }
    if (target.kind === 'thumbnail-track')
      return this.#thumbnailTrack(exchange, found, childrenOf('alias', found.digest))
    const asked = manifestRequest(exchange, found, 'alias')
    const { manifests } = this.#sources
    return target.kind === 'master' ? manifests.master(asked, false) : manifests.mpd(asked, false)
  }

  /** Holds a request until what it names is there, where that can be waited for; says whether it did. @throws as `BlockingReload.wait` */
  async wait({ request, watch }: Exchange, found: Found, target: PublishedTarget): Promise<boolean> {
    const { view: whole } = found.published
    const awaited = awaitedOf(whole, target)
    if (!awaited) return false
    // What may not be had is not waited for either.
    const delivery = deliveryOf(found.deliveries, target)
    const { url = '' } = request
    const filter = target.kind === 'ism' && target.target.kind === 'playlist' ? target.target.filter : undefined
    const { view } = this.#shown(found, delivery).select(url, filter)
    if (!view.renditions.some(({ index }) => index === awaited.rendition.index)) return false
    return this.#sources.reload.wait(view, url, awaited, watch)
  }

  #shown({ published, deliveries }: Found, delivery: Delivery): Shown {
    const select = (url: string, named?: string) => this.#selections.ofUrl(published, url, named)
    const shown = { ...published, view: this.#selections.ofLocator(published) }
    return { published: shown, deliveries, delivery, digest: delivery.digest, select }
  }

  async #childAnswer(exchange: Exchange, found: Shown, child: Child): Promise<Answer> {
    const { view } = found.published
    const { manifests } = this.#sources
    if (child.kind === 'playlist') {
      const named = view.renditions.find(({ name }) => name === child.name)
      const mediaName = child.name.endsWith(IFRAMES_SUFFIX) ? child.name.slice(0, -IFRAMES_SUFFIX.length) : undefined
      const rendition = named ?? view.renditions.find(({ name, kind }) => name === mediaName && kind === 'video')
      if (!named) exchange.watch.kind = 'iframe-playlist'
      return manifests.playlist(manifestRequest(exchange, found, 'child'), known(rendition), !named)
    }
    const transport = this.#transport
    if (child.kind === 'transport-playlist') {
      return transport.childPlaylist(manifestRequest(exchange, found, 'rendition'), child.media, child.list)
    }
    if (child.kind === 'text') {
      const texts = known(this.#sources.texts)
      if (child.part !== 'playlist') return texts.media(mediaRequest(exchange, found, 'immutable'), child)
      const place = child.media === 'transport' ? 'rendition' : 'child'
      return texts.playlist(manifestRequest(exchange, found, place), child.id, child.media)
    }
    if (child.kind === 'thumbnail-track') return this.#thumbnailTrack(exchange, found, '')
    if (child.kind === 'sprite') {
      return known(this.#sources.thumbnails).sprite(mediaRequest(exchange, found, 'validated'), child.sprite)
    }
    const asked = mediaRequest(exchange, found, 'immutable')
    if (child.kind === 'transport-segment') {
      return transport.childSegment(asked, child.media, child.startTicks, child.extension)
    }
    const rendition = known(view.renditions.find(({ name }) => name === child.rendition))
    const keyFrames = child.kind === 'key-frame' ? view.keyFrames?.(rendition.index) : undefined
    if (keyFrames && child.kind === 'key-frame') return this.#keyFrame({ ...asked, view: keyFrames }, child.startTicks)
    if (isProtected(asked)) return this.#protectedChild(exchange, asked, rendition, child)
    if (child.kind === 'part') {
      return partAnswer(asked, this.#sources.fragments, rendition, child.track, child.number)
    }
    if (child.kind === 'numbered') {
      return this.#liveSegments.answer({ ...asked, rendition, watch: exchange.watch }, child)
    }
    if (child.kind === 'segment') return segmentAnswer(asked, this.#sources.fragments, rendition, child.startTicks)
    // In the clear those of which a segment has but one are byte ranges, and no key has a period.
    if (child.kind === 'key-frame' || child.periodMs !== undefined) throw unknownTrack()
    return initAnswer(asked, known(rendition.tracks.find(({ track }) => track === child.track)))
  }

  /** A key frame by itself, in a view that has each as a segment of its one rendition. */
  #keyFrame(asked: MediaRequest, startTicks: number): Promise<Answer> {
    const rendition = known(asked.view.renditions[0])
    if (!isProtected(asked)) return segmentAnswer(asked, this.#sources.fragments, rendition, startTicks)
    const answers = asked.delivery.protection === 'envelope' ? this.#enveloped : this.#protected
    return answers.keyFrameApart(asked, rendition, startTicks)
  }

  #protectedChild(exchange: Exchange, asked: MediaRequest, rendition: Rendition, child: MediaChild): Promise<Answer> {
    if (asked.delivery.protection === 'envelope') return this.#enveloped.child(asked, rendition, child)
    const answers = this.#protected
    if (child.kind === 'part') return answers.part(asked, rendition, child.track, child.number)
    if (child.kind === 'numbered') {
      const protection = answers.chunks(asked, rendition)
      return this.#liveSegments.answer({ ...asked, rendition, protection, watch: exchange.watch }, child)
    }
    if (child.kind === 'segment') return answers.segment(asked, rendition, child.startTicks)
    if (child.kind === 'key-frame') return answers.keyFrame(asked, rendition, child.startTicks)
    return answers.init(asked, known(rendition.tracks.find(({ track }) => track === child.track)), child.periodMs)
  }

  async #smooth(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { manifests, keys } = this.#sources
    return manifests.smooth(
      asked,
      audioOnly,
      await smoothProtection(asked.delivery, keys, asked.view, manifests.keysUrl),
    )
  }

  async #thumbnailTrack(exchange: Exchange, found: Shown, children: string): Promise<Answer> {
    const { view: part } = found.select(exchange.request.url ?? '')
    return known(this.#sources.thumbnails).track(mediaRequest(exchange, found, 'validated'), children, part)
  }

  async #ismAnswer(exchange: Exchange, found: Shown, manifestName: string, target: IsmTarget): Promise<Answer> {
    const { view, manifestName: publishedName } = found.published
    if (manifestName.toLowerCase() !== publishedName.toLowerCase()) {
      throw new AppError('URL_UNKNOWN', 'The locator publishes no manifest of this name.')
    }
    const transport = this.#transport
    const { manifests } = this.#sources
    if (target.kind === 'manifest') {
      const asked = manifestRequest(exchange, found, 'ism', target.filter)
      const { format, audioOnly } = target
      if (format === 'm3u8-aapl' || format === 'm3u8-aapl-v3') return transport.master(asked, format, audioOnly)
      if (target.format === 'm3u8-cmaf') return manifests.master(asked, target.audioOnly)
      if (target.format === 'fmp4-v20') return this.#smooth(asked, target.audioOnly)
      return manifests.mpd(asked, target.audioOnly, format === 'mpd-time-csf' ? 'csf' : 'cmaf')
    }
    if (target.kind === 'thumbnail') {
      return known(this.#sources.thumbnails).picture(mediaRequest(exchange, found, 'validated'), target)
    }
    if (target.kind === 'smooth-fragment') {
      const { packaged, keys } = this.#sources
      return smoothFragmentAnswer(mediaRequest(exchange, found, 'validated'), packaged, keys, target)
    }
    const rendition = known(view.renditions.find((candidate) => isQualityLevel(candidate, target)))
    if (target.kind === 'playlist') {
      if (target.keyFramesOnly && rendition.kind !== 'video') {
        throw new AppError('URL_UNKNOWN', 'Only video has a playlist of key frames.')
      }
      const asked = manifestRequest(exchange, found, 'quality-level', target.filter)
      if (target.transport) return transport.playlist(asked, rendition, target.transport, target.keyFramesOnly)
      return manifests.playlist(asked, rendition, target.keyFramesOnly)
    }
    const asked = mediaRequest(exchange, found, 'validated')
    if (target.transport) return transport.fragment(asked, rendition, target.time, target.transport)
    if (isProtected(asked)) {
      const answers = asked.delivery.protection === 'envelope' ? this.#enveloped : this.#protected
      if (target.time !== 'init') return answers.segment(asked, rendition, target.time)
      return answers.init(asked, known(rendition.tracks.at(-1)), undefined)
    }
    if (target.time !== 'init') return segmentAnswer(asked, this.#sources.fragments, rendition, target.time)
    return initAnswer(asked, known(rendition.tracks.at(-1)))
  }
}

function isProtected({ delivery }: MediaRequest): boolean {
  return delivery.protection !== 'clear'
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw unknownTrack()
  return found
}

function unknownTrack(): AppError {
  return new AppError('URL_UNKNOWN', 'The presentation has no such track.')
}
