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
import type { OriginCommand, OriginMedia, OriginReport, OriginThreadData } from './origin-messages.ts'
import type { TlsMaterial } from './tls-files.ts'

/** How many threads, where they listen, and what each may use. */
export type OriginPoolOptions = {
  readonly threads: number
  readonly host: string
  readonly port: number
  readonly limits: Partial<OriginLimits>
  readonly ffmpegPath: string
  readonly logLevel: LogLevel
  readonly media: OriginMedia
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

type Thread = { readonly worker: Worker; readonly feed: ConnectedFeed; readonly exited: Promise<void> }

const RESTART_DELAY_MS = 1_000
const STOP_GRACE_MS = 6_000

/** Origin threads, each listening on the streaming port itself. One that dies is replaced; the others go on meanwhile. */
export class OriginPool implements Stoppable {
  readonly #options: OriginPoolOptions
  readonly #ports: OriginPoolPorts
  readonly #threads = new Map<number, Thread>()
  readonly #restarts = new Map<number, Timer>()
  #port: number
  #stopping = false

  constructor(options: OriginPoolOptions, ports: OriginPoolPorts) {
    this.#options = options
    this.#ports = ports
    this.#port = options.port
  }

  /** The port that viewers connect to; known once started. */
  get port(): number {
    return this.#port
  }

  get runningThreads(): number {
    return this.#threads.size
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

  setTls(tls: TlsMaterial): void {
    for (const { worker } of this.#threads.values()) worker.postMessage({ kind: 'tls', tls } satisfies OriginCommand)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const timer of this.#restarts.values()) timer.cancel()
    await Promise.all([...this.#threads.values()].map((thread) => this.#stopThread(thread)))
  }

  async #stopThread({ worker, exited }: Thread): Promise<void> {
    worker.postMessage({ kind: 'stop' } satisfies OriginCommand)
    const timer = this.#ports.clock.after(STOP_GRACE_MS, () => {
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
    const { threads: _threads, ...options } = this.#options
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
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', (code) => {
        feed.stop()
        port1.close()
        calls.port1.close()
        metrics.threadGone(index)
        this.#threads.delete(index)
        listening.reject(new AppError('ORIGIN_THREAD_DOWN', `origin thread ${index} ended with code ${code}`))
        if (!this.#stopping) this.#restartLater(index)
        resolve()
      })
    })
    worker.on('error', (error) => logger.error({ err: error, thread: index }, 'origin thread failed'))
    worker.on('message', (message: OriginReport) => {
      if (message.kind === 'counts') metrics.merge(index, message.counts)
      if (message.kind === 'failed') listening.reject(new AppError(message.code, message.message))
      if (message.kind !== 'listening') return
      this.#port = message.port
      listening.resolve()
    })
    this.#threads.set(index, { worker, feed, exited })
    return listening.promise
  }

  #restartLater(index: number): void {
    const { clock, logger } = this.#ports
    const timer = clock.after(RESTART_DELAY_MS, () => {
      this.#restarts.delete(index)
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
