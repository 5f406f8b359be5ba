import { type Asset, assetMachine, withOtherFiles } from '../domain/asset.ts'
import type { ChangeSet } from '../domain/change-set.ts'
import { formatDuration } from '../domain/duration.ts'
import { announce, announceMove } from '../domain/lifecycle.ts'
import type { Operation } from '../domain/operation.ts'
import type { Program } from '../domain/program.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import { transition } from '../domain/state-machine.ts'
import { AppError } from '../lib/errors.ts'
import { endOperation, lastErrorOf, putOutcome } from './outcome.ts'
import type { EndedProgram } from './program-runs.ts'

/** A program with what is written together with it. */
export type ProgramParts = {
  readonly program: Program
  readonly asset: Asset | undefined
  /** What is under way on it. */
  readonly operation: Operation | undefined
}

/** It runs: its asset records. */
export function putStarted(changes: ChangeSet, parts: ProgramParts, startedAtMs: number, nowMs: number): void {
  const { program, asset, operation } = parts
  // One that goes on after a restart has been running since it was started.
  const goesOn = asset?.state === 'Recording' && program.startedAt !== undefined
  const startedAt = goesOn ? program.startedAt : formatTimestamp(startedAtMs)
  const outcome = { state: 'Running', reason: 'completed', ends: operation, fields: { startedAt } } as const
  putOutcome(changes, 'program', program, outcome, nowMs)
  if (!asset || asset.state === 'Recording') return
  const state = transition(assetMachine, asset.state, 'record') as 'Recording'
  const { lastError: _past, ...kept } = asset
  changes.update('asset', { ...kept, state })
  announceMove(changes, 'asset', asset, state, { reason: 'completed' }, nowMs)
}

/** It has stopped: its asset has what was recorded. */
export function putStopped(
  changes: ChangeSet,
  parts: ProgramParts,
  ended: EndedProgram | undefined,
  nowMs: number,
): void {
  const { program, operation } = parts
  const error = ended?.error
  const outcome = {
    state: 'Stopped',
    desiredState: 'Stopped',
    reason: error === undefined ? 'completed' : 'failed',
    error,
    ends: operation,
    refusal: operation && refusal(operation, 'program.stop', 'stopped'),
    fields: { stoppedAt: formatTimestamp(nowMs) },
  } as const
  putOutcome(changes, 'program', program, outcome, nowMs)
  putRecorded(changes, parts.asset, ended, nowMs)
}

/** It is gone; its asset stays. */
export function putDeleted(
  changes: ChangeSet,
  parts: ProgramParts,
  ended: EndedProgram | undefined,
  nowMs: number,
): void {
  const { program, operation } = parts
  changes.delete('program', program)
  announce(changes, 'program.deleted', program, nowMs)
  if (operation) endOperation(changes, operation, nowMs, refusal(operation, 'program.delete', 'deleted'))
  putRecorded(changes, parts.asset, ended, nowMs)
}

/** What becomes of an operation when its entity is stopped or deleted: only the one that asked for it has succeeded. */
function refusal(operation: Operation, asked: string, what: string): AppError | undefined {
  if (operation.action === asked) return undefined
  return new AppError('STATE_CONFLICT', `Given up: the program was ${what}, or its channel.`)
}

function putRecorded(changes: ChangeSet, asset: Asset | undefined, ended: EndedProgram | undefined, nowMs: number) {
  if (asset?.state !== 'Recording') return
  const { error, recorded } = ended ?? {}
  const state = transition(assetMachine, asset.state, error === undefined ? 'completed' : 'failed') as
    | 'Ready'
    | 'Failed'
  // Where nothing is known of what was recorded, what the asset says already is the best there is.
  const media =
    recorded && recorded.tracks.length > 0
      ? { tracks: recorded.tracks, duration: formatDuration(recorded.durationMs) }
      : undefined
  const failure = error === undefined ? {} : { lastError: lastErrorOf(error, nowMs) }
  changes.update('asset', { ...(media ? withOtherFiles(asset) : asset), ...media, ...failure, state })
  announceMove(changes, 'asset', asset, state, { reason: error === undefined ? 'completed' : 'failed' }, nowMs)
}
