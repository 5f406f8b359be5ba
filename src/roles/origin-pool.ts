import { createServer } from 'node:net'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger, LogLevel } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { ConnectedFeed, LogDirectory } from '../log/log-directory.ts'
import type { OriginLimits } from '../origin/origin-server.ts'
import type { OriginMetrics } from '../telemetry/origin-metrics.ts'
import { answerHouseCalls, type HouseDesk } from './house-calls.ts'
import type { OriginCommand, OriginKeyOptions, OriginMedia, OriginReport, OriginThreadData } from './origin-messages.ts'
import type { TlsMaterial } from './tls-files.ts'

/** How many threads, where they listen, and what each may use. */
export type OriginPoolOptions = {
  /** How many it begins with. */
  readonly threads: number
  /** How many there may be; absent: as many as it begins with. */
  readonly maxThreads?: number
  /** How long a thread that is one too many goes on for those who are connected to it. */
  readonly drainMs: number
  readonly host: string
  readonly port: number
  readonly limits: Partial<OriginLimits>
  /** Networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[]
  readonly ffmpegPath: string
  readonly logLevel: LogLevel
  readonly media: OriginMedia
  readonly keys?: OriginKeyOptions
}

/** What the threads are fed by and report to. */
export type OriginPoolPorts = {
  readonly directory: LogDirectory
  /** What answers the threads' questions. */
  readonly desk: HouseDesk
  readonly metrics: OriginMetrics
  readonly clock: Clock
  readonly logger: Logger
  /** The certificate of now; absent: plain HTTP. */
  readonly tls: (() => TlsMaterial) | undefined
}

type Thread = {
  readonly worker: Worker
  readonly feed: ConnectedFeed
  readonly exited: Promise<void>
  /** It is one too many, and ends when those who are connected to it have been served. */
  isLeaving: boolean
  /** Resolves when it takes no new connections, or has ended. */
  readonly unlistened: PromiseWithResolvers<void>
}

const RESTART_DELAY_MS = 1_000
const STOP_GRACE_MS = 6_000

/** Origin threads, each listening on the streaming port itself. One that dies is replaced; the others go on meanwhile. Their number may change. */
export class OriginPool implements Stoppable {
  readonly #options: OriginPoolOptions
  readonly #ports: OriginPoolPorts
  readonly #threads = new Map<number, Thread>()
  readonly #restarts = new Map<number, Timer>()
  #port: number
  #wanted: number
  #growing: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(options: OriginPoolOptions, ports: OriginPoolPorts) {
    this.#options = options
    this.#ports = ports
    this.#port = options.port
    this.#wanted = options.threads
  }

  /** The port that viewers connect to; known once started. */
  get port(): number {
    return this.#port
  }

  /** Those that take connections, or soon will. */
  get runningThreads(): number {
    return this.#staying.length
  }

  get maxThreads(): number {
    return Math.max(this.#options.threads, this.#options.maxThreads ?? 0)
  }

  /** How far the threads are behind the logs. */
  feedStates(): readonly { readonly thread: number; readonly unackedEntries: number; readonly staleCount: number }[] {
    return [...this.#threads].map(([thread, { feed }]) => ({ thread, ...feed.state }))
  }

  /** Resolves when every thread listens. @throws AppError `ADDRESS_IN_USE`, `ORIGIN_THREAD_DOWN` */
  async start(): Promise<void> {
    await claim(this.#options.host, this.#options.port)
    // One after the other: where the port is 0, the first one finds it for all.
    for (let index = 0; index < this.#options.threads; index++) await this.#startThread(index)
  }

  /**
   * Resolves when so many threads serve, from 1 to `maxThreads`, and those that were too many have ended; nobody who is connected to one of those is
   * cut off. A later call goes before an earlier one. @throws AppError `ORIGIN_THREAD_DOWN`
   */
  async resize(threads: number): Promise<void> {
    this.#wanted = Math.min(Math.max(1, threads), this.maxThreads)
    this.#growing = this.#growing.catch(() => undefined).then(() => this.#grow())
    await this.#growing
    await this.#shrink()
  }

  async #grow(): Promise<void> {
    const wanted = Array.from({ length: this.#wanted }, (_, index) => index)
    await Promise.all(wanted.filter((index) => !this.#restarts.has(index)).map((index) => this.#fill(index)))
  }

  async #fill(index: number): Promise<void> {
    const thread = this.#threads.get(index)
    // Its place is free when it has ended.
    if (thread?.isLeaving) await thread.exited
    const isMissing = !this.#threads.has(index) && !this.#stopping && index < this.#wanted
    if (isMissing) await this.#startThread(index)
  }

  async #shrink(): Promise<void> {
    const leaving = [...this.#threads].filter(([index, { isLeaving }]) => index >= this.#wanted && !isLeaving)
    // All of them first: who is sent away by one comes back at once, and must not come to another that is about to leave.
    await Promise.all(leaving.map(([, thread]) => this.#unlisten(thread)))
    await Promise.all(leaving.map(([, thread]) => this.#drainThread(thread)))
  }

  async #unlisten(thread: Thread): Promise<void> {
    const { worker, unlistened } = thread
    thread.isLeaving = true
    worker.postMessage({ kind: 'unlisten' } satisfies OriginCommand)
    // One that does not answer is cut off later.
    const timer = this.#ports.clock.after(STOP_GRACE_MS, unlistened.resolve)
    await unlistened.promise
    timer.cancel()
  }

  async #drainThread(thread: Thread): Promise<void> {
    const { drainMs: forMs } = this.#options
    thread.worker.postMessage({ kind: 'drain', forMs } satisfies OriginCommand)
    await this.#exit(thread, forMs + STOP_GRACE_MS)
  }

  get #staying(): readonly Thread[] {
    return [...this.#threads.values()].filter(({ isLeaving }) => !isLeaving)
  }

  setTls(tls: TlsMaterial): void {
    for (const { worker } of this.#threads.values()) worker.postMessage({ kind: 'tls', tls } satisfies OriginCommand)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const timer of this.#restarts.values()) timer.cancel()
    await Promise.all([...this.#threads.values()].map((thread) => this.#stopThread(thread)))
  }

  async #stopThread(thread: Thread): Promise<void> {
    thread.worker.postMessage({ kind: 'stop' } satisfies OriginCommand)
    await this.#exit(thread, STOP_GRACE_MS)
  }

  async #exit({ worker, exited }: Thread, limitMs: number): Promise<void> {
    const timer = this.#ports.clock.after(limitMs, () => {
      this.#ports.logger.warn('an origin thread did not stop in time; it is cut off')
      void worker.terminate()
    })
    await exited
    timer.cancel()
  }

  #startThread(index: number): Promise<void> {
    const { directory, desk, metrics, logger, tls } = this.#ports
    const { port1, port2 } = new MessageChannel()
    const calls = new MessageChannel()
    answerHouseCalls(calls.port1, desk)
    const { threads: _threads, maxThreads: _maxThreads, drainMs: _drainMs, ...options } = this.#options
    const workerData: OriginThreadData = {
      ...options,
      thread: index,
      port: this.#port,
      tls: tls?.(),
      feed: port2,
      house: calls.port2,
    }
    const worker = new Worker(new URL('./origin-thread.ts', import.meta.url), {
      workerData,
      transferList: [port2, calls.port2],
    })
    const feed = directory.connect(port1)
    const listening = Promise.withResolvers<void>()
    const unlistened = Promise.withResolvers<void>()
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', (code) => {
        feed.stop()
        port1.close()
        calls.port1.close()
        metrics.threadGone(index)
        this.#threads.delete(index)
        listening.reject(new AppError('ORIGIN_THREAD_DOWN', `origin thread ${index} ended with code ${code}`))
        if (!this.#stopping && index < this.#wanted && !thread.isLeaving) this.#restartLater(index)
        unlistened.resolve()
        resolve()
      })
    })
    worker.on('error', (error) => logger.error({ err: error, thread: index }, 'origin thread failed'))
    worker.on('message', (message: OriginReport) => {
      if (message.kind === 'counts') metrics.merge(index, message.counts)
      if (message.kind === 'failed') listening.reject(new AppError(message.code, message.message))
      if (message.kind === 'unlistened') unlistened.resolve()
      if (message.kind !== 'listening') return
      this.#port = message.port
      listening.resolve()
    })
    const thread: Thread = { worker, feed, exited, isLeaving: false, unlistened }
    this.#threads.set(index, thread)
    return listening.promise
  }

  #restartLater(index: number): void {
    const { clock, logger } = this.#ports
    const timer = clock.after(RESTART_DELAY_MS, () => {
      this.#restarts.delete(index)
      if (index >= this.#wanted || this.#threads.has(index)) return
      // A failed try ends in the thread's exit, which comes back here.
      this.#startThread(index).then(
        () => logger.warn({ thread: index }, 'origin thread restarted'),
        (error: unknown) => logger.error({ err: error, thread: index }, 'origin thread could not be restarted'),
      )
    })
    this.#restarts.set(index, timer)
  }
}

/**
 * Takes the port for a moment, alone. The threads share it, and so would they with another Headend on this machine: half
 * of the viewers would come to the wrong one, and nobody would be told.
 */
function claim(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) => {
      const code = 'code' in cause && cause.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'INTERNAL'
      reject(new AppError(code, `the streaming listener can't use ${host} port ${port}: ${cause.message}`, { cause }))
    })
    server.listen({ host, port }, () => server.close(() => resolve()))
  })
}
