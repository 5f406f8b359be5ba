import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { AppError, type ErrorCode, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { type Answer, type AnswerStream, failureAnswer, preflightAnswer, problemAnswer, sendAnswer } from './answer.ts'
import type { Exchange } from './asked.ts'
import type { ClientAddress } from './client-address.ts'
import { readCmcd } from './cmcd.ts'
import type { ConformanceSampler } from './conformance-sampler.ts'
import { DeliveriesOf, requireDownload } from './deliveries.ts'
import { EndpointGate, withinEndpoint } from './endpoint-rules.ts'
import { fileAnswer } from './file-downloads.ts'
import { isKeyTarget, keyAnswer } from './key-answers.ts'
import type { LoadShedding } from './load-shedding.ts'
import type { KeyDesk, OriginObserver, PublicationReader, Published, UnopenedFiles } from './ports.ts'
import { isWithheld, methodNotAllowed } from './problem.ts'
import type { PublishedAnswers } from './published-answers.ts'
import { kindOf } from './request-kind.ts'
import { type ResponseWatch, watchResponse } from './response-watch.ts'
import type { SendBudget } from './send-budget.ts'
import { sendStream } from './send-stream.ts'
import { overloaded, shedReasonOf } from './shed-reason.ts'
import { loggedPath, splitSignature } from './signed-url.ts'
import { namesTexts, type PublishedTarget, parseTarget, type Target } from './target.ts'
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
  /** Looks at what is answered; absent: nobody does. */
  readonly sampler: ConformanceSampler | undefined
  readonly budget: SendBudget
  readonly addressOf: ClientAddress
  /** Gives out content keys; absent: nobody does. */
  readonly keys?: KeyDesk | undefined
  readonly shedding: LoadShedding
  /** Time for any answer, and the slowest that a client may read beyond it. */
  readonly sendGraceMs: number
  readonly minBytesPerSecond: number
}

/** Bodies that newcomers get as long as there is any room; of larger ones they get a part of it. */
const SMALL_BYTES = 65_536
const NEWCOMERS_SHARE = 0.875
const WITHHELD_AGAIN_MS = 60_000

