import type { Change } from '../domain/entity-store.ts'
import { isOperationDone, type Operation } from '../domain/operation.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { isStoreDown } from './outage.ts'
import type { ChangeSource } from './ports.ts'
import { type Next, Rounds } from './rounds.ts'

type Waiter = {
  /** What it is answered with when its time is over. */
  last: Operation
  readonly done: (operation: Operation) => void
}

type WatchPorts = {
  readonly repository: Pick<Repository, 'findAnywhere'>
  readonly changes: ChangeSource
  readonly clock: Clock
  readonly logger: Logger
  /** How many may wait at once; who comes then is answered at once and asks again. */
  readonly maxWaiters?: number
}

const MAX_WAITERS = 1_000
const RETRY_MS = 500

/** Lets requests wait for operations to end, whichever node carries them out. */
export class OperationWatch {
  readonly #ports: WatchPorts
  readonly #maxWaiters: number
  readonly #waiting = new Map<string, Set<Waiter>>()
  readonly #changed = new Set<string>()
  readonly #rounds: Rounds
  readonly #endListening: readonly (() => void)[]
  #waiters = 0

  constructor(ports: WatchPorts) {
    this.#ports = ports
    this.#maxWaiters = ports.maxWaiters ?? MAX_WAITERS
    this.#rounds = new Rounds({ round: () => this.#round(), failed: (error) => this.#failed(error) }, ports.clock)
    this.#endListening = [
      ports.changes.onChange((changes) => this.#note(changes)),
      ports.changes.onReset(() => this.#lookAt(this.#waiting.keys())),
    ]
  }

  /** The operation as it is when it has ended, when `limitMs` are over or when the signal aborts, whichever is first. Never rejects. */
  wait(operation: Operation, limitMs: number, signal: AbortSignal): Promise<Operation> {
    const isVain = isOperationDone(operation) || limitMs <= 0 || signal.aborted || this.#waiters >= this.#maxWaiters
    if (isVain) return Promise.resolve(operation)
    return new Promise((resolve) => {
      const end = (last: Operation) => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        this.#remove(operation.id, waiter)
        resolve(last)
      }
      const onAbort = () => end(waiter.last)
      const waiter: Waiter = { last: operation, done: end }
      const timer = this.#ports.clock.after(limitMs, onAbort)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#add(operation.id, waiter)
      // It may have ended between its reading and now.
      this.#lookAt([operation.id])
    })
  }

  /** Answers everybody with what is known. */
  async stop(): Promise<void> {
    for (const end of this.#endListening) end()
    await this.#rounds.stop()
    for (const waiters of [...this.#waiting.values()]) for (const waiter of [...waiters]) waiter.done(waiter.last)
  }

  #add(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id) ?? new Set()
    waiters.add(waiter)
    this.#waiting.set(id, waiters)
    this.#waiters++
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id)
    if (!waiters?.delete(waiter)) return
    this.#waiters--
    if (waiters.size === 0) this.#waiting.delete(id)
  }

  #note(changes: readonly Change[]): void {
    this.#lookAt(changes.filter(({ kind, id }) => kind === 'operation' && this.#waiting.has(id)).map(({ id }) => id))
  }

  #lookAt(ids: Iterable<string>): void {
    const before = this.#changed.size
    for (const id of ids) this.#changed.add(id)
    if (this.#changed.size > before) this.#rounds.wake()
  }

  /** One reading serves all that wait for an operation. */
  async #round(): Promise<Next> {
    for (const id of [...this.#changed]) {
      this.#changed.delete(id)
      const waiters = this.#waiting.get(id)
      if (!waiters) continue
      try {
        this.#answer(waiters, await this.#ports.repository.findAnywhere('operation', id))
      } catch (error) {
        this.#changed.add(id)
        throw error
      }
    }
    return this.#changed.size > 0 ? 'again' : 'woken'
  }

  #answer(waiters: ReadonlySet<Waiter>, operation: Operation | undefined): void {
    for (const waiter of [...waiters]) {
      if (operation) waiter.last = operation
      // One that is forgotten already has ended long ago: what was seen last is all there is.
      if (!operation || isOperationDone(operation)) waiter.done(waiter.last)
    }
  }

  #failed(error: unknown): number {
    if (!isStoreDown(error)) this.#ports.logger.error({ err: error }, `an operation can't be read: ${messageOf(error)}`)
    return RETRY_MS
  }
}
