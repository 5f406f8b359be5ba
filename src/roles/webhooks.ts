import { WebhookDelivery } from '../events/webhook-delivery.ts'
import { WebhookSender } from '../events/webhook-sender.ts'
import { WebhookTargets } from '../events/webhook-target.ts'
import type { Scope } from '../lib/scope.ts'
import type { ControlPlane } from './control-plane.ts'
import type { House } from './house.ts'

/** Begins to deliver events to the webhooks of every account; the scope's to stop. */
export function openWebhooks(
  { clock, config, logger, metrics }: Pick<House, 'clock' | 'config' | 'logger' | 'metrics'>,
  { changes, feed, store }: Pick<ControlPlane, 'changes' | 'feed' | 'store'>,
  scope: Scope,
): void {
  const { allowPrivateTargets, webhookConcurrency, webhookTimeout } = config.events
  const targets = new WebhookTargets({ allowPrivate: allowPrivateTargets })
  const sender = new WebhookSender({ targets, clock, timeoutMs: webhookTimeout })
  const delivery = new WebhookDelivery({
    store,
    feed,
    changes,
    sender,
    clock,
    logger,
    observer: metrics.events,
    jitter: Math.random,
    concurrency: webhookConcurrency,
  })
  scope.own('webhooks', delivery)
}
