import { assertQuota } from '../../domain/account.ts'
import {
  type EventSubscription,
  eventSubscriptionCreateSchema,
  eventSubscriptionPatchSchema,
  eventSubscriptionSchema,
  eventSubscriptionViewSchema,
  newEventSubscription,
  newSubscriptionSecret,
} from '../../domain/event-subscription.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type Route, route } from '../rest/route.ts'
import { deadLetterRoutes } from './dead-letters.ts'
import {
  assertTarget,
  type SubscriptionDeps,
  seenSubscription,
  showSubscription,
  subscriptionAnswer,
  subscriptionPath,
  subscriptionSubject,
} from './subscription-view.ts'

const path = '/v1/event-subscriptions'
const tag = 'event-subscriptions'

const description = `Every event that matches is posted to \`url\` as JSON, the same document as \`GET /v1/events\` gives, from the creation of the
subscription on, at least once, and in order for each entity. Any answer 2xx within the time limit is a delivery; redirects are not
followed. What fails is tried again, after 1 s at first and up to 10 min, 27 times in about 3 hours; then it is a dead letter, and
later events about the entity follow. What happens while a subscription is disabled is delivered when it is enabled again, as far as
events are kept. URLs that lead to private or local addresses are refused unless the server is configured otherwise.

Each request has \`Headend-Event-Id\`, \`Headend-Event-Type\`, \`Headend-Delivery-Attempt\` (from 1) and
\`Headend-Signature: t=<unix seconds>,v1=<hex>\`. To verify: compute HMAC-SHA-256 with the secret over \`<t>.<body>\`, the body's bytes as
they came, compare its lower-case hex with \`v1\` in constant time, and refuse where \`t\` is more than five minutes off. An event that
comes twice has the same id.`

/** `/v1/event-subscriptions`, with their dead letters. */
export function eventSubscriptionRoutes(deps: SubscriptionDeps): Route[] {
  return [...collection(deps), ...single(deps), ...deadLetterRoutes(deps)]
}

function created(subscription: EventSubscription): Answer {
  return { status: 201, body: subscription, headers: { Location: `${path}/${subscription.id}` } }
}

function collection(deps: SubscriptionDeps): Route[] {
  return [
    route({
      method: 'get',
      path,
      operationId: 'listEventSubscriptions',
      summary: 'List event subscriptions',
      tag,
      access: { action: 'read', resource: 'event-subscription' },
      query: listQuerySchema,
      answers: {
        200: {
          description: 'A page of subscriptions.',
          schema: pageSchema(eventSubscriptionViewSchema, 'EventSubscription'),
        },
      },
      handle: (request) => listAnswer(deps.repository, 'event-subscription', request, { show: showSubscription }),
    }),
    route({
      method: 'post',
      path,
      operationId: 'createEventSubscription',
      summary: 'Have events posted to a URL',
      description,
      tag,
      access: { action: 'create', resource: 'event-subscription' },
      body: eventSubscriptionCreateSchema,
      answers: {
        201: { description: 'The subscription, with its secret.', schema: eventSubscriptionViewSchema },
      },
      async handle(request) {
        const { accountId, body } = request
        assertTarget(body.url, deps)
        const [account, used] = await Promise.all([
          deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
          deps.repository.count('event-subscription', accountId),
        ])
        assertQuota(account, 'eventSubscriptions', used)
        const draft = newEventSubscription(body, accountId, deps.random)
        const changes = request.changes('event-subscription.create', subscriptionSubject(draft))
        const handle = changes.create('event-subscription', draft)
        const done = await request.commit(changes, { status: 201, id: draft.id })
        return created(done.get(handle))
      },
      recall: async (request, { id }) =>
        created(await deps.repository.get('event-subscription', id, request.accountId)),
    }),
  ]
}

function single(deps: SubscriptionDeps): Route[] {
  return [
    route({
      method: 'get',
      path: subscriptionPath,
      operationId: 'getEventSubscription',
      summary: 'Read an event subscription',
      tag,
      access: { action: 'read', resource: 'event-subscription' },
      answers: { 200: subscriptionAnswer },
      handle: async (request) => ({ status: 200, body: showSubscription(await seenSubscription(deps, request)) }),
    }),
    route({
      method: 'patch',
      path: subscriptionPath,
      operationId: 'updateEventSubscription',
      summary: 'Change an event subscription; what is on its way to another URL is called back',
      tag,
      access: { action: 'update', resource: 'event-subscription' },
      body: eventSubscriptionPatchSchema,
      answers: { 200: subscriptionAnswer },
      async handle(request) {
        const subscription = await seenSubscription(deps, request)
        const next = patched(eventSubscriptionSchema, eventSubscriptionPatchSchema, subscription, request.body)
        if (next.url !== subscription.url) assertTarget(next.url, deps)
        const fields = changedFields(subscription, next)
        if (fields.length === 0) return { status: 200, body: showSubscription(subscription) }
        const changes = request.changes('event-subscription.update', subscriptionSubject(subscription), fields)
        const handle = changes.update('event-subscription', next)
        const done = await request.commit(changes)
        return { status: 200, body: showSubscription(done.get(handle)) }
      },
    }),
    route({
      method: 'delete',
      path: subscriptionPath,
      operationId: 'deleteEventSubscription',
      summary: 'Delete an event subscription with its dead letters; nothing more is posted',
      tag,
      access: { action: 'delete', resource: 'event-subscription' },
      answers: { 204: { description: 'It is gone.' } },
      async handle(request) {
        const subscription = await seenSubscription(deps, request)
        const changes = request.changes('event-subscription.delete', subscriptionSubject(subscription))
        changes.delete('event-subscription', subscription)
        await request.commit(changes)
        return { status: 204 }
      },
    }),
    route({
      method: 'post',
      path: `${subscriptionPath}/rotate-secret`,
      operationId: 'rotateEventSubscriptionSecret',
      summary: 'Make the secret anew; what is posted from now on is signed with it',
      tag,
      access: { action: 'rotate-secret', resource: 'event-subscription' },
      answers: { 200: { description: 'The subscription, with its new secret.', schema: eventSubscriptionViewSchema } },
      async handle(request) {
        const subscription = await seenSubscription(deps, request)
        const secret = newSubscriptionSecret(deps.random)
        const subject = subscriptionSubject(subscription)
        const changes = request.changes('event-subscription.rotate-secret', subject, ['/secret'])
        const handle = changes.update('event-subscription', { ...subscription, secret })
        const done = await request.commit(changes)
        return { status: 200, body: done.get(handle) }
      },
    }),
  ]
}