/** Turns requests into answers: parse, look up, render or read, send. What one request throws ends with that request. */
export class RequestHandler {
  readonly #ports: HandlerPorts
  readonly #options: HandlerOptions
  readonly #deliveries = new DeliveriesOf()
  readonly #terms = new PublicationTerms()
  readonly #gate = new EndpointGate()
  /** Until when what was noted of a kind of trouble will do. */
  readonly #withheld = new Map<ErrorCode, number>()
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
    const cmcd = observer.cmcd && readCmcd(request.url ?? '', request.headers)
    if (cmcd) observer.cmcd?.(cmcd)
    const watch = watchResponse(response, clock, (kind, status, bytes, durationMs) =>
      observer.request(kind, status, bytes, durationMs),
    )
    let answer: Answer
    try {
      answer = await this.#answer({ request, watch })
      this.#options.sampler?.look(request.url ?? '', watch.kind, answer)
    } catch (thrown) {
      answer = this.#failed(request, thrown)
    }
    if (watch.isClosed) return
    this.#send(request, response, watch, answer)
  }

  #send(request: IncomingMessage, response: ServerResponse, watch: ResponseWatch, answer: Answer): void {
    const { budget, sendGraceMs, minBytesPerSecond, shedding } = this.#options
    const bodyBytes = request.method === 'HEAD' ? 0 : answer.sizeBytes
    // Of what is read while it is sent no more than a window is in memory; each window has its own time.
    const heldBytes = heldOf(answer, bodyBytes)
    let sent = answer
    // The last of the room is for those who watch, and for what is small.
    const share = heldBytes > SMALL_BYTES && !shedding.isWatching(request) ? NEWCOMERS_SHARE : 1
    if (budget.take(heldBytes, share)) watch.onClose(() => budget.giveBack(heldBytes))
    else sent = this.#failed(request, overloaded('bytes', 'Too many bytes are on their way to other clients.'))
    if (sent.status < 300) shedding.gave(request, watch.kind)
    const atOnceBytes = answer.stream ? heldBytes : bodyBytes
    watch.sending(sent.status, bodyBytes, sendGraceMs + (atOnceBytes / minBytesPerSecond) * 1_000)
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
      await sendStream(response, stream.open(), watch.signal, (sizeBytes) => {
        if (stream.isOpenEnded) watch.sendingMore(sizeBytes)
        watch.extend(sendGraceMs + (sizeBytes / minBytesPerSecond) * 1_000)
      })
    } catch (thrown) {
      if (!watch.isClosed) this.#noteFailure(request, thrown)
      watch.cut()
    }
  }

  async #answer(asked: Exchange): Promise<Answer> {
    const { request, watch } = asked
    const { keys } = this.#options
    if (keys && isKeyTarget(request.url)) {
      watch.kind = 'key'
      const { publications } = this.#ports
      const address = this.#options.addressOf(request)
      return keyAnswer({ request, address, gate: this.#gate, rulesOf: publications.rulesOf }, keys)
    }
    if (request.method === 'OPTIONS') return preflightAnswer
    if (request.method !== 'GET' && request.method !== 'HEAD') return problemAnswer(methodNotAllowed)
    const { target: url, signature } = splitSignature(request.url ?? '')
    const target = parseTarget(url)
    watch.kind = kindOf(target)
    if (target.kind === 'time') return this.#timeAnswer()
    const admission = this.#options.shedding.admit(request, watch.kind)
    const exchange = admission ? { ...asked, admission } : asked
    let found = await this.#find(target.locatorId, exchange)
    const address = this.#options.addressOf(request)
    const visit = () => ({
      request,
      locatorId: target.locatorId,
      signature,
      target: url,
      address,
      nowMs: this.#ports.clock.now(),
    })
    let passage = found.rules && this.#gate.pass(found.rules, visit())
    // What was waited for is answered by what is published then, and to who may still come then.
    if (await this.#waited(found, exchange, target)) {
      found = await this.#find(target.locatorId, exchange)
      passage = found.rules && this.#gate.pass(found.rules, visit())
    }
    const answer = withinTerms(await this.#answerUnder(found, exchange, target), found, this.#ports.clock.now())
    return passage ? withinEndpoint(answer, passage, visit()) : answer
  }

  async #waited(found: Published | UnopenedFiles, exchange: Exchange, target: Target): Promise<boolean> {
    if ('files' in found || target.kind === 'file' || target.kind === 'time') return false
    const deliveries = this.#deliveries.get(found.view.header, found.delivery)
    return this.#options.answers.wait(exchange, { published: found, deliveries }, target)
  }

  async #answerUnder(
    found: Published | UnopenedFiles,
    exchange: Exchange,
    target: PublishedTarget | Extract<Target, { kind: 'file' }>,
  ): Promise<Answer> {
    const { request, watch } = exchange
    if ('files' in found && (target.kind === 'file' || target.kind === 'download')) {
      requireDownload(found.delivery)
      // A file as it is shows what the locator's filters leave out.
      if (found.filters?.length) throw new AppError('URL_UNKNOWN', 'This locator publishes a part of its files alone.')
      return fileAnswer(request, found, { extension: 'mp4', ...target.file }, watch.signal)
    }
    if (target.kind === 'file') throw new AppError('URL_UNKNOWN', 'The locator publishes no file of this name.')
    if ('files' in found && !found.files.isOpen?.()) exchange.admission?.forWork()
    const whole = 'files' in found ? await found.files.open(watch.signal) : found.view
    // Media is the same whatever stands beside it, and waits for none of that.
    const view = found.withTexts && namesTexts(target) ? await found.withTexts(whole, watch.signal) : whole
    const published = 'files' in found || view !== whole ? { ...found, view } : found
    const deliveries = this.#deliveries.get(view.header, published.delivery)
    return this.#options.answers.answer(exchange, { published, deliveries }, target)
  }

  async #find(locatorId: string, { request, watch }: Exchange): Promise<Published | UnopenedFiles> {
    const { publications, clock } = this.#ports
    let known = publications.find(locatorId)
    if (!known && publications.wake) {
      await publications.wake(locatorId, watch.signal)
      known = publications.find(locatorId)
    }
    return this.#terms.check(known, clock.now(), this.#options.addressOf(request))
  }

  /** For DASH's `urn:mpeg:dash:utc:http-xsdate:2014`. */
  #timeAnswer(): Answer {
    const body = Buffer.from(new Date(this.#ports.clock.now()).toISOString())
    const headers = ['Content-Type', 'text/plain', 'Cache-Control', 'no-store']
    return { status: 200, headers, chunks: [body], sizeBytes: body.byteLength }
  }

  /** The answer to what was thrown, which is counted or noted. */
  #failed(request: IncomingMessage, thrown: unknown): Answer {
    const reason = shedReasonOf(thrown)
    if (reason) this.#options.shedding.refused(reason)
    const answer = failureAnswer(thrown)
    if (answer.status === 500) this.#noteFailure(request, thrown)
    else if (isWithheld(thrown)) this.#noteWithheld(request, thrown)
    return answer
  }

  #noteFailure(request: IncomingMessage, thrown: unknown): void {
    const url = loggedPath(request.url ?? '')
    this.#ports.logger.error({ err: thrown, url }, `a request failed: ${messageOf(thrown)}`)
  }

  /** What who asks is not told. Of a crowd that all meet the same trouble one is noted, and again after a while. */
  #noteWithheld(request: IncomingMessage, { code, message }: AppError): void {
    const nowMs = this.#ports.clock.monotonicMs()
    if (nowMs < (this.#withheld.get(code) ?? Number.NEGATIVE_INFINITY)) return
    this.#withheld.set(code, nowMs + WITHHELD_AGAIN_MS)
    const url = loggedPath(request.url ?? '')
    this.#ports.logger.warn({ code, error: message, url }, 'requests can not be answered')
  }
}

/** Bytes of an answer that are in memory until the client has taken them. */
function heldOf({ stream, heldBytes = 0 }: Answer, bodyBytes: number): number {
  if (!stream) return bodyBytes === 0 ? 0 : Math.max(heldBytes, bodyBytes)
  return stream.isOpenEnded ? stream.windowBytes : Math.min(bodyBytes, stream.windowBytes)
}

/** Nothing here takes a body; what a client sends is not read, so its connection can't be used again. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}
