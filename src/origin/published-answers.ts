import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import type { Rendition } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import { IFRAMES_SUFFIX, type ManifestPlace } from './child-urls.ts'
import type { DownloadAnswers } from './download-answers.ts'
import type { IsmTarget } from './ism-target.ts'
import type { ManifestAnswers, ManifestRequest } from './manifest-answers.ts'
import { initAnswer, type MediaRequest, segmentAnswer } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import type { FragmentReader, Published } from './ports.ts'
import type { ResponseWatch } from './response-watch.ts'
import type { Child, Target } from './target.ts'

/** A request and how its answer goes. */
export type Exchange = { readonly request: IncomingMessage; readonly watch: ResponseWatch }
/** What a request's locator publishes. */
export type Found = { readonly published: Published; readonly digest: string }

/** Where answers come from. */
export type AnswerSources = {
  readonly manifests: ManifestAnswers
  readonly downloads: DownloadAnswers
  readonly fragments: FragmentReader
  readonly packaged: PackagedSegments
}

/** Answers what stands under a locator: which of the formats it is, and of which rendition. */
export class PublishedAnswers {
  readonly #sources: AnswerSources

  constructor(sources: AnswerSources) {
    this.#sources = sources
  }

  /** What a target names under a locator that is found. @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET` and what reading media throws */
  answer(exchange: Exchange, found: Found, target: Exclude<Target, { kind: 'time' }>): Promise<Answer> {
    if (target.kind === 'child') return this.#childAnswer(exchange, found, target.digest, target.child)
    if (target.kind === 'ism') return this.#ismAnswer(exchange, found, target.manifestName, target.target)
    if (target.kind === 'download') {
      const { request, watch } = exchange
      return this.#sources.downloads.answer({ request, ...found, name: target.file, signal: watch.signal })
    }
    const asked = manifestRequest(exchange, found, 'alias')
    const { manifests } = this.#sources
    return target.kind === 'master' ? manifests.master(asked, false) : manifests.mpd(asked, false)
  }

  async #childAnswer(exchange: Exchange, found: Found, digest: string, child: Child): Promise<Answer> {
    const { view } = found.published
    if (digest !== found.digest) throw new AppError('URL_UNKNOWN', 'This address was of another presentation.')
    const { manifests } = this.#sources
    if (child.kind === 'live-mpd') return manifests.mpd(manifestRequest(exchange, found, 'child'), child.audioOnly)
    if (child.kind === 'playlist') {
      const named = view.renditions.find(({ name }) => name === child.name)
      const mediaName = child.name.endsWith(IFRAMES_SUFFIX) ? child.name.slice(0, -IFRAMES_SUFFIX.length) : undefined
      const rendition = named ?? view.renditions.find(({ name, kind }) => name === mediaName && kind === 'video')
      if (!named) exchange.watch.kind = 'iframe-playlist'
      return manifests.playlist(manifestRequest(exchange, found, 'child'), known(rendition), !named)
    }
    const rendition = known(view.renditions.find(({ name }) => name === child.rendition))
    const asked = mediaRequest(exchange, found, 'immutable')
    if (child.kind === 'segment') return segmentAnswer(asked, this.#sources.fragments, rendition, child.startTicks)
    return initAnswer(asked, known(rendition.tracks.find(({ track }) => track === child.track)))
  }

  async #ismAnswer(exchange: Exchange, found: Found, manifestName: string, target: IsmTarget): Promise<Answer> {
    const { view, manifestName: publishedName } = found.published
    if (manifestName.toLowerCase() !== publishedName.toLowerCase()) {
      throw new AppError('URL_UNKNOWN', 'The locator publishes no manifest of this name.')
    }
    const { manifests } = this.#sources
    if (target.kind === 'manifest') {
      const asked = manifestRequest(exchange, found, 'ism')
      if (target.format === 'm3u8-cmaf') return manifests.master(asked, target.audioOnly)
      return manifests.mpd(asked, target.audioOnly)
    }
    const rendition = known(view.renditions.find((candidate) => isQualityLevel(candidate, target)))
    if (target.kind === 'playlist') {
      if (target.keyFramesOnly && rendition.kind !== 'video') {
        throw new AppError('URL_UNKNOWN', 'Only video has a playlist of key frames.')
      }
      return manifests.playlist(manifestRequest(exchange, found, 'quality-level'), rendition, target.keyFramesOnly)
    }
    const asked = mediaRequest(exchange, found, 'validated')
    if (target.time !== 'init') return segmentAnswer(asked, this.#sources.fragments, rendition, target.time)
    return initAnswer(asked, known(rendition.tracks.at(-1)))
  }
}

function manifestRequest({ request }: Exchange, { published, digest }: Found, place: ManifestPlace): ManifestRequest {
  return { request, view: published.view, digest, place }
}

function mediaRequest(
  { request, watch }: Exchange,
  { published, digest }: Found,
  caching: MediaRequest['caching'],
): MediaRequest {
  return { request, view: published.view, digest, caching, signal: watch.signal }
}

/** AMS names a track by its kind; here a rendition's own name will do as well. */
function isQualityLevel(
  { name, kind, tracks }: Rendition,
  { track, bitrate }: { readonly track: string; readonly bitrate: number },
): boolean {
  const wanted = track.toLowerCase()
  const isNamed = wanted === kind || wanted === name.toLowerCase()
  return isNamed && tracks.some(({ nominalBitrate }) => nominalBitrate === bitrate)
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw new AppError('URL_UNKNOWN', 'The presentation has no such track.')
  return found
}
