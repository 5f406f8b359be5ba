import type { IncomingMessage } from 'node:http'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import { connectionOf } from './connections.ts'
import { LoadGauge } from './load-gauge.ts'
import type { OriginObserver, RequestKind } from './ports.ts'
import { overloaded, type ShedReason } from './shed-reason.ts'

/** How a request goes on that came in while there is too much to do. */
export type Admission = {
  /** Called before work is begun that nobody has done yet: packaging, reading from storage. @throws AppError `ORIGIN_BUSY` */
  forWork(): void
}

/** What load shedding is wired to. */
export type SheddingPorts = {
  readonly observer: Pick<OriginObserver, 'shed'>
  readonly clock: Clock
  readonly logger: Logger
}

/** What is refused first has the highest rank; pressure has as many steps. */
type Rank = 0 | 1 | 2 | 3
const RANKS = 4
/** Pressure moves by so much in a measurement: up by the excess, down slowly, so that it settles where load and refusals balance. */
const RISE = 0.25
const FASTEST_RISE = 1
const FALL = 0.15
/** Between this share of the limit and the limit pressure stays where it is. */
const CALM_SHARE = 0.5
/** Who has had media on a connection so lately is watching. */
const WATCHING_MS = 30_000
/** Nothing refused for so long: it is over. */
const QUIET_MS = 10_000
const CHECK_MS = 1_000

const EXTRAS: ReadonlySet<RequestKind> = new Set(['thumbnail', 'download'])
const MEDIA: ReadonlySet<RequestKind> = new Set(['segment', 'live-segment', 'part', 'smooth-fragment', 'blocked'])

/**
 * Refuses requests while this thread has more to do than it can, the dearest first, and of each sort only as large a share as it takes: work
 * for who comes anew, and pictures and downloads; work for those who watch; what is ready for who comes anew; at last everything. Who watches is
 * told by the connection, which nobody can forge and which costs nothing to remember.
 */
export class LoadShedding implements Stoppable {
  readonly #ports: SheddingPorts
  readonly #maxDelayMs: number
  readonly #gauge: LoadGauge
  readonly #watched = new WeakMap<object, number>()
  /** Of each rank, what of a whole refusal its share has come to. */
  readonly #due = new Float64Array(RANKS)
  readonly #refused = new Map<ShedReason, number>()
  #pressure = 0
  #lastRefusalMs = 0
  #check: Timer | undefined

  /** `maxDelayMs`: how long work may wait for its turn before any of it is refused; 0: none ever is. */
  constructor(maxDelayMs: number, ports: SheddingPorts) {
    this.#maxDelayMs = maxDelayMs
    this.#ports = ports
    this.#gauge = new LoadGauge(ports.clock, (delayMs) => this.measured(delayMs))
  }

  /** From 0, nothing is refused, to 4, everything is. */
  get pressure(): number {
    return this.#pressure
  }

  start(): void {
    if (this.#maxDelayMs > 0) this.#gauge.start()
  }

  async stop(): Promise<void> {
    this.#check?.cancel()
    await this.#gauge.stop()
  }

  /** Work has waited so long for its turn lately. */
  measured(delayMs: number): void {
    const excess = delayMs / this.#maxDelayMs
    if (excess > 1) this.#pressure = Math.min(RANKS, this.#pressure + Math.min(FASTEST_RISE, RISE * excess))
    else if (excess < CALM_SHARE) this.#pressure = Math.max(0, this.#pressure - FALL)
  }

  /** `undefined`: there is no pressure, go on. @throws AppError `ORIGIN_BUSY` */
  admit(request: IncomingMessage, kind: RequestKind): Admission | undefined {
    if (this.#pressure === 0 || kind === 'time') return undefined
    const isWatching = this.isWatching(request)
    this.#pass(EXTRAS.has(kind) ? 3 : isWatching ? 0 : 1)
    return { forWork: () => this.#pass(isWatching ? 2 : 3) }
  }

  /** Media has been given to this connection. */
  gave(request: IncomingMessage, kind: RequestKind): void {
    if (MEDIA.has(kind)) this.#watched.set(connectionOf(request), this.#ports.clock.monotonicMs())
  }

  isWatching(request: IncomingMessage): boolean {
    const lastMs = this.#watched.get(connectionOf(request))
    return lastMs !== undefined && this.#ports.clock.monotonicMs() - lastMs <= WATCHING_MS
  }

  /** Something was refused for want of room, here or elsewhere: it is counted, and told to the log once for all that follows. */
  refused(reason: ShedReason): void {
    const { observer, clock, logger } = this.#ports
    observer.shed?.(reason)
    this.#lastRefusalMs = clock.monotonicMs()
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1)
    if (this.#check) return
    logger.warn({ reason }, 'the streaming endpoint refuses requests: there is more to do than it can')
    this.#check = clock.every(CHECK_MS, () => this.#lookForEnd())
  }

  #lookForEnd(): void {
    const { clock, logger } = this.#ports
    if (clock.monotonicMs() - this.#lastRefusalMs < QUIET_MS) return
    this.#check?.cancel()
    this.#check = undefined
    logger.info({ refused: Object.fromEntries(this.#refused) }, 'the streaming endpoint refuses no more requests')
    this.#refused.clear()
  }

  #pass(rank: Rank): void {
    const share = Math.min(1, Math.max(0, this.#pressure - (RANKS - 1 - rank)))
    if (share === 0) return
    const due = (this.#due[rank] ?? 0) + share
    const isRefused = due >= 1
    this.#due[rank] = isRefused ? due - 1 : due
    if (isRefused) {
      throw overloaded('delay', 'This server has more to do than it can: try again.', 1 + Math.floor(this.#pressure))
    }
  }
}
