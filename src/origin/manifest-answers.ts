import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { buildMpd, type MpdOptions, mpdWindow } from '../manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../manifest/hls-master.ts'
import { canSkip, hasBlocks, MediaPlaylist, type PlaylistOptions, type Skip } from '../manifest/hls-media.ts'
import { listsParts } from '../manifest/hls-parts.ts'
import { type ListedWindow, listedWindow } from '../manifest/listed-window.ts'
import type { ListingSurvey } from '../manifest/listing-survey.ts'
import { buildSmoothManifest, type SmoothOptions, smoothWindow } from '../manifest/smooth-manifest.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { chooseEncoding } from './accept-encoding.ts'
import { type Answer, entityAnswer } from './answer.ts'
import { childUris, liveMark, liveMpdUri, type MpdFlavour, spriteTemplate } from './child-urls.ts'
import type { Delivery } from './deliveries.ts'
import { hlsProtection, type KeySigns } from './hls-delivery.ts'
import { baseOf, dashKeySignals, dashUris, KeyPeriodViews, sessionKeyLines } from './key-signals.ts'
import { namesServer } from './licence-urls.ts'
import type { ManifestCache } from './manifest-cache.ts'
import { mpdVersion, reloadMaxAgeSeconds } from './manifest-freshness.ts'
import { readManifestQuery } from './manifest-query.ts'
import type { ManifestRequest } from './manifest-request.ts'
import type { ProviderSignals } from './provider-signals.ts'
import type { RenderedManifest } from './rendered.ts'
import { Surveys } from './surveys.ts'
import { readTextForm } from './text-form.ts'
import { textUris } from './text-uris.ts'

const HLS_TYPE = 'application/vnd.apple.mpegurl'
const DASH_TYPE = 'application/dash+xml'
/** What IIS and AMS answer with, although a type of its own is registered. */
const SMOOTH_TYPE = 'text/xml'
/** A master playlist changes when a rendition is added; whatever else is live changes with each segment. */
const MASTER_MAX_AGE_SECONDS = 2
const LIVE_MAX_AGE_SECONDS = 1

type Rendering = {
  readonly type: string
  readonly liveMaxAgeSeconds: number
  /** Among the manifests of this presentation, unique. */
  readonly kind: string
  /** What it lists at the moment. */
  window(): ListedWindow
  /** Of which segments it names the keys; absent: of what it lists. */
  keyWindow?(): ListedWindow
  build(survey: ListingSurvey): string
  /** Changes whenever the text may, where that is more often than the view's version does. */
  readonly version?: (() => number) | undefined
  readonly lists?: PlaylistOptions['lists']
}

/** What manifests say of where they are served. */
export type ManifestAnswerOptions = {
  readonly endedMaxAgeSeconds: number
  /** On-demand MPDs name pictures for the seek bar. */
  readonly hasThumbnails: boolean
  readonly signals: ProviderSignals
  /** Scheme and host of where keys are given; empty: where the manifest is. */
  readonly keysUrl: string
}

/** Manifests, rendered and compressed once per version. */
export class ManifestAnswers {
  readonly #cache: ManifestCache
  readonly #endedMaxAgeSeconds: number
  readonly #options: ManifestAnswerOptions
  readonly #surveys = new Surveys()
  readonly #keyPeriods = new KeyPeriodViews()

  constructor(cache: ManifestCache, options: ManifestAnswerOptions) {
    this.#cache = cache
    this.#options = options
    this.#endedMaxAgeSeconds = options.endedMaxAgeSeconds
  }

  /** What playlists of a delivery say of keys beside their names. */
  signs(delivery: Delivery): KeySigns {
    const { keysUrl, signals } = this.#options
    return { base: keysUrl, told: signals.of(delivery) }
  }

  /** Where keys that are got from us are, in playlists and in manifests of Smooth Streaming: a path, or what the operator has said. */
  get keysUrl(): string {
    return this.#options.keysUrl
  }

