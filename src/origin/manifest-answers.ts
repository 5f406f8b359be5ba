import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { buildMpd } from '../manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../manifest/hls-master.ts'
import { buildIframePlaylist, buildMediaPlaylist } from '../manifest/hls-media.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { chooseEncoding } from './accept-encoding.ts'
import { type Answer, entityAnswer } from './answer.ts'
import { childUris, liveMpdUri, type ManifestPlace } from './child-urls.ts'
import type { ManifestCache } from './manifest-cache.ts'

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

/** Manifests, rendered and compressed once per version. */
export class ManifestAnswers {
  readonly #cache: ManifestCache
  readonly #endedMaxAgeSeconds: number

  constructor(cache: ManifestCache, endedMaxAgeSeconds: number) {
    this.#cache = cache
    this.#endedMaxAgeSeconds = endedMaxAgeSeconds
  }

  master(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { view, place, digest } = asked
    return this.#answer(asked, HLS_TYPE, MASTER_MAX_AGE_SECONDS, `master ${audioOnly}`, () =>
      buildMasterPlaylist(view, childUris(place, digest), { audioOnly }),
    )
  }

  /** The MPD at the child's place keeps the live timeline when the presentation ends; any other is on-demand then. */
  mpd(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { view, place, digest } = asked
    return this.#answer(asked, DASH_TYPE, LIVE_MAX_AGE_SECONDS, `mpd ${audioOnly}`, () =>
      buildMpd(view, childUris(place, digest), {
        audioOnly,
        endedTimeline: place === 'child' ? 'epoch' : 'zero',
        location: liveMpdUri(place, digest, audioOnly),
      }),
    )
  }

  playlist(asked: ManifestRequest, rendition: Rendition, keyFramesOnly: boolean): Promise<Answer> {
    const { view, place, digest } = asked
    const build = keyFramesOnly ? buildIframePlaylist : buildMediaPlaylist
    return this.#answer(asked, HLS_TYPE, LIVE_MAX_AGE_SECONDS, `playlist ${rendition.index} ${keyFramesOnly}`, () =>
      build(view, rendition, childUris(place, digest)),
    )
  }

  async #answer(
    { request, view, place }: ManifestRequest,
    type: string,
    liveMaxAgeSeconds: number,
    kind: string,
    build: () => string,
  ): Promise<Answer> {
    if (view.endSequence === view.firstSequence) {
      throw new AppError('SEGMENT_NOT_YET', 'The presentation has no segment yet.')
    }
    const maxAgeSeconds = view.ended ? this.#endedMaxAgeSeconds : liveMaxAgeSeconds
    const headers = [
      'Content-Type',
      type,
      'Cache-Control',
      `public, max-age=${maxAgeSeconds}`,
      'Vary',
      'Accept-Encoding',
    ]
    const rendered = this.#cache.get(view, `${place} ${kind}`, build)
    const wantsGzip = chooseEncoding(acceptEncodingOf(request)) === 'gzip'
    const gzipped = wantsGzip ? await rendered.gzip() : undefined
    if (gzipped) headers.push('Content-Encoding', 'gzip')
    const { body, etag } = gzipped ?? rendered.identity
    return entityAnswer(request, etag, headers, body)
  }
}

function acceptEncodingOf(request: IncomingMessage): string | undefined {
  const header: string | string[] | undefined = request.headers['accept-encoding']
  return Array.isArray(header) ? header.join(',') : header
}
