import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import { type Answer, type AnswerStream, failureAnswer, preflightAnswer, problemAnswer, sendAnswer } from './answer.ts'
import { contentDigest, IFRAMES_SUFFIX, type ManifestPlace } from './child-urls.ts'
import type { DownloadAnswers } from './download-answers.ts'
import type { IsmTarget } from './ism-target.ts'
import type { ManifestAnswers, ManifestRequest } from './manifest-answers.ts'
import { initAnswer, type MediaRequest, segmentAnswer } from './media-answers.ts'
import type { FragmentReader, OriginObserver, PublicationReader, Published, RequestKind } from './ports.ts'
import { methodNotAllowed } from './problem.ts'
import { type ResponseWatch, watchResponse } from './response-watch.ts'
import type { SendBudget } from './send-budget.ts'
import { sendStream } from './send-stream.ts'
import { type Child, parseTarget, type Target } from './target.ts'
import { PublicationTerms, withinTerms } from './terms.ts'

/** What answering a request needs of the rest of the house. */
export type HandlerPorts = {
  readonly publications: PublicationReader
  readonly fragments: FragmentReader
  readonly observer: OriginObserver
  readonly clock: Clock
  readonly logger: Logger
}

/** Bounds of one answer. */
export type HandlerOptions = {
  readonly manifests: ManifestAnswers
  readonly downloads: DownloadAnswers
  readonly budget: SendBudget
  /** Time for any answer, and the slowest that a client may read beyond it. */
  readonly sendGraceMs: number
  readonly minBytesPerSecond: number
}

type Exchange = { readonly request: IncomingMessage; readonly watch: ResponseWatch }
type Found = { readonly published: Published; readonly digest: string }

/** Turns requests into answers: parse, look up, render or read, send. What one request throws ends with that request. */
export class RequestHandler {
  readonly #ports: HandlerPorts
  readonly #options: HandlerOptions
  readonly #digests = new WeakMap<PresentationHeader, string>()
  readonly #terms = new PublicationTerms()
  /** While the server stops, each answer is the last on its connection. */
  #isDraining = false

  constructor(ports: HandlerPorts, options: HandlerOptions) {
    this.#ports = ports
    this.#options = options
  }

  drain(): void {
    this.#isDraining = true
  }

