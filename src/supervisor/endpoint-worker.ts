import type { ChangeSet } from '../domain/change-set.ts'
import type { Operation } from '../domain/operation.ts'
import { explain } from '../domain/problem.ts'
import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { BackOff } from './back-off.ts'
import { isLostRace, type Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'
import { type Outcome, putOutcome, unchanged } from './outcome.ts'
import type { EndpointRunner, SupervisorObserver } from './ports.ts'
import { type Next, Rounds } from './rounds.ts'

/** What the workers of streaming endpoints share. */
export type EndpointPorts = {
  readonly ledger: Ledger
  readonly endpoints: EndpointRunner
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: SupervisorObserver
  /** There is no such endpoint any more. */
  readonly gone: (endpointId: string) => void
}

const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000
/** A stop is tried so often before it is told that it failed. */
const STOP_TRIES = 5

/**
 * Takes one streaming endpoint to where the store wants it, one step at a time. One that runs is opened again at the start of
 * the process without a word in the store: to viewers nothing has changed.
 */
export class EndpointWorker {
  readonly #id: string
  readonly #ports: EndpointPorts
  readonly #logger: Logger
  readonly #rounds: Rounds
  readonly #backOff = new BackOff(FIRST_RETRY_MS, LONGEST_RETRY_MS)
  /** As it was when it was last tried to be opened here; one whose opening failed may serve in part. */
  #open: StreamingEndpoint | undefined
  #isUp = false
  readonly #halt = new AbortController()

  constructor(endpointId: string, ports: EndpointPorts) {
    this.#id = endpointId
    this.#ports = ports
    this.#logger = ports.logger.child({ streamingEndpointId: endpointId })
    this.#rounds = new Rounds({ round: () => this.#round(), failed: (error) => this.#failed(error) }, ports.clock)
  }

  /** The endpoint was written. */
  wake(): void {
    this.#rounds.wake()
  }

  /** Ends the work on it and leaves it open: it serves until the origins end. */
  stop(): Promise<void> {
    // What takes long goes on without this: threads that are left by their viewers.
    this.#halt.abort()
    return this.#rounds.stop()
  }

  async #round(): Promise<Next> {
    const { ledger } = this.#ports
    try {
      const endpoint = await ledger.find('streaming-endpoint', this.#id)
      if (!endpoint) return await this.#gone()
      const operation = await ledger.underWay(endpoint.operationId)
      return await this.#stepOf(endpoint, operation)
    } catch (error) {
      if (isLostRace(error)) return 'again'
      throw error
    }
  }

  #failed(error: unknown): number {
    if (!isStoreDown(error)) {
      this.#ports.observer.failed('streaming-endpoint', error instanceof AppError ? error.code : 'INTERNAL')
      this.#logger.error({ err: error }, `the streaming endpoint is not as it should be: ${messageOf(error)}`)
    }
    return this.#backOff.next()
  }

  async #stepOf(endpoint: StreamingEndpoint, operation: Operation | undefined): Promise<Next> {
    if (endpoint.state === 'Stopping') return this.#stopping(endpoint, operation)
    if (endpoint.state === 'Stopped') return this.#stopped(endpoint, operation)
    if (!this.#isUp) {
      const error = await this.#tryOpen(endpoint)
      if (this.#halt.signal.aborted) return 'woken'
      if (error !== undefined) return this.#startFailed(endpoint, operation, error)
    }
    if (endpoint.state === 'Scaling') return this.#scaling(endpoint, operation)
    this.#backOff.reset()
    if (endpoint.state === 'Running' && !operation) return 'woken'
    return this.#move(endpoint, { state: 'Running', reason: 'completed', ends: operation })
  }

  /** Serves on with what there is, whether that is what was asked for or not. */
  async #scaling(endpoint: StreamingEndpoint, operation: Operation | undefined): Promise<Next> {
    let error: unknown
    try {
      await this.#ports.endpoints.scale(endpoint, this.#halt.signal)
    } catch (thrown) {
      if (this.#halt.signal.aborted) return 'woken'
      this.#failed(thrown)
      error = thrown
    }
    const reason = error === undefined ? 'completed' : 'failed'
    return this.#move(endpoint, { state: 'Running', reason, error, ends: operation })
  }

  async #tryOpen(endpoint: StreamingEndpoint): Promise<unknown> {
    try {
      this.#open = endpoint
      await this.#ports.endpoints.start(endpoint, this.#halt.signal)
      this.#isUp = true
      return undefined
    } catch (error) {
      return error
    }
  }

  /** Who asked for the start is told that it failed; one that is meant to run is tried again. */
  async #startFailed(endpoint: StreamingEndpoint, operation: Operation | undefined, error: unknown): Promise<Next> {
    const afterMs = this.#failed(error)
    if (operation) {
      const outcome = { state: 'Stopped', desiredState: 'Stopped', reason: 'failed' } as const
      return this.#move(endpoint, { ...outcome, error, ends: operation })
    }
    const isKnown = endpoint.state === 'Starting' && endpoint.lastError?.detail === explain(error).detail
    if (!isKnown) await this.#move(endpoint, { state: 'Starting', reason: 'failed', error })
    return { afterMs }
  }

  async #stopping(endpoint: StreamingEndpoint, operation: Operation | undefined): Promise<Next> {
    let error: unknown
    try {
      await this.#close(endpoint)
    } catch (thrown) {
      if (this.#halt.signal.aborted) return 'woken'
      error = thrown
      const afterMs = this.#failed(thrown)
      if (this.#backOff.tries < STOP_TRIES) return { afterMs }
    }
    const reason = error === undefined ? 'completed' : 'failed'
    await this.#move(endpoint, { state: 'Stopped', desiredState: 'Stopped', reason, error, ends: operation })
    this.#backOff.reset()
    return 'again'
  }

  async #stopped(endpoint: StreamingEndpoint, operation: Operation | undefined): Promise<Next> {
    if (this.#open) await this.#close(endpoint)
    if (operation) {
      const refusal = new AppError('STATE_CONFLICT', 'Given up: the streaming endpoint was stopped.')
      const outcome = { state: 'Stopped', reason: 'completed', error: unchanged } as const
      return this.#move(endpoint, { ...outcome, ends: operation, refusal })
    }
    if (endpoint.desiredState === 'Stopped') return 'woken'
    return this.#move(endpoint, { state: 'Starting', reason: 'requested', error: unchanged })
  }

  async #gone(): Promise<Next> {
    if (this.#open) await this.#close(this.#open)
    this.#ports.gone(this.#id)
    return 'woken'
  }

  async #close(endpoint: StreamingEndpoint): Promise<void> {
    this.#isUp = false
    await this.#ports.endpoints.stop(endpoint, this.#halt.signal)
    this.#open = undefined
  }

  #move(endpoint: StreamingEndpoint, outcome: Outcome<'streaming-endpoint'>): Promise<Next> {
    return this.#write((changes) =>
      putOutcome(changes, 'streaming-endpoint', endpoint, outcome, this.#ports.clock.now()),
    )
  }

  async #write(fill: (changes: ChangeSet) => void): Promise<Next> {
    await this.#ports.ledger.commit(fill)
    return 'again'
  }
}
