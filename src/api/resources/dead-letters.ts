import { type DeadLetter, deadLetterSchema } from '../../domain/event-subscription.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import { AppError } from '../../lib/errors.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import {
  type SubscriptionDeps,
  seenSubscription,
  showSubscription,
  subscriptionAnswer,
  subscriptionOf,
  subscriptionPath,
  subscriptionSubject,
} from './subscription-view.ts'

const path = `${subscriptionPath}/dead-letters`
const letterPath = `${path}/{deadLetterId}`
const tag = 'dead-letters'
const answer = { description: 'The dead letter.', schema: deadLetterSchema }

/** Events that could not be delivered, of a subscription. */
export function deadLetterRoutes(deps: SubscriptionDeps): Route[] {
  return [...reading(deps), ...removal(deps), ...replays(deps)]
}

async function letterOf(deps: SubscriptionDeps, request: RestRequest): Promise<DeadLetter> {
  const { subscriptionId, deadLetterId: id = '' } = request.params
  const letter = await deps.repository.get('dead-letter', id, request.accountId)
  if (letter.subscriptionId !== subscriptionId) {
    throw new AppError('ENTITY_NOT_FOUND', `There is no dead letter ${id}.`, { details: { kind: 'dead-letter', id } })
  }
  assertSeen(request.ifMatch, letter)
  return letter
}

const letterSubject = ({ id }: DeadLetter) => ({ kind: 'dead-letter', id }) as const

function reading(deps: SubscriptionDeps): Route[] {
  const access = { action: 'read', resource: 'dead-letter' } as const
  return [
    route({
      method: 'get',
      path,
      operationId: 'listDeadLetters',
      summary: 'List events that could not be delivered',
      tag,
      access,
      query: listQuerySchema.omit({ name: true, namePrefix: true, tag: true }),
      answers: { 200: { description: 'A page of dead letters.', schema: pageSchema(deadLetterSchema, 'DeadLetter') } },
      async handle(request) {
        const { id } = await subscriptionOf(deps, request)
        const reference = { relation: 'subscription', id }
        return listAnswer(deps.repository, 'dead-letter', request, { show: (letter) => letter, reference })
      },
    }),
    route({
      method: 'get',
      path: letterPath,
      operationId: 'getDeadLetter',
      summary: 'Read an event that could not be delivered',
      tag,
      access,
      answers: { 200: answer },
      handle: async (request) => ({ status: 200, body: await letterOf(deps, request) }),
    }),
  ]
}

function removal(deps: SubscriptionDeps): Route[] {
  return [
    route({
      method: 'delete',
      path: letterPath,
      operationId: 'deleteDeadLetter',
      summary: 'Forget an event that could not be delivered',
      tag,
      access: { action: 'delete', resource: 'dead-letter' },
      answers: { 204: { description: 'It is gone.' } },
      async handle(request) {
        const letter = await letterOf(deps, request)
        const changes = request.changes('dead-letter.delete', letterSubject(letter))
        changes.delete('dead-letter', letter)
        await request.commit(changes)
        return { status: 204 }
      },
    }),
  ]
}

/** A replay is asked for in the store; whoever delivers for the subscription sees it there, also after a restart. */
function replays(deps: SubscriptionDeps): Route[] {
  const access = { action: 'operate', resource: 'dead-letter' } as const
  return [
    route({
      method: 'post',
      path: `${letterPath}/replay`,
      operationId: 'replayDeadLetter',
      summary:
        'Try to deliver it again: delivered, it is gone; after five failures `lastAttempt` is later than `replayRequested`',
      tag,
      access,
      answers: { 202: { ...answer, description: 'It is about to be tried.' } },
      async handle(request) {
        const letter = await letterOf(deps, request)
        const changes = request.changes('dead-letter.replay', letterSubject(letter))
        // Later than the last failure, also by the clock of another node.
        const atMs = Math.max(deps.clock.now(), Date.parse(letter.lastAttempt) + 1)
        const handle = changes.update('dead-letter', { ...letter, replayRequested: formatTimestamp(atMs) })
        const done = await request.commit(changes)
        const Location = `/v1/event-subscriptions/${letter.subscriptionId}/dead-letters/${letter.id}`
        return { status: 202, body: done.get(handle), headers: { Location } }
      },
    }),
    route({
      method: 'post',
      path: `${subscriptionPath}/replay`,
      operationId: 'replayDeadLetters',
      summary: 'Try to deliver all of a subscription’s dead letters again',
      tag,
      access,
      answers: { 202: { ...subscriptionAnswer, description: 'They are about to be tried.' } },
      async handle(request) {
        const subscription = await seenSubscription(deps, request)
        const changes = request.changes('event-subscription.replay', subscriptionSubject(subscription))
        const replayRequested = formatTimestamp(deps.clock.now())
        const handle = changes.update('event-subscription', { ...subscription, replayRequested })
        const done = await request.commit(changes)
        const Location = `/v1/event-subscriptions/${subscription.id}`
        return { status: 202, body: showSubscription(done.get(handle)), headers: { Location } }
      },
    }),
  ]
}
