import { randomBytes } from 'node:crypto'
import { WebhookTargets } from '../events/webhook-target.ts'
import { AddressAllowance } from '../keys/address-allowance.ts'
import { DeliveryReports } from '../keys/delivery-reports.ts'
import { GrantCache } from '../keys/grant-cache.ts'
import { FetchedIssuerKeys } from '../keys/issuer-keys.ts'
import { KeyAuthority } from '../keys/key-authority.ts'
import { KeyDoor } from '../keys/key-door.ts'
import type { KeyDoorObserver } from '../keys/key-door-request.ts'
import { LicenceDoor } from '../keys/licence-door.ts'
import { LicenceProxy } from '../keys/licence-proxy.ts'
import { TokenVerifier } from '../keys/token-verifier.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Scope } from '../lib/scope.ts'
import type { KeyDesk } from '../origin/ports.ts'
import { GuardedFetch } from './guarded-fetch.ts'
import type { HouseCalls } from './house-calls.ts'
import { decodeGrant } from './key-grants.ts'
import type { OriginKeyOptions } from './origin-messages.ts'

type OriginKeyPorts = {
  readonly calls: Pick<HouseCalls, 'contentKey' | 'keyReports'>
  readonly counter: { key(delivery: string, outcome: string): void }
  readonly logger: Logger
  readonly clock?: Clock
}

/** What an origin thread knows of content keys: asked of the node, and forgotten when something changes. */
export function openGrants(calls: Pick<HouseCalls, 'contentKey'>): GrantCache {
  return new GrantCache(async (keyId) => {
    const found = await calls.contentKey(keyId)
    return found && decodeGrant(found)
  })
}

/** Key delivery in an origin thread; what it starts is the scope's to stop. */
export function openOriginKeys(
  options: OriginKeyOptions,
  grants: GrantCache,
  { calls, counter, logger, clock = systemClock }: OriginKeyPorts,
  scope: Scope,
): KeyDesk {
  const fetch = new GuardedFetch(new WebhookTargets({ allowPrivate: options.allowPrivateIssuers }))
  const issuers = new FetchedIssuerKeys(
    { fetch: (url, limits) => fetch.text(url, limits), clock, logger },
    { timeoutMs: options.issuerTimeoutMs, freshMs: options.issuerFreshMs },
  )
  scope.own('issuer keys', issuers)
  const reports = new DeliveryReports(clock, (list) => {
    calls.keyReports(list).catch((error: unknown) => {
      // The last ones were sent; nobody waits for the node to say that it has them.
      if (error instanceof AppError && error.code === 'STOPPED') return
      logger.warn({ error: messageOf(error) }, 'what became of requests for keys could not be told')
    })
  })
  scope.add('key reports', () => reports.stop())
  const tokens = new TokenVerifier(issuers)
  const authority = new KeyAuthority({
    find: (keyId) => grants.find(keyId),
    findFor: (keyId, kid) => grants.findFor(keyId, kid),
    tokens,
    clock,
    skewMs: options.skewMs,
  })
  const observer: KeyDoorObserver = {
    granted(delivery, key) {
      counter.key(delivery, 'granted')
      reports.delivered(delivery, key)
    },
    refused(delivery, reason, address, key) {
      counter.key(delivery, reason)
      if (key) reports.refused(delivery, key, reason, address)
    },
  }
  const licenceFetch = new GuardedFetch(new WebhookTargets({ allowPrivate: options.allowPrivateLicenceServers }))
  const proxy = scope.own(
    'licence proxy',
    new LicenceProxy({
      post: (post, limits) => licenceFetch.exchange(post, limits),
      clock,
      logger,
      timeoutMs: options.licenceTimeoutMs,
    }),
  )
  return new KeyDoor({
    authority,
    allowance: new AddressAllowance(options.requests, clock),
    observer,
    licences: new LicenceDoor({ authority, proxy, observer, random: randomBytes }),
  })
}
