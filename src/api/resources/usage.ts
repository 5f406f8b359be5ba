import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import type { StorageAccount, StoragePlace } from '../../domain/storage-account.ts'
import { assetFolder } from '../../domain/storage-task.ts'
import {
  type AccountUsage,
  accountUsageSchema,
  type StorageUsage,
  storageUsageSchema,
} from '../../domain/storage-usage.ts'
import { AppError } from '../../lib/errors.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { assetOf, assetPath, placeOf } from './storage-deps.ts'

/** Counts what lies in storage. */
export type UsageMeter = {
  /** Under a folder (`''`: everywhere), as it was counted at most some minutes ago. */
  measure(place: StoragePlace, folder: string, signal: AbortSignal): Promise<StorageUsage>
}

/** What usage needs beside what every resource does. */
export type UsageDeps = ResourceDeps & { readonly usage: UsageMeter }

const description = `Counted by listing what is there, and remembered for a while; where there is very much it is counted in part, which \`isPartial\`
says.`
const usageAnswer = { description: 'The usage.', schema: storageUsageSchema }

/** `…/usage` of assets, storage accounts and accounts. */
export function usageRoutes(deps: UsageDeps): Route[] {
  return [ofAsset(deps), ofStorageAccount(deps), ofAccount(deps)]
}

function ofAsset(deps: UsageDeps): Route {
  return route({
    method: 'get',
    path: `${assetPath}/usage`,
    operationId: 'getAssetUsage',
    summary: 'How much of an asset lies in storage',
    description,
    tag: 'assets',
    access: { action: 'read', resource: 'asset' },
    answers: { 200: usageAnswer },
    async handle(request) {
      const asset = await assetOf(deps, request)
      const place = await placeOf(deps, asset)
      return { status: 200, body: await deps.usage.measure(place, assetFolder(asset.id), request.signal) }
    },
  })
}

function ofStorageAccount(deps: UsageDeps): Route {
  return route({
    method: 'get',
    path: '/v1/storage-accounts/{storageAccountId}/usage',
    operationId: 'getStorageAccountUsage',
    summary: 'How much lies in a storage account',
    description,
    tag: 'storage-accounts',
    access: { action: 'read', resource: 'storage-account' },
    answers: { 200: usageAnswer },
    async handle(request) {
      const id = request.params['storageAccountId'] ?? ''
      const storage = await deps.repository.get('storage-account', id, request.accountId)
      return { status: 200, body: await deps.usage.measure(storage, '', request.signal) }
    },
  })
}

function ofAccount(deps: UsageDeps): Route {
  return route({
    method: 'get',
    path: '/v1/accounts/{accountId}/usage',
    operationId: 'getAccountUsage',
    summary: 'How much an account has in storage',
    description,
    tag: 'accounts',
    access: { action: 'read', resource: 'account', as: 'own' },
    answers: { 200: { description: 'The usage.', schema: accountUsageSchema } },
    async handle(request) {
      const accountId = request.params['accountId'] ?? ''
      if (request.role !== 'system' && accountId !== request.accountId) {
        const details = { kind: 'account', id: accountId }
        throw new AppError('ENTITY_NOT_FOUND', `There is no account ${accountId}.`, { details })
      }
      await deps.repository.get('account', accountId, SYSTEM_ACCOUNT)
      const places = await Array.fromAsync(deps.repository.each('storage-account', { accountId }))
      return { status: 200, body: await accountUsage(deps, places, request) }
    },
  })
}

async function accountUsage(
  { usage }: UsageDeps,
  places: readonly StorageAccount[],
  { signal }: RestRequest,
): Promise<AccountUsage> {
  const measured = await Promise.all(
    places.map(async (place) => {
      const found = await usage.measure(place, '', signal).catch((error: unknown) => unreachable(error))
      return found ? [{ storageAccountId: place.id, ...found }] : []
    }),
  )
  const storageAccounts = measured.flat()
  return {
    bytes: storageAccounts.reduce((sum, { bytes }) => sum + bytes, 0),
    objects: storageAccounts.reduce((sum, { objects }) => sum + objects, 0),
    isPartial: storageAccounts.length < places.length || storageAccounts.some(({ isPartial }) => isPartial),
    storageAccounts,
  }
}

/** One storage that is down hides no other. */
function unreachable(error: unknown): undefined {
  const isExpected = error instanceof AppError && (error.kind === 'unavailable' || error.kind === 'forbidden')
  if (!isExpected) throw error
}
