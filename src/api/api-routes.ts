import { oauthRoutes } from './auth/oauth-route.ts'
import type { Auth } from './auth/open-auth.ts'
import { sessionRoutes } from './auth/session-routes.ts'
import { accountRoutes } from './resources/accounts.ts'
import type { ClipDeps } from './resources/asset-clips.ts'
import { assetFileRoutes } from './resources/asset-files.ts'
import { assetRoutes } from './resources/assets.ts'
import { auditRoutes } from './resources/audit.ts'
import type { ChannelDeps } from './resources/channel-deps.ts'
import { channelRoutes } from './resources/channels.ts'
import { type ContentKeyDeps, contentKeyRoutes } from './resources/content-keys.ts'
import { credentialRoutes } from './resources/credentials.ts'
import { deliveryPolicyRoutes } from './resources/delivery-policies.ts'
import { eventSubscriptionRoutes } from './resources/event-subscriptions.ts'
import { eventRoutes, type RecordDeps } from './resources/events.ts'
import { filterRoutes } from './resources/filters.ts'
import { keyAuthorizationPolicyRoutes } from './resources/key-authorization-policies.ts'
import type { LocatorDeps } from './resources/locator-deps.ts'
import { locatorRoutes } from './resources/locators.ts'
import { operationRoutes } from './resources/operations.ts'
import { programRoutes } from './resources/programs.ts'
import { type StorageAccountDeps, storageAccountRoutes } from './resources/storage-accounts.ts'
import type { StorageDeps, StorageKeyDeps } from './resources/storage-deps.ts'
import { streamingEndpointRoutes } from './resources/streaming-endpoints.ts'
import type { SubscriptionDeps } from './resources/subscription-view.ts'
import { type UsageDeps, usageRoutes } from './resources/usage.ts'
import type { Route } from './rest/route.ts'

/** What the routes need, all together. */
export type ApiDeps = ChannelDeps &
  StorageAccountDeps &
  UsageDeps &
  StorageDeps &
  StorageKeyDeps &
  ClipDeps &
  LocatorDeps &
  ContentKeyDeps &
  SubscriptionDeps &
  RecordDeps & { readonly auth: Auth }

/** Every route under `/v1`: what the router serves, the OpenAPI document describes, and the authorisation matrix goes through. */
export function apiRoutes(deps: ApiDeps): Route[] {
  return [
    ...oauthRoutes(deps),
    ...sessionRoutes(deps),
    ...accountRoutes(deps),
    ...credentialRoutes(deps),
    ...channelRoutes(deps),
    ...programRoutes(deps),
    ...storageAccountRoutes(deps),
    ...usageRoutes(deps),
    ...assetRoutes(deps),
    ...assetFileRoutes(deps),
    ...filterRoutes(deps),
    ...locatorRoutes(deps),
    ...contentKeyRoutes(deps),
    ...keyAuthorizationPolicyRoutes(deps),
    ...deliveryPolicyRoutes(deps),
    ...streamingEndpointRoutes(deps),
    ...eventRoutes(deps),
    ...eventSubscriptionRoutes(deps),
    ...operationRoutes(deps),
    ...auditRoutes(deps),
  ]
}
