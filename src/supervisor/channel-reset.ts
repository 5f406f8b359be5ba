import type { ChangeSet } from '../domain/change-set.ts'
import type { Channel } from '../domain/channel.ts'
import { announce } from '../domain/lifecycle.ts'
import type { Operation } from '../domain/operation.ts'
import { putOutcome, unchanged } from './outcome.ts'
import type { RunningChannel } from './ports.ts'

/** The reset of a channel that runs: carried out once per operation, and remembered until the store knows. */
export class ChannelReset {
  #done: { readonly operationId: string; readonly error?: unknown } | undefined

  /** Whether it was carried out for this operation; what is left is to write it. */
  isDone(operation: Operation): boolean {
    return this.#done?.operationId === operation.id
  }

  /** Never rejects; gives what went wrong. */
  async carryOut(operation: Operation, running: RunningChannel): Promise<unknown> {
    const operationId = operation.id
    try {
      await running.reset()
      this.#done = { operationId }
      return undefined
    } catch (error) {
      this.#done = { operationId, error }
      return error
    }
  }

  /** What has come of it: where it failed the operation has failed, and the channel runs on. */
  put(changes: ChangeSet, channel: Channel, operation: Operation, nowMs: number): void {
    const refusal = this.#done?.error
    const outcome = { state: 'Running', reason: 'completed', error: unchanged, ends: operation, refusal } as const
    putOutcome(changes, 'channel', channel, outcome, nowMs)
    if (refusal === undefined) announce(changes, 'channel.reset', channel, nowMs)
  }
}

/** A channel that was to be reset and was started anew instead has been reset by that. */
export function putResetByStart(changes: ChangeSet, channel: Channel, operation: Operation, nowMs: number): void {
  putOutcome(changes, 'channel', channel, { state: 'Running', reason: 'completed', ends: operation }, nowMs)
  announce(changes, 'channel.reset', channel, nowMs)
}
