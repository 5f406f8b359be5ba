import type { ChangeSet, Handle } from './change-set.ts'
import type { EntityOf } from './entities.ts'
import { type EventData, type EventType, newEvent } from './events.ts'
import type { Id, RandomBytes } from './kinds.ts'
import { endOperation, isOperationDone, newOperation, type Operation } from './operation.ts'
import type { Problem } from './problem.ts'

/** Kinds that run: operations move them through their states, and the supervisor does the work. */
export type RunningKind = 'channel' | 'program' | 'streaming-endpoint'

/** Why an entity's state moves. */
export type MoveReason = 'requested' | 'schedule' | 'idle' | 'completed' | 'failed' | 'recovery'

type Movable = {
  readonly id: string
  readonly accountId: Id<'account'>
  readonly name: string
  readonly state: string
}

/** Says in the event log that an entity's state moved. */
export function announceMove(
  changes: ChangeSet,
  kind: RunningKind | 'asset',
  entity: Movable,
  to: string,
  why: {
    readonly reason: MoveReason
    readonly operationId?: string | undefined
    readonly error?: { code: string; detail: string }
  },
  nowMs: number,
): void {
  if (entity.state === to) return
  const { operationId, reason, error } = why
  const data = { from: entity.state, to, reason, ...(operationId && { operationId }), ...(error && { error }) }
  // The states of each machine are what its event's schema lists; which machine it is, only the kind says.
  changes.event(newEvent(`${kind}.state-changed`, entity, data as EventData<`${RunningKind}.state-changed`>, nowMs))
}

/** Announces something about an entity that has no more to say than that it happened. */
export function announce(
  changes: ChangeSet,
  type: Extract<EventType, `${string}.created` | `${string}.deleted` | 'channel.reset'>,
  entity: Pick<Movable, 'id' | 'accountId'> & { readonly name?: string | undefined },
  nowMs: number,
): void {
  changes.event(newEvent(type, entity, {}, nowMs))
}

/** What is under way on an entity, to be ended as failed because something else was asked for. */
export function supersede(changes: ChangeSet, running: Operation | undefined, action: string, nowMs: number): void {
  if (!running || isOperationDone(running)) return
  const problem: Problem = {
    type: 'urn:headend:problem:state-conflict',
    title: 'Conflict',
    status: 409,
    detail: `Given up for ${action}.`,
    code: 'STATE_CONFLICT',
  }
  changes.update('operation', withOutcome(running, nowMs, problem))
}

/** The operation, ended; one that was never taken up counts as run. */
export function withOutcome(operation: Operation, nowMs: number, problem?: Problem): Operation {
  const taken = operation.state === 'pending' && !problem ? { ...operation, state: 'running' as const } : operation
  return endOperation(taken, nowMs, problem)
}

/** What is asked of an entity that runs: the operation, and the state that it leads to. */
export type Move<K extends RunningKind> = {
  readonly action: string
  readonly state: EntityOf<K>['state'] | 'Deleted'
  readonly desiredState?: EntityOf<K>['desiredState']
}

/** Puts an operation on an entity into a change set, and the entity into the state that it leads to. `running` is given up. */
export function beginOperation<K extends RunningKind>(
  changes: ChangeSet,
  kind: K,
  entity: EntityOf<K>,
  { action, state, desiredState, running }: Move<K> & { readonly running: Operation | undefined },
  random: RandomBytes,
  nowMs: number,
): { readonly operation: Handle<'operation'>; readonly entity: Handle<K>; readonly operationId: string } {
  supersede(changes, running, action, nowMs)
  const subject = { kind, id: entity.id, name: entity.name }
  const draft = newOperation(action, subject, entity.accountId, random)
  const operation = changes.create('operation', draft)
  const moved = { ...entity, state, operationId: draft.id, ...(desiredState && { desiredState }) }
  announceMove(changes, kind, entity, state, { reason: 'requested', operationId: draft.id }, nowMs)
  return { operation, entity: changes.update(kind, moved as EntityOf<K>), operationId: draft.id }
}
