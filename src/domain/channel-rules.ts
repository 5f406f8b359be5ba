import { AppError } from '../lib/errors.ts'
import { type Channel, channelMachine, type IngestInput, newStreamKey } from './channel.ts'
import type { RandomBytes } from './kinds.ts'
import type { Program } from './program.ts'
import { transition } from './state-machine.ts'
import { fieldError } from './validation.ts'

/** What a running channel is built from, as JSON pointers: it changes only while the channel is Stopped. */
export const channelFieldsOfStopped = [
  '/input/protocol',
  '/input/keyFrameInterval',
  '/encoding',
  '/latency',
  '/output',
  '/closedCaptions',
] as const

function at(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (node, key) => (typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined),
      value,
    )
}

/**
 * Whether a channel may become `next` in the state that it is in.
 *
 * @throws AppError `STATE_CONFLICT`, with `details.problems` naming what only changes while Stopped.
 */
export function assertChannelChange(current: Channel, next: Channel): void {
  transition(channelMachine, current.state, 'update')
  if (current.state === 'Stopped') return
  const changed = channelFieldsOfStopped.filter(
    (pointer) => JSON.stringify(at(current, pointer)) !== JSON.stringify(at(next, pointer)),
  )
  if (changed.length === 0) return
  const detail = `changes only while the channel is Stopped, and it is ${current.state}`
  throw fieldError(
    'STATE_CONFLICT',
    changed.map((pointer) => ({ pointer, detail })),
    { state: current.state },
  )
}

type ProgramState = Pick<Program, 'id' | 'name' | 'state'>

function inUse(what: string, programs: readonly ProgramState[]): AppError {
  const names = programs.map(({ name }) => name).slice(0, 5)
  const more = programs.length > names.length ? ` and ${programs.length - names.length} more` : ''
  const by = programs.slice(0, 10).map(({ id }) => ({ kind: 'program', id }))
  return new AppError('IN_USE', `${what}: ${names.join(', ')}${more}.`, { details: { by } })
}

/**
 * A stop of the channel: its next state, and the programs that have to be stopped and deleted with it (their assets stay).
 *
 * @throws AppError `STATE_CONFLICT`, or `IN_USE` where programs run and `removePrograms` is not asked for.
 */
export function stopChannel(channel: Channel, programs: readonly ProgramState[], removePrograms: boolean) {
  const state = transition(channelMachine, channel.state, 'stop')
  const active = programs.filter((program) => program.state !== 'Stopped')
  if (active.length > 0 && !removePrograms) throw inUse('Programs of this channel are not stopped', active)
  return { state, remove: removePrograms ? programs.map(({ id }) => id) : [] }
}

/**
 * A deletion of the channel: its next state, and the programs that go with it (their assets stay).
 *
 * @throws AppError `STATE_CONFLICT` where it is not Stopped, or `IN_USE` where it has programs, unless `force` is given.
 */
export function deleteChannel(channel: Channel, programs: readonly ProgramState[], force: boolean) {
  const state = transition(channelMachine, channel.state, force ? 'force-delete' : 'delete')
  if (programs.length > 0 && !force) throw inUse('The channel still has programs', programs)
  return { state, remove: programs.map(({ id }) => id) }
}

/** The channel's keys with one, or both, made anew. @throws AppError `STATE_CONFLICT` while it is being deleted. */
export function rotateStreamKeys(channel: Channel, input: IngestInput | undefined, random: RandomBytes) {
  transition(channelMachine, channel.state, 'rotate-key')
  const { primary, secondary } = channel.streamKeys
  return {
    primary: input === 'secondary' ? primary : newStreamKey(random),
    secondary: input === 'primary' ? secondary : newStreamKey(random),
  }
}