  master(asked: ManifestRequest, audioOnly: boolean): Promise<Answer> {
    const { view, place, digest, selection } = asked
    return this.#answer(asked, {
      type: HLS_TYPE,
      liveMaxAgeSeconds: MASTER_MAX_AGE_SECONDS,
      kind: `${place} master ${audioOnly}`,
      window: () => listedWindow(view),
      keyWindow: () => newestAlone(view),
      build: (survey) => {
        const texts = textUris(place, digest, 'fragments', selection)
        const sessionKeys = sessionKeyLines(asked.delivery, view, 'fragments', this.signs(asked.delivery))
        return buildMasterPlaylist(view, childUris(place, digest, selection), { audioOnly, texts, sessionKeys }, survey)
      },
    })
  }

  /** A playlist of another form, at once or as one that may be long; `kind` names it among the presentation's manifests. */
  playlistOf(
    asked: ManifestRequest,
    kind: string,
    make:
      | { build(survey: ListingSurvey): string }
      | { open(survey: ListingSurvey, skip: Skip): MediaPlaylist; readonly canSkip: boolean },
  ): Promise<Answer> {
    const { request, view, place } = asked
    const rendering = { type: HLS_TYPE, window: () => listedWindow(view) }
    if ('build' in make) {
      const { build } = make
      return this.#answer(asked, {
        ...rendering,
        liveMaxAgeSeconds: MASTER_MAX_AGE_SECONDS,
        kind: `${place} ${kind}`,
        keyWindow: () => newestAlone(view),
        build,
      })
    }
    const skip = make.canSkip && canSkip(view) && readManifestQuery(request.url ?? '').skip
    const open = (survey: ListingSurvey) => make.open(survey, skip)
    const build = (survey: ListingSurvey) => open(survey).toString()
    const named = { liveMaxAgeSeconds: LIVE_MAX_AGE_SECONDS, kind: `${place} ${kind}${skip ? ` delta ${skip}` : ''}` }
    return this.#answer(asked, { ...rendering, ...named, build }, skip ? undefined : open)
  }

  /** The MPD that players of the live one go on with keeps its timeline when the presentation ends; any other is on-demand then. */
  mpd(asked: ManifestRequest, audioOnly: boolean, flavour: MpdFlavour = 'cmaf'): Promise<Answer> {
    const { request, place, digest, delivery, selection } = asked
    const view = this.#keyPeriods.of(asked.view, delivery)
    // The host is the client's to choose: where nothing written needs it, it makes no text of its own.
    const isNamed = delivery.protection !== 'clear' && namesServer(delivery)
    const base = isNamed ? this.keysUrl || baseOf(request) : ''
    const { rewind = asked.rewind, live } = readManifestQuery(request.url ?? '')
    if (live !== undefined && live !== liveMark(view.header)) {
      throw new AppError('URL_UNKNOWN', 'This address was of another presentation.')
    }
    const isContinued = live !== undefined && view.ended
    const form = view.texts?.length ? readTextForm(request.url ?? '') : undefined
    const options: MpdOptions = {
      audioOnly,
      // What is encrypted whole can't be read while it is written.
      lowLatency: flavour === 'cmaf' && delivery.protection !== 'envelope',
      endedTimeline: isContinued ? 'epoch' : 'zero',
      location: liveMpdUri(view.header, {
        rewind,
        text: form === 'fragments' ? undefined : form,
        selection,
      }),
      ...(rewind && { rewind }),
      // Sprites are of all that the locator shows, each of its own time: a part of it has those of its time.
      ...(this.#options.hasThumbnails &&
        asked.hasPictures !== false && {
          thumbnails: spriteTemplate(place, digest),
          thumbnailsOf: asked.shown ?? view,
        }),
      ...(asked.backoffMs && { backoffMs: asked.backoffMs }),
      ...(form && { texts: { form, uris: textUris(place, digest) } }),
      keys: dashKeySignals(delivery, { ...this.signs(delivery), base }),
    }
    const uris = dashUris(childUris(place, digest), delivery)
    return this.#answer(
      { ...asked, view },
      {
        type: DASH_TYPE,
        liveMaxAgeSeconds: LIVE_MAX_AGE_SECONDS,
        kind: `${place} mpd ${flavour} ${audioOnly} ${rewind}${form ? ` text ${form}` : ''}${isContinued ? ' continued' : ''} ${base}`,
        version: mpdVersion(view),
        window: () => mpdWindow(view, options),
        build: (survey) => buildMpd(view, uris, options, survey),
      },
    )
  }

  /** The client manifest of Smooth Streaming; `protection`: what it says of it, which follows from the delivery. */
  smooth(asked: ManifestRequest, audioOnly: boolean, protection?: string): Promise<Answer> {
    const { request, view, place } = asked
    const { rewind = asked.rewind } = readManifestQuery(request.url ?? '')
    const options: SmoothOptions = { audioOnly, rewind, protection }
    return this.#answer(asked, {
      type: SMOOTH_TYPE,
      liveMaxAgeSeconds: LIVE_MAX_AGE_SECONDS,
      kind: `${place} smooth ${audioOnly} ${rewind}`,
      window: () => smoothWindow(view, options),
      build: (survey) => buildSmoothManifest(view, options, survey),
    })
  }

  /** A media playlist, whole or as a delta update where that is asked for and there can be one. */
  playlist(asked: ManifestRequest, rendition: Rendition, keyFramesOnly: boolean): Promise<Answer> {
    const { request, view, place, digest, delivery, selection, cues = false } = asked
    if (!view.renditions.some(({ index }) => index === rendition.index)) {
      throw new AppError('URL_UNKNOWN', 'The filters leave this track out.')
    }
    const apart = keyFramesOnly ? view.keyFrames?.(rendition.index) : undefined
    if (apart) return this.#keyFrames({ ...asked, view: apart })
    const lists = keyFramesOnly ? 'key-frames' : 'segments'
    const skip = canSkip(view, lists) && readManifestQuery(request.url ?? '').skip
    const open = (survey: ListingSurvey) =>
      new MediaPlaylist(
        view,
        currentRendition(view, rendition),
        childUris(place, digest, selection),
        { lists, skip, cues, protection: hlsProtection(delivery, 'fragments', this.signs(delivery)) },
        survey,
      )
    const rendering: Rendering = {
      type: HLS_TYPE,
      liveMaxAgeSeconds: reloadMaxAgeSeconds(view, rendition, request.url ?? '', lists) ?? LIVE_MAX_AGE_SECONDS,
      version: listsParts(view) && !keyFramesOnly ? () => view.live?.partVersion ?? view.version : undefined,
      lists,
      kind: `${place} ${skip ? `delta ${skip}` : 'playlist'} ${rendition.index} ${lists}`,
      window: () => listedWindow(view),
      build: (survey) => open(survey).toString(),
    }
    return this.#answer(asked, rendering, skip ? undefined : open)
  }

  /** The playlist of a view in which each key frame of the one rendition is a segment. */
  #keyFrames(asked: ManifestRequest): Promise<Answer> {
    const { view, place, digest, delivery, selection } = asked
    const [rendition] = view.renditions as [Rendition]
    const protection = hlsProtection(delivery, 'fragments', this.signs(delivery))
    const open = (survey: ListingSurvey) =>
      new MediaPlaylist(
        view,
        rendition,
        childUris(place, digest, selection),
        { lists: 'key-frames-apart', protection },
        survey,
      )
    return this.playlistOf(asked, `key frames ${rendition.index}`, { open, canSkip: false })
  }

  async #answer(
    { request, view, cues, digest, delivery, isCarrying = false }: ManifestRequest,
    rendering: Rendering,
    openBlocked?: (survey: ListingSurvey) => MediaPlaylist,
  ): Promise<Answer> {
    if (view.endSequence === view.firstSequence) {
      throw new AppError('SEGMENT_NOT_YET', 'The presentation has no segment yet.')
    }
    const maxAgeSeconds = view.ended ? this.#endedMaxAgeSeconds : rendering.liveMaxAgeSeconds
    const headers = ['Content-Type', rendering.type, 'Cache-Control', `public, max-age=${maxAgeSeconds}`]
    headers.push('Vary', 'Accept-Encoding')
    // Whatever is said of breaks in lines of their own, or leads to it, is another text; so is what is protected in another way.
    const kind = `${rendering.kind} ${digest}${cues ? ' cues' : ''}`
    const rendered = await this.#render(view, delivery, { ...rendering, kind }, openBlocked)
    const isWhole = isCarrying && rendering.type === HLS_TYPE
    const wantsGzip = !isWhole && chooseEncoding(acceptEncodingOf(request)) === 'gzip'
    const gzipped = wantsGzip ? await rendered.gzip() : undefined
    if (gzipped) headers.push('Content-Encoding', 'gzip')
    const { body, etag } = gzipped ?? (await rendered.identity())
    return entityAnswer(request, etag, headers, body)
  }

  async #render(
    view: PresentationView,
    delivery: Delivery,
    { kind, window, keyWindow = window, build, version, lists }: Rendering,
    openBlocked: ((survey: ListingSurvey) => MediaPlaylist) | undefined,
  ): Promise<RenderedManifest> {
    if (!this.#cache.has(view, kind, version?.())) {
      await this.#surveys.prepare(view, window)
      const told = this.#options.signals.prepare(delivery, view, keyWindow())
      if (told) await told
    }
    const survey = this.#surveys.of(view)
    if (openBlocked && hasBlocks(view, lists)) {
      return this.#cache.blocked(view, `${kind} blocked`, () => openBlocked(survey), version)
    }
    return this.#cache.get(view, kind, () => build(survey), version?.())
  }
}

/** A master playlist tells of the keys of what is newest. */
function newestAlone({ endSequence }: PresentationView): ListedWindow {
  return { first: endSequence, end: endSequence }
}

/** A rendition changes as tracks are added to it. */
function currentRendition({ renditions }: PresentationView, rendition: Rendition): Rendition {
  return renditions.find(({ index }) => index === rendition.index) ?? rendition
}

function acceptEncodingOf(request: IncomingMessage): string | undefined {
  const header: string | string[] | undefined = request.headers['accept-encoding']
  return Array.isArray(header) ? header.join(',') : header
}
