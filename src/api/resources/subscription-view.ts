import { URL } from 'node:url'
import { type EventSubscription, eventSubscriptionViewSchema } from '../../domain/event-subscription.ts'
import { isPublicAddress } from '../../domain/public-address.ts'
import { fieldError } from '../../domain/validation.ts'
import { assertSeen } from '../rest/etag.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

/** What event subscriptions need beside what every resource does. */
export type SubscriptionDeps = ResourceDeps & {
  /** Whether webhooks may be posted to addresses that are not public. */
  readonly allowPrivateTargets: boolean
}

/** Where one subscription is found. */
export const subscriptionPath = '/v1/event-subscriptions/{subscriptionId}'

/** The documented answer that is a subscription. */
export const subscriptionAnswer = { description: 'The subscription.', schema: eventSubscriptionViewSchema }

/** The subscription of a request's path. */
export async function subscriptionOf(
  { repository }: Pick<ResourceDeps, 'repository'>,
  request: RestRequest,
): Promise<EventSubscription> {
  return repository.get('event-subscription', request.params['subscriptionId'] ?? '', request.accountId)
}

/** The same, as the client has seen it where it says so. */
export async function seenSubscription(deps: ResourceDeps, request: RestRequest): Promise<EventSubscription> {
  const subscription = await subscriptionOf(deps, request)
  assertSeen(request.ifMatch, subscription)
  return subscription
}

/** A subscription as audit records name it. */
export function subscriptionSubject({ id, name }: Pick<EventSubscription, 'id' | 'name'>) {
  return { kind: 'event-subscription', id, name } as const
}

/** A subscription as it is shown, without its secret. */
export function showSubscription(subscription: EventSubscription) {
  const { secret: _secret, ...shown } = subscription
  return shown
}

/**
 * That a URL doesn't name an address that nothing would be posted to. A host name is looked up at every delivery instead.
 *
 * @throws AppError `ENTITY_INVALID`
 */
export function assertTarget(url: string, { allowPrivateTargets }: SubscriptionDeps): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const isAddress = /^[\d.]+$|:/.test(host)
  if (allowPrivateTargets || (isAddress ? isPublicAddress(host) : !/(^|\.)localhost$/.test(host))) return
  throw fieldError('ENTITY_INVALID', [{ pointer: '/url', detail: `${host} is not a public address` }])
}