  /** Answers one request; never throws or rejects. */
  readonly handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { clock, observer } = this.#ports
    observer.started()
    const watch = watchResponse(response, clock, (kind, status, bytes, durationMs) =>
      observer.request(kind, status, bytes, durationMs),
    )
    let answer: Answer
    try {
      answer = await this.#answer({ request, watch })
    } catch (thrown) {
      answer = failureAnswer(thrown)
      if (answer.status === 500) this.#noteFailure(request, thrown)
    }
    if (watch.isClosed) return
    this.#send(request, response, watch, answer)
  }

  #send(request: IncomingMessage, response: ServerResponse, watch: ResponseWatch, answer: Answer): void {
    const { budget, sendGraceMs, minBytesPerSecond } = this.#options
    const bodyBytes = request.method === 'HEAD' ? 0 : answer.sizeBytes
    // Of what is read while it is sent no more than a window is in memory; each window has its own time.
    const heldBytes = Math.min(bodyBytes, answer.stream?.windowBytes ?? bodyBytes)
    let sent = answer
    if (budget.take(heldBytes)) watch.onClose(() => budget.giveBack(heldBytes))
    else sent = failureAnswer(new AppError('ORIGIN_BUSY', 'Too many bytes are on their way to other clients.'))
    watch.sending(sent.status, bodyBytes, sendGraceMs + (heldBytes / minBytesPerSecond) * 1_000)
    try {
      const stream = sendAnswer(request, response, sent, this.#isDraining || hasBody(request))
      if (stream) void this.#stream(request, response, watch, stream)
    } catch (thrown) {
      this.#noteFailure(request, thrown)
      watch.cut()
    }
  }

  /** Sends what is left of an answer as fast as the client takes it; never rejects. */
  async #stream(
    request: IncomingMessage,
    response: ServerResponse,
    watch: ResponseWatch,
    stream: AnswerStream,
  ): Promise<void> {
    const { sendGraceMs, minBytesPerSecond } = this.#options
    try {
      await sendStream(response, stream.open(), watch.signal, (sizeBytes) =>
        watch.extend(sendGraceMs + (sizeBytes / minBytesPerSecond) * 1_000),
      )
    } catch (thrown) {
      if (!watch.isClosed) this.#noteFailure(request, thrown)
      watch.cut()
    }
  }

  async #answer(exchange: Exchange): Promise<Answer> {
    const { request, watch } = exchange
    if (request.method === 'OPTIONS') return preflightAnswer
    if (request.method !== 'GET' && request.method !== 'HEAD') return problemAnswer(methodNotAllowed)
    const target = parseTarget(request.url ?? '')
    watch.kind = kindOf(target)
    if (target.kind === 'time') return this.#timeAnswer()
    const found = await this.#find(target.locatorId, exchange)
    const answer = await this.#publishedAnswer(exchange, found, target)
    return withinTerms(answer, found.published, this.#ports.clock.now())
  }

  #publishedAnswer(exchange: Exchange, found: Found, target: Exclude<Target, { kind: 'time' }>): Promise<Answer> {
    if (target.kind === 'child') return this.#childAnswer(exchange, found, target.digest, target.child)
    if (target.kind === 'ism') return this.#ismAnswer(exchange, found, target.manifestName, target.target)
    if (target.kind === 'download') {
      const { request, watch } = exchange
      return this.#options.downloads.answer({ request, ...found, name: target.file, signal: watch.signal })
    }
    const asked = manifestRequest(exchange, found, 'alias')
    const { manifests } = this.#options
    return target.kind === 'master' ? manifests.master(asked, false) : manifests.mpd(asked, false)
  }

  async #find(locatorId: string, { request, watch }: Exchange): Promise<Found> {
    const { publications, clock } = this.#ports
    let known = publications.find(locatorId)
    if (!known && publications.wake) {
      await publications.wake(locatorId, watch.signal)
      known = publications.find(locatorId)
    }
    const published = this.#terms.check(known, clock.now(), request.socket.remoteAddress)
    const { header } = published.view
    const digest = this.#digests.get(header) ?? contentDigest(header)
    this.#digests.set(header, digest)
    return { published, digest }
  }

  async #childAnswer(exchange: Exchange, found: Found, digest: string, child: Child): Promise<Answer> {
    const { view } = found.published
    if (digest !== found.digest) throw new AppError('URL_UNKNOWN', 'This address was of another presentation.')
    const { manifests } = this.#options
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
    if (child.kind === 'segment') return segmentAnswer(asked, this.#ports.fragments, rendition, child.startTicks)
    return initAnswer(asked, known(rendition.tracks.find(({ track }) => track === child.track)))
  }

  async #ismAnswer(exchange: Exchange, found: Found, manifestName: string, target: IsmTarget): Promise<Answer> {
    const { view, manifestName: publishedName } = found.published
    if (manifestName.toLowerCase() !== publishedName.toLowerCase()) {
      throw new AppError('URL_UNKNOWN', 'The locator publishes no manifest of this name.')
    }
    const { manifests } = this.#options
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
    if (target.time !== 'init') return segmentAnswer(asked, this.#ports.fragments, rendition, target.time)
    return initAnswer(asked, known(rendition.tracks.at(-1)))
  }

  /** For DASH's `urn:mpeg:dash:utc:http-xsdate:2014`. */
  #timeAnswer(): Answer {
    const body = Buffer.from(new Date(this.#ports.clock.now()).toISOString())
    const headers = ['Content-Type', 'text/plain', 'Cache-Control', 'no-store']
    return { status: 200, headers, chunks: [body], sizeBytes: body.byteLength }
  }

  #noteFailure(request: IncomingMessage, thrown: unknown): void {
    const url = (request.url ?? '').split('?', 1)[0]
    this.#ports.logger.error({ err: thrown, url }, `a request failed: ${messageOf(thrown)}`)
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

/** Nothing here takes a body; what a client sends is not read, so its connection can't be used again. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

function kindOf(target: Target): RequestKind {
  if (target.kind === 'child') {
    if (target.child.kind === 'playlist') return 'media-playlist'
    return target.child.kind === 'live-mpd' ? 'mpd' : target.child.kind
  }
  if (target.kind !== 'ism') return target.kind
  const { target: ism } = target
  if (ism.kind === 'manifest') return ism.format === 'm3u8-cmaf' ? 'master' : 'mpd'
  if (ism.kind === 'playlist') return ism.keyFramesOnly ? 'iframe-playlist' : 'media-playlist'
  return ism.time === 'init' ? 'init' : 'segment'
}
