import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { eventFilterShape } from './event-filter.ts'
import { eventSchema } from './events.ts'
import { type Id, idSchema, newId, newSecret, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { httpUrlSchema, timestampSchema } from './scalars.ts'

const settings = {
  ...labels,
  url: httpUrlSchema.meta({ description: 'Where events are posted.', example: 'https://example.com/hooks/headend' }),
  enabled: z.boolean().default(true),
  ...eventFilterShape,
}

const secret = z
  .string()
  .min(16)
  .max(256)
  .meta({ description: 'What deliveries are signed with (HMAC-SHA-256). Shown once.' })

/** What a client states to be told of events. */
export const eventSubscriptionCreateSchema = z.strictObject({ ...settings, secret: secret.optional() }).meta({
  id: 'EventSubscriptionCreate',
  description: 'A new subscription; its secret is made if not given, and shown once.',
  example: { name: 'ops', url: 'https://example.com/hooks/headend', types: ['channel.*'] },
})

/** What may change of a subscription; its secret by `rotate-secret`. */
export const eventSubscriptionPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'EventSubscriptionPatch',
  description: 'A merge patch of a subscription.',
  example: { enabled: false },
})

const replayRequested = timestampSchema
  .optional()
  .meta({ description: 'When somebody last asked for a replay: what failed before that is tried again.' })

const shown = { ...envelope('event-subscription'), ...owned, ...settings, replayRequested }

/** A subscription as it is stored. */
export const eventSubscriptionSchema = z.strictObject({ ...shown, secret })

/** A subscription as it is shown; `secret` only in the answer that made it. */
export const eventSubscriptionViewSchema = z
  .strictObject({ ...shown, secret: secret.optional() })
  .meta({ id: 'EventSubscription', description: 'Posts events to a URL, signed, at least once, in order per entity.' })

/** A subscription as it is stored. */
export type EventSubscription = z.output<typeof eventSubscriptionSchema>

const SECRET_BYTES = 32

/** A new secret to sign deliveries with. */
export function newSubscriptionSecret(random: RandomBytes): string {
  return newSecret(SECRET_BYTES, random)
}

/** A new subscription. */
export function newEventSubscription(
  given: z.output<typeof eventSubscriptionCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<EventSubscription> {
  const id = newId('event-subscription', random)
  return { id, accountId, ...given, secret: given.secret ?? newSubscriptionSecret(random) }
}

/** An event that could not be delivered, kept until it is replayed or deleted. */
export const deadLetterSchema = z
  .strictObject({
    ...envelope('dead-letter'),
    ...owned,
    subscriptionId: idSchema('event-subscription'),
    event: eventSchema,
    attempts: z.int().min(1),
    lastAttempt: timestampSchema,
    lastStatus: z.int().min(100).max(599).optional().meta({ description: 'What the receiver answered, if it did.' }),
    detail: z.string().max(1_024).meta({ description: 'Why the last attempt failed.' }),
    replayRequested,
  })
  .meta({ id: 'DeadLetter', description: 'An event that could not be delivered.' })

/** A dead letter as it is stored and shown. */
export type DeadLetter = z.output<typeof deadLetterSchema>

/** Whether a dead letter waits to be tried again: somebody asked for it, or for all of the subscription's, after it had failed. */
export function isReplayDue(
  letter: Pick<DeadLetter, 'lastAttempt' | 'replayRequested'>,
  subscription: Pick<EventSubscription, 'replayRequested'>,
): boolean {
  const failedMs = Date.parse(letter.lastAttempt)
  return [letter.replayRequested, subscription.replayRequested].some(
    (requested) => requested !== undefined && Date.parse(requested) > failedMs,
  )
}

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 600_000
/** After so many an event is a dead letter: with the delays between them, after about 3 hours. */
export const MAX_DELIVERY_ATTEMPTS = 27

/** A dead letter that is replayed goes back to the list after so many: somebody waits to see whether it works now. */
export const MAX_REPLAY_ATTEMPTS = 5

/** How long to wait after the nth failed attempt (from 1): doubling from 1 s to 10 min, spread by `jitter` (0 to 1) over the last fifth. */
export function deliveryDelayMs(failedAttempts: number, jitter: number): number {
  const doubled = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(30, Math.max(0, failedAttempts - 1)))
  return Math.round(doubled * (0.8 + 0.2 * jitter))
}
