import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import type { Account } from './account.ts'
import { assertQuota } from './account.ts'
import { storageEncryptionSchema } from './asset.ts'
import type { Channel } from './channel.ts'
import { durationMs } from './duration.ts'
import { type Draft, envelope, labels, lastErrorSchema, operationIdSchema, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { durationSchema, timestampSchema } from './scalars.ts'
import { defineMachine, transition } from './state-machine.ts'
import { fieldError } from './validation.ts'

/** The life of a program. */
export const programMachine = defineMachine({
  kind: 'program',
  states: ['Stopped', 'Starting', 'Running', 'Stopping', 'Deleting', 'Deleted'],
  initial: 'Stopped',
  operations: {
    start: { from: ['Stopped'], to: 'Starting' },
    stop: { from: ['Starting', 'Running'], to: 'Stopping' },
    update: { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'unchanged' },
    configure: { from: ['Stopped'], to: 'unchanged' },
    delete: { from: ['Stopped'], to: 'Deleting' },
    'force-delete': { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'Deleting' },
  },
  outcomes: {
    Starting: { completed: 'Running', failed: 'Stopped' },
    Running: { failed: 'Starting' },
    Stopping: { completed: 'Stopped', failed: 'Stopped' },
    Deleting: { completed: 'Deleted', failed: 'Stopped' },
  },
})

/** Where a program stands in its life. */
export type ProgramState = (typeof programMachine.states)[number]

const MINUTE_MS = 60_000
const MAX_WINDOW_MS = 25 * 3_600_000

/** The name in `/{locatorId}/{manifestName}.ism/manifest`; compared without regard to case. */
const manifestName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits and . _ -')
  .meta({ description: 'The name in /{locatorId}/{manifestName}.ism/manifest.', example: 'manifest' })

const changeable = {
  ...labels,
  archiveWindow: z
    .union(
      [durationSchema(MINUTE_MS, MAX_WINDOW_MS, 'Or `unlimited`.', 14_400_000), z.literal('unlimited')],
      'must be a duration from PT1M to PT25H, or unlimited',
    )
    .default('PT25H')
    .meta({
      description:
        'How much is kept while it runs: what is older is discarded, a minute or so at a time. What is there when the program stops is the recording.',
      example: 'PT4H',
    }),
  rewindWindow: durationSchema(MINUTE_MS, MAX_WINDOW_MS, 'How far back viewers may rewind.', 300_000).default('PT5M'),
  startAt: timestampSchema.optional().meta({ description: 'Starts by itself then.' }),
  stopAt: timestampSchema.optional().meta({ description: 'Stops by itself then.' }),
}

type Settings = {
  readonly archiveWindow: string
  readonly rewindWindow: string
  readonly startAt?: string | undefined
  readonly stopAt?: string | undefined
}

function check(value: Settings, context: z.RefinementCtx): void {
  const report = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  if (value.archiveWindow !== 'unlimited' && durationMs(value.rewindWindow) > durationMs(value.archiveWindow)) {
    report('rewindWindow', 'must not be longer than the archive window')
  }
  if (value.startAt && value.stopAt && Date.parse(value.stopAt) <= Date.parse(value.startAt)) {
    report('stopAt', 'must be later than startAt')
  }
}

/** What a client states to make a program. */
export const programCreateSchema = z
  .strictObject({
    ...changeable,
    manifestName: manifestName.default('manifest'),
    channelId: idSchema('channel'),
    assetId: idSchema('asset').optional().meta({ description: 'An Empty asset; made if not given.' }),
    storageEncryption: storageEncryptionSchema
      .optional()
      .meta({ description: 'Of the asset that is made: `none` if not given. An asset that is given has its own.' }),
  })
  .superRefine(check)
  .superRefine(({ assetId, storageEncryption }, context) => {
    if (assetId === undefined || storageEncryption === undefined) return
    const message = 'is what the asset that is given has: leave it out'
    context.addIssue({ code: 'custom', path: ['storageEncryption'], message })
  })
  .meta({
    id: 'ProgramCreate',
    description: 'A new program, Stopped.',
    example: { name: 'evening-news', channelId: 'ch_4fZ0mTq2LrX8bNcVdKs1Ye', archiveWindow: 'PT4H' },
  })

/** What may change of a program; `manifestName` and the windows only while it is Stopped. */
export const programPatchSchema = patchOf(
  z.strictObject({ ...changeable, manifestName: manifestName.default('manifest') }),
).meta({
  id: 'ProgramPatch',
  description: 'A merge patch of a program. Its manifest name and archive window change only when Stopped.',
  example: { stopAt: '2026-11-02T22:00:00Z' },
})

/** A program: a recorded presentation cut from a channel. */
export const programSchema = z
  .strictObject({
    ...envelope('program'),
    ...owned,
    ...changeable,
    manifestName: manifestName.default('manifest'),
    channelId: idSchema('channel'),
    assetId: idSchema('asset'),
    state: z.enum(programMachine.states).exclude(['Deleted']),
    desiredState: z.enum(['Running', 'Stopped']).meta({ description: 'What the program is meant to be.' }),
    operationId: operationIdSchema,
    startedAt: timestampSchema.optional().meta({ description: 'When it was last started.' }),
    stoppedAt: timestampSchema.optional().meta({ description: 'When it last stopped.' }),
    lastError: lastErrorSchema.optional(),
  })
  .superRefine(check)
  .meta({ id: 'Program', description: 'Cuts a recorded presentation from a channel into an asset.' })

/** A program as it is stored and shown. */
export type Program = z.output<typeof programSchema>

/** A new program, Stopped; the asset is the one given or the one that was made for it. */
export function newProgram(
  { storageEncryption: _ofAsset, ...given }: Omit<z.output<typeof programCreateSchema>, 'assetId'>,
  assetId: Id<'asset'>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Program> {
  const state = programMachine.initial
  return { id: newId('program', random), accountId, ...given, assetId, state, desiredState: 'Stopped' }
}

/** @throws AppError `STATE_CONFLICT`, with `details.problems`, for what only changes while the program is Stopped. */
export function assertProgramChange(current: Program, next: Program): void {
  transition(programMachine, current.state, 'update')
  if (current.state === 'Stopped') return
  const changed = (['manifestName', 'archiveWindow'] as const).filter((key) => current[key] !== next[key])
  if (changed.length === 0) return
  const detail = `changes only while the program is Stopped, and it is ${current.state}`
  throw fieldError(
    'STATE_CONFLICT',
    changed.map((key) => ({ pointer: `/${key}`, detail })),
    { state: current.state },
  )
}

/**
 * The state of a program that is started; `activeOnChannel` counts those of its channel that are not Stopped.
 *
 * @throws AppError `STATE_CONFLICT` where the program is not Stopped or the channel not Running; `QUOTA_EXCEEDED`.
 */
export function startProgram(
  program: Program,
  channel: Pick<Channel, 'state' | 'name'>,
  activeOnChannel: number,
  account: Account,
): ProgramState {
  const state = transition(programMachine, program.state, 'start')
  if (channel.state !== 'Running') {
    const message = `The channel ${channel.name} is ${channel.state}: a program starts on a Running channel.`
    throw new AppError('STATE_CONFLICT', message, { details: { kind: 'channel', state: channel.state } })
  }
  assertQuota(account, 'programsPerChannel', activeOnChannel)
  return state
}

type Schedule = Pick<Program, 'state' | 'startAt' | 'stopAt' | 'startedAt'>

/**
 * What the schedule asks for now. Each of its times acts once: who stops a program by hand after its `startAt` finds it
 * stay stopped, and one started by hand after its `stopAt` goes on.
 */
export function dueOperation(program: Schedule, nowMs: number): 'start' | 'stop' | undefined {
  const [startMs, stopMs, startedMs] = [program.startAt, program.stopAt, program.startedAt].map((text) =>
    text === undefined ? undefined : Date.parse(text),
  )
  const passed = (ms: number | undefined) => ms !== undefined && ms <= nowMs
  const startedBefore = (ms: number | undefined) => startedMs === undefined || startedMs < (ms ?? 0)
  if (program.state === 'Stopped') {
    return passed(startMs) && !passed(stopMs) && startedBefore(startMs) ? 'start' : undefined
  }
  const isActive = program.state === 'Starting' || program.state === 'Running'
  return isActive && passed(stopMs) && startedBefore(stopMs) ? 'stop' : undefined
}
