import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { OriginObserver, RequestKind } from './ports.ts'

/** Counted for a client that went away before its answer was complete (the number that nginx uses for it). */
const CLIENT_CLOSED = 499
/** Without a reason of its own each abort makes an error with a stack, which costs more than all that listens to it. */
const OVER = new AppError('STOPPED', 'The response is over.')

/** One response from its request to its end. */
export type ResponseWatch = {
  kind: RequestKind
  readonly isClosed: boolean
  /** Aborted when the response is over, complete or not. */
  readonly signal: AbortSignal
  /** Runs when the response is over; at once where it is. */
  onClose(run: () => void): void
  /** The answer begins: it has to be over within `limitMs`. */
  sending(status: number, sizeBytes: number, limitMs: number): void
  /** More of the answer follows: from now on there is `limitMs` for it. */
  extend(limitMs: number): void
  /** So many bytes more than were announced are sent. */
  sendingMore(sizeBytes: number): void
  /** Ends the response where it stands; of HTTP/1 its connection, and with that the responses that stand behind it. */
  cut(): void
}

/** Watches a response; `done` is called once, when it is over. */
export function watchResponse(response: ServerResponse, clock: Clock, done: OriginObserver['request']): ResponseWatch {
  return new Watch(response, clock, done)
}

class Watch implements ResponseWatch {
  kind: RequestKind = 'other'
  isClosed = false
  readonly #response: ServerResponse
  readonly #clock: Clock
  readonly #done: OriginObserver['request']
  readonly #startMs: number
  readonly #onClose: (() => void)[] = []
  #abort: AbortController | undefined
  #limit: Timer | undefined
  #status = CLIENT_CLOSED
  #sizeBytes = 0

  constructor(response: ServerResponse, clock: Clock, done: OriginObserver['request']) {
    this.#response = response
    this.#clock = clock
    this.#done = done
    this.#startMs = clock.monotonicMs()
    response.once('close', () => this.#closed())
    // A write to a connection that is gone: 'close' follows, and that is all there is to do.
    response.on('error', () => undefined)
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.isClosed) this.#abort.abort(OVER)
    return this.#abort.signal
  }

  onClose(run: () => void): void {
    if (this.isClosed) run()
    else this.#onClose.push(run)
  }

  sending(status: number, sizeBytes: number, limitMs: number): void {
    this.#status = status
    this.#sizeBytes = sizeBytes
    this.#limit = this.#clock.after(wholeSeconds(limitMs), () => this.cut())
  }

  extend(limitMs: number): void {
    this.#limit?.cancel()
    if (!this.isClosed) this.#limit = this.#clock.after(wholeSeconds(limitMs), () => this.cut())
  }

  sendingMore(sizeBytes: number): void {
    this.#sizeBytes += sizeBytes
  }

  cut(): void {
    const stream = 'stream' in this.#response ? this.#response.stream : undefined
    if (isHttp2Stream(stream)) stream.close(constants.NGHTTP2_CANCEL)
    // A response that waits behind another is kept by the runtime with its bytes, and is sent when its turn comes, destroyed or not: by
    // then those bytes, on lease until now, may be somebody else's.
    else this.#response.req.socket.destroy()
  }

  #closed(): void {
    this.isClosed = true
    this.#limit?.cancel()
    this.#abort?.abort(OVER)
    for (const run of this.#onClose) run()
    const isComplete = this.#response.writableFinished || this.#sizeBytes === 0
    const status = isComplete ? this.#status : CLIENT_CLOSED
    this.#done(this.kind, status, isComplete ? this.#sizeBytes : 0, this.#clock.monotonicMs() - this.#startMs)
  }
}

/** The runtime keeps a list of timers for each duration: with few of them it finds its place at once. Short limits stay as they are. */
function wholeSeconds(ms: number): number {
  return ms > 10_000 ? Math.ceil(ms / 1_000) * 1_000 : ms
}

function isHttp2Stream(stream: unknown): stream is { close(code: number): void } {
  return typeof stream === 'object' && stream !== null && 'close' in stream && typeof stream.close === 'function'
}
