import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { RunningKind } from '../domain/lifecycle.ts'
import { isOperationDone, type Operation } from '../domain/operation.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { isLostRace, type Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'
import { endOperation } from './outcome.ts'
import { type Next, Rounds } from './rounds.ts'

type SweepPorts = {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly logger: Logger
  /** There is something to do for an entity that runs. */
  readonly wake: (kind: RunningKind, id: string) => void
}

const KEPT_MS = 86_400_000
const SWEEP_MS = 600_000
const RETRY_MS = 30_000
const PAGE = 100
/** One transaction's worth. */
const DELETED_AT_ONCE = 100

const runningKinds: ReadonlySet<string> = new Set<RunningKind>(['channel', 'program', 'streaming-endpoint'])

function isRunningKind(kind: string): kind is RunningKind {
  return runningKinds.has(kind)
}

/**
 * Goes through the operations at the start and every ten minutes: what ended a day ago is forgotten, who carries out one that
 * is under way is woken, and one that nobody carries out, since its entity is gone or does something else, ends as failed.
 */
export class OperationSweep {
  readonly #ports: SweepPorts
  readonly #rounds: Rounds

  constructor(ports: SweepPorts) {
    this.#ports = ports
    this.#rounds = new Rounds(
      { round: (signal) => this.#round(signal), failed: (error) => this.#failed(error) },
      ports.clock,
    )
  }

  start(): void {
    this.#rounds.wake()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  #failed(error: unknown): number {
    if (isStoreDown(error)) return RETRY_MS
    this.#ports.logger.error({ err: error }, `operations could not be looked through: ${messageOf(error)}`)
    return SWEEP_MS
  }

  async #round(signal: AbortSignal): Promise<Next> {
    const { ledger } = this.#ports
    await this.#lookThroughAccount(SYSTEM_ACCOUNT, signal)
    for await (const accounts of ledger.pages('account', { accountId: SYSTEM_ACCOUNT, limit: PAGE })) {
      for (const { id } of accounts) await this.#lookThroughAccount(id, signal)
    }
    return { afterMs: SWEEP_MS }
  }

  async #lookThroughAccount(accountId: string, signal: AbortSignal): Promise<void> {
    for await (const page of this.#ports.ledger.pages('operation', { accountId, limit: PAGE })) {
      if (signal.aborted) return
      await this.#lookThrough(page)
    }
  }

  async #lookThrough(operations: readonly Operation[]): Promise<void> {
    const beforeMs = this.#ports.clock.now() - KEPT_MS
    const old = operations.filter(
      ({ state, completedAt }) =>
        isOperationDone({ state }) && completedAt !== undefined && Date.parse(completedAt) < beforeMs,
    )
    if (old.length > 0) await this.#delete(old.slice(0, DELETED_AT_ONCE))
    for (const operation of operations) if (!isOperationDone(operation)) await this.#mind(operation)
  }

  async #delete(operations: readonly Operation[]): Promise<void> {
    try {
      await this.#ports.ledger.commit((changes) => {
        for (const operation of operations) changes.delete('operation', operation)
      })
    } catch (error) {
      // Another node was first.
      if (!isLostRace(error)) throw error
    }
  }

  async #mind(operation: Operation): Promise<void> {
    const { kind, id } = operation.subject
    if (!isRunningKind(kind)) return
    const { ledger, clock } = this.#ports
    const subject = await ledger.find(kind, id)
    if (subject?.operationId === operation.id) {
      this.#ports.wake(kind, id)
      return
    }
    const refusal = new AppError('STATE_CONFLICT', 'Given up: something else was asked for.')
    try {
      await ledger.commit((changes) => endOperation(changes, operation, clock.now(), refusal))
    } catch (error) {
      // It has ended in the meantime.
      if (!isLostRace(error)) throw error
    }
  }
}
