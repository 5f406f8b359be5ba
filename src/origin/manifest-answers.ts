import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { buildMpd, type MpdOptions, mpdWindow } from '../manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../manifest/hls-master.ts'
import { canSkip, hasBlocks, MediaPlaylist } from '../manifest/hls-media.ts'
import { type ListedWindow, listedWindow } from '../manifest/listed-window.ts'
import type { ListingSurvey } from '../manifest/listing-survey.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { chooseEncoding } from './accept-encoding.ts'
import { type Answer, entityAnswer } from './answer.ts'
import { childUris, liveMpdUri, type ManifestPlace } from './child-urls.ts'
import type { ManifestCache } from './manifest-cache.ts'
import { readManifestQuery } from './manifest-query.ts'
import type { RenderedManifest } from './rendered.ts'
import { Surveys } from './surveys.ts'

const HLS_TYPE = 'application/vnd.apple.mpegurl'
const DASH_TYPE = 'application/dash+xml'
/** A master playlist changes when a rendition is added; whatever else is live changes with each segment. */
const MASTER_MAX_AGE_SECONDS = 2
const LIVE_MAX_AGE_SECONDS = 1

/** What is asked for, of which presentation, from where. */
export type ManifestRequest = {
  readonly request: IncomingMessage
  readonly view: PresentationView
  readonly digest: string
  readonly place: ManifestPlace
}

type Rendering = {
  readonly type: string
  readonly liveMaxAgeSeconds: number
  /** Among the manifests of this presentation, unique. */
  readonly kind: string
  /** What it lists at the moment. */
  window(): ListedWindow
  build(survey: ListingSurvey): string
}

/** Manifests, rendered and compressed once per version. */
export class ManifestAnswers {
  readonly #cache: ManifestCache
  readonly #endedMaxAgeSeconds: number
  readonly #surveys = new Surveys()

  constructor(cache: ManifestCache, endedMaxAgeSeconds: number) {
    this.#cache = cache
    this.#endedMaxAgeSeconds = endedMaxAgeSeconds
  }

  master(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { view, place, digest } = asked
    return this.#answer(asked, {
      type: HLS_TYPE,
      liveMaxAgeSeconds: MASTER_MAX_AGE_SECONDS,
      kind: `${place} master ${audioOnly}`,
      window: () => listedWindow(view),
      build: (survey) => buildMasterPlaylist(view, childUris(place, digest), { audioOnly }, survey),
    })
  }

  /** The MPD at the child's place keeps the live timeline when the presentation ends; any other is on-demand then. */
  mpd(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { request, view, place, digest } = asked
    const { rewind } = readManifestQuery(request.url ?? '')
    const options: MpdOptions = {
      audioOnly,
      endedTimeline: place === 'child' ? 'epoch' : 'zero',
      location: liveMpdUri(place, digest, audioOnly, rewind),
      ...(rewind && { rewind }),
    }
    return this.#answer(asked, {
      type: DASH_TYPE,
      liveMaxAgeSeconds: LIVE_MAX_AGE_SECONDS,
      kind: `${place} mpd ${audioOnly} ${rewind}`,
      window: () => mpdWindow(view, options),
      build: (survey) => buildMpd(view, childUris(place, digest), options, survey),
    })
  }

  /** A media playlist, whole or as a delta update where that is asked for and there can be one. */
  playlist(asked: ManifestRequest, rendition: Rendition, keyFramesOnly: boolean): Promise<Answer> {
    const { request, view, place, digest } = asked
    const skip = readManifestQuery(request.url ?? '').skip && canSkip(view)
    const lists = keyFramesOnly ? 'key-frames' : 'segments'
    const open = (survey: ListingSurvey) =>
      new MediaPlaylist(view, currentRendition(view, rendition), childUris(place, digest), { lists, skip }, survey)
    const rendering: Rendering = {
      type: HLS_TYPE,
      liveMaxAgeSeconds: LIVE_MAX_AGE_SECONDS,
      kind: `${place} ${skip ? 'delta' : 'playlist'} ${rendition.index} ${lists}`,
      window: () => listedWindow(view),
      build: (survey) => open(survey).toString(),
    }
    return this.#answer(asked, rendering, skip ? undefined : open)
  }

  async #answer(
    { request, view }: ManifestRequest,
    rendering: Rendering,
    openBlocked?: (survey: ListingSurvey) => MediaPlaylist,
  ): Promise<Answer> {
    if (view.endSequence === view.firstSequence) {
      throw new AppError('SEGMENT_NOT_YET', 'The presentation has no segment yet.')
    }
    const maxAgeSeconds = view.ended ? this.#endedMaxAgeSeconds : rendering.liveMaxAgeSeconds
    const headers = ['Content-Type', rendering.type, 'Cache-Control', `public, max-age=${maxAgeSeconds}`]
    headers.push('Vary', 'Accept-Encoding')
    const rendered = await this.#render(view, rendering, openBlocked)
    const wantsGzip = chooseEncoding(acceptEncodingOf(request)) === 'gzip'
    const gzipped = wantsGzip ? await rendered.gzip() : undefined
    if (gzipped) headers.push('Content-Encoding', 'gzip')
    const { body, etag } = gzipped ?? (await rendered.identity())
    return entityAnswer(request, etag, headers, body)
  }

  async #render(
    view: PresentationView,
    { kind, window, build }: Rendering,
    openBlocked: ((survey: ListingSurvey) => MediaPlaylist) | undefined,
  ): Promise<RenderedManifest> {
    if (!this.#cache.has(view, kind)) await this.#surveys.prepare(view, window)
    const survey = this.#surveys.of(view)
    if (openBlocked && hasBlocks(view)) {
      return this.#cache.blocked(view, `${kind} blocked`, () => openBlocked(survey))
    }
    return this.#cache.get(view, kind, () => build(survey))
  }
}

/** A rendition changes as tracks are added to it. */
function currentRendition({ renditions }: PresentationView, rendition: Rendition): Rendition {
  return renditions[rendition.index] ?? rendition
}

function acceptEncodingOf(request: IncomingMessage): string | undefined {
  const header: string | string[] | undefined = request.headers['accept-encoding']
  return Array.isArray(header) ? header.join(',') : header
}
