import { z } from 'zod'
import { assertQuota } from '../../domain/account.ts'
import type { ChangeSet } from '../../domain/change-set.ts'
import { type Channel, channelMachine, channelStopSchema } from '../../domain/channel.ts'
import { deleteChannel, stopChannel } from '../../domain/channel-rules.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce, beginOperation, type Move } from '../../domain/lifecycle.ts'
import type { Program } from '../../domain/program.ts'
import { transition } from '../../domain/state-machine.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { type ChannelDeps, channelOf, channelPath, channelSubject } from './channel-deps.ts'
import { operationAnswer, operationAnswers, recallOperation, waitQuerySchema } from './operations.ts'

const tag = 'channels'
/** What a transaction has room for; more programs are deleted one by one. */
const MAX_DELETED_AT_ONCE = 40

function programsOf(deps: ChannelDeps, channel: Channel): Promise<Program[]> {
  return deps.repository.referring('program', channel.accountId, { relation: 'channel', id: channel.id })
}

/** A Stopped channel is gone at once; with `force` one that runs, or has many programs, takes a while. */
function removal(deps: ChannelDeps): Route {
  const force = z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'Also a channel that runs or has programs: it is stopped, they are deleted, assets stay.' })
  return route({
    method: 'delete',
    path: channelPath,
    operationId: 'deleteChannel',
    summary: 'Delete a channel',
    tag,
    access: { action: 'delete', resource: 'channel' },
    query: waitQuerySchema.extend({ force }),
    answers: { ...operationAnswers, 204: { description: 'It is gone.' } },
    async handle(request) {
      const channel = await channelOf(deps, request)
      const programs = await programsOf(deps, channel)
      const { state } = deleteChannel(channel, programs, request.query.force === 'true')
      const changes = request.changes('channel.delete', channelSubject(channel))
      const isAtRest = channel.state === 'Stopped' && programs.every((program) => program.state === 'Stopped')
      if (isAtRest && programs.length <= MAX_DELETED_AT_ONCE) {
        deleteChannelNow(changes, channel, programs, deps.clock.now())
        await request.commit(changes)
        return { status: 204 }
      }
      return begin(deps, request, channel, changes, { action: 'channel.delete', state, desiredState: 'Stopped' })
    },
  })
}

/** A channel of which nothing runs, and its programs, which are Stopped too. */
function deleteChannelNow(changes: ChangeSet, channel: Channel, programs: readonly Program[], nowMs: number): void {
  for (const program of programs) {
    changes.delete('program', program)
    announce(changes, 'program.deleted', program, nowMs)
  }
  changes.delete('channel', channel)
  announce(changes, 'channel.deleted', channel, nowMs)
}

async function begin(
  deps: ChannelDeps,
  request: RestRequest<z.output<typeof waitQuerySchema>>,
  channel: Channel,
  changes: ChangeSet,
  move: Move<'channel'>,
): Promise<Answer> {
  const running =
    channel.operationId && (await deps.repository.find('operation', channel.operationId, channel.accountId))
  const begun = beginOperation(
    changes,
    'channel',
    channel,
    { ...move, running: running || undefined },
    deps.random,
    deps.clock.now(),
  )
  const done = await request.commit(changes, { status: 202, id: begun.operationId })
  return operationAnswer(deps, request, done.get(begun.operation))
}

/** What moves a channel through its states; deleting is one of them. */
export function channelOperations(deps: ChannelDeps): Route[] {
  const access = { action: 'operate', resource: 'channel' } as const
  const query = waitQuerySchema
  const answers = operationAnswers
  const recall = recallOperation(deps)
  return [
    route({
      method: 'post',
      path: `${channelPath}/start`,
      operationId: 'startChannel',
      summary: 'Start a channel',
      tag,
      access,
      query,
      answers,
      recall,
      async handle(request) {
        const channel = await channelOf(deps, request)
        const state = transition(channelMachine, channel.state, 'start')
        const account = await deps.repository.get('account', channel.accountId, SYSTEM_ACCOUNT)
        const others = await Array.fromAsync(deps.repository.each('channel', { accountId: channel.accountId }))
        assertQuota(account, 'runningChannels', others.filter((other) => other.state !== 'Stopped').length)
        const changes = request.changes('channel.start', channelSubject(channel))
        return begin(deps, request, channel, changes, { action: 'channel.start', state, desiredState: 'Running' })
      },
    }),
    route({
      method: 'post',
      path: `${channelPath}/stop`,
      operationId: 'stopChannel',
      summary: 'Stop a channel',
      tag,
      access,
      query,
      body: channelStopSchema,
      bodyOptional: true,
      answers,
      recall,
      async handle(request) {
        const channel = await channelOf(deps, request)
        const { removeProgramsOnStop } = request.body
        const programs = await programsOf(deps, channel)
        const { state } = stopChannel(channel, programs, removeProgramsOnStop)
        const changes = request.changes('channel.stop', channelSubject(channel))
        const action = removeProgramsOnStop ? 'channel.stop-and-remove-programs' : 'channel.stop'
        return begin(deps, request, channel, changes, { action, state, desiredState: 'Stopped' })
      },
    }),
    route({
      method: 'post',
      path: `${channelPath}/reset`,
      operationId: 'resetChannel',
      summary: 'Drop the live edge and have the encoder connect anew',
      tag,
      access,
      query,
      answers,
      recall,
      async handle(request) {
        const channel = await channelOf(deps, request)
        const state = transition(channelMachine, channel.state, 'reset')
        const changes = request.changes('channel.reset', channelSubject(channel))
        return begin(deps, request, channel, changes, { action: 'channel.reset', state })
      },
    }),
    removal(deps),
  ]
}
