import type { ChangeSet } from '../domain/change-set.ts'
import type { EntityOf } from '../domain/entities.ts'
import { announceMove, type MoveReason, type RunningKind, withOutcome } from '../domain/lifecycle.ts'
import type { Operation } from '../domain/operation.ts'
import { explain, type Problem } from '../domain/problem.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import { STATUS_CODES } from '../lib/http.ts'

/** What has become of an entity that runs, to be written in one transaction with its event and the end of its operation. */
export type Outcome<K extends RunningKind> = {
  readonly state: EntityOf<K>['state']
  readonly reason: MoveReason
  readonly desiredState?: EntityOf<K>['desiredState']
  /** What went wrong. Without it, what went wrong before is forgotten; `unchanged` leaves that as it is. */
  readonly error?: unknown
  /** The operation that is over with this: failed, where there is an error. */
  readonly ends?: Operation | undefined
  /** Why that operation has failed though nothing went wrong with the entity. */
  readonly refusal?: unknown
  readonly fields?: Partial<EntityOf<K>>
}

/** The value of `Outcome.error` that leaves `lastError` as it is. */
export const unchanged = Symbol('unchanged')

/** The problem document (RFC 9457 §3.1) of what made an operation fail. */
export function problemOf(error: unknown): Problem {
  const { code, detail, status } = explain(error)
  const type = code === 'INTERNAL' ? 'about:blank' : `urn:headend:problem:${code.toLowerCase().replaceAll('_', '-')}`
  return { type, title: STATUS_CODES[status] ?? 'Error', status, detail, code }
}

/** An error as it is kept with the entity that it befell. */
export function lastErrorOf(error: unknown, nowMs: number) {
  const { code, detail } = explain(error)
  return { code, detail, time: formatTimestamp(nowMs) }
}

/** Ends an operation: failed, where there is an error. */
export function endOperation(changes: ChangeSet, operation: Operation, nowMs: number, error?: unknown): void {
  changes.update('operation', withOutcome(operation, nowMs, error === undefined ? undefined : problemOf(error)))
}

/** Puts what has become of an entity into a change set. */
export function putOutcome<K extends RunningKind>(
  changes: ChangeSet,
  kind: K,
  entity: EntityOf<K>,
  outcome: Outcome<K>,
  nowMs: number,
): void {
  const { state, reason, desiredState, ends, fields } = outcome
  const error = outcome.error === unchanged ? undefined : outcome.error
  const { code, detail } = explain(error)
  const told = error === undefined ? {} : { error: { code, detail } }
  const { lastError, ...rest } = entity as EntityOf<'channel'>
  const failure = error === undefined ? {} : { lastError: lastErrorOf(error, nowMs) }
  const next = {
    ...rest,
    ...(outcome.error === unchanged ? lastError && { lastError } : failure),
    state,
    ...(desiredState && { desiredState }),
    ...(ends && { operationId: undefined }),
    ...fields,
  }
  // Which fields there are, the kind decides; all three kinds have the ones that are touched here.
  changes.update(kind, next as EntityOf<K>)
  announceMove(changes, kind, entity, state, { reason, operationId: ends?.id, ...told }, nowMs)
  if (ends) endOperation(changes, ends, nowMs, error ?? outcome.refusal)
}
