import { z } from 'zod'
import type { ChangeSet } from '../../domain/change-set.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce, beginOperation, type Move } from '../../domain/lifecycle.ts'
import { type Program, programMachine, startProgram } from '../../domain/program.ts'
import { transition } from '../../domain/state-machine.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { operationAnswer, operationAnswers, recallOperation, waitQuerySchema } from './operations.ts'
import type { ResourceDeps } from './ports.ts'
import { programOf, programPath, programSubject } from './program-deps.ts'

const tag = 'programs'

/** What moves a program through its states; deleting is one of them. */
export function programOperations(deps: ResourceDeps): Route[] {
  return [start(deps), stop(deps), removal(deps)]
}

async function begin(
  deps: ResourceDeps,
  request: RestRequest<z.output<typeof waitQuerySchema>>,
  program: Program,
  changes: ChangeSet,
  move: Move<'program'>,
): Promise<Answer> {
  const { accountId, operationId } = program
  const running = operationId && (await deps.repository.find('operation', operationId, accountId))
  const now = deps.clock.now()
  const begun = beginOperation(
    changes,
    'program',
    program,
    { ...move, running: running || undefined },
    deps.random,
    now,
  )
  const done = await request.commit(changes, { status: 202, id: begun.operationId })
  return operationAnswer(deps, request, done.get(begun.operation))
}

function start(deps: ResourceDeps): Route {
  return route({
    method: 'post',
    path: `${programPath}/start`,
    operationId: 'startProgram',
    summary: 'Start a program on its running channel',
    tag,
    access: { action: 'operate', resource: 'program' },
    query: waitQuerySchema,
    answers: operationAnswers,
    recall: recallOperation(deps),
    async handle(request) {
      const program = await programOf(deps, request)
      const { accountId, channelId } = program
      const [channel, account, siblings] = await Promise.all([
        deps.repository.get('channel', channelId, accountId),
        deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
        deps.repository.referring('program', accountId, { relation: 'channel', id: channelId }),
      ])
      const active = siblings.filter(({ id, state }) => id !== program.id && state !== 'Stopped').length
      const state = startProgram(program, channel, active, account) as Program['state']
      const changes = request.changes('program.start', programSubject(program))
      return begin(deps, request, program, changes, { action: 'program.start', state, desiredState: 'Running' })
    },
  })
}

function stop(deps: ResourceDeps): Route {
  return route({
    method: 'post',
    path: `${programPath}/stop`,
    operationId: 'stopProgram',
    summary: 'Stop a program; what it has recorded stays',
    tag,
    access: { action: 'operate', resource: 'program' },
    query: waitQuerySchema,
    answers: operationAnswers,
    recall: recallOperation(deps),
    async handle(request) {
      const program = await programOf(deps, request)
      const state = transition(programMachine, program.state, 'stop')
      const changes = request.changes('program.stop', programSubject(program))
      return begin(deps, request, program, changes, { action: 'program.stop', state, desiredState: 'Stopped' })
    },
  })
}

/** A Stopped program is gone at once; with `force` one that runs is stopped first, which takes a while. */
function removal(deps: ResourceDeps): Route {
  const force = z.enum(['true', 'false']).optional().meta({ description: 'Also one that runs: it is stopped first.' })
  return route({
    method: 'delete',
    path: programPath,
    operationId: 'deleteProgram',
    summary: 'Delete a program; its asset stays',
    tag,
    access: { action: 'delete', resource: 'program' },
    query: waitQuerySchema.extend({ force }),
    answers: { ...operationAnswers, 204: { description: 'It is gone.' } },
    async handle(request) {
      const program = await programOf(deps, request)
      const operation = request.query.force === 'true' ? 'force-delete' : 'delete'
      const state = transition(programMachine, program.state, operation)
      const changes = request.changes('program.delete', programSubject(program))
      if (program.state === 'Stopped') {
        changes.delete('program', program)
        announce(changes, 'program.deleted', program, deps.clock.now())
        await request.commit(changes)
        return { status: 204 }
      }
      return begin(deps, request, program, changes, { action: 'program.delete', state, desiredState: 'Stopped' })
    },
  })
}
