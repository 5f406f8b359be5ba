import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import { type Answer, type AnswerStream, failureAnswer, preflightAnswer, problemAnswer, sendAnswer } from './answer.ts'
import { contentDigest } from './child-urls.ts'
import type { OriginObserver, PublicationReader, RequestKind } from './ports.ts'
import { methodNotAllowed } from './problem.ts'
import type { Exchange, Found, PublishedAnswers } from './published-answers.ts'
import { type ResponseWatch, watchResponse } from './response-watch.ts'
import type { SendBudget } from './send-budget.ts'
import { sendStream } from './send-stream.ts'
import { parseTarget, type Target } from './target.ts'
import { PublicationTerms, withinTerms } from './terms.ts'

/** What answering a request needs of the rest of the house. */
export type HandlerPorts = {
  readonly publications: PublicationReader
  readonly observer: OriginObserver
  readonly clock: Clock
  readonly logger: Logger
}

/** Bounds of one answer. */
export type HandlerOptions = {
  readonly answers: PublishedAnswers
  readonly budget: SendBudget
  /** Time for any answer, and the slowest that a client may read beyond it. */
  readonly sendGraceMs: number
  readonly minBytesPerSecond: number
}

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
    const answer = await this.#options.answers.answer(exchange, found, target)
    return withinTerms(answer, found.published, this.#ports.clock.now())
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
