import { assertQuota } from '../../domain/account.ts'
import {
  type Asset,
  assetCreateSchema,
  assetMachine,
  assetPatchSchema,
  assetSchema,
  newAsset,
} from '../../domain/asset.ts'
import { newEvent } from '../../domain/events.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce } from '../../domain/lifecycle.ts'
import { patched } from '../../domain/merge-patch.ts'
import { transition } from '../../domain/state-machine.ts'
import type { StorageAccount } from '../../domain/storage-account.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import { assetClips, type ClipDeps } from './asset-clips.ts'
import { protectAsset } from './asset-protection.ts'
import { type AssetRemovalDeps, assetRemoval } from './asset-removal.ts'
import type { LocatorDeps } from './locator-deps.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'
import { assetOf, assetPath, assetSubject, createAsset, type StorageKeyDeps } from './storage-deps.ts'

const path = '/v1/assets'
const tag = 'assets'
const entityAnswer = { description: 'The asset.', schema: assetSchema }

/** `/v1/assets`. */
export function assetRoutes(deps: AssetRemovalDeps & ClipDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), assetClips(deps), assetRemoval(deps)]
}

function listing(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path,
    operationId: 'listAssets',
    summary: 'List assets',
    tag,
    access: { action: 'read', resource: 'asset' },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of assets.', schema: pageSchema(assetSchema, 'Asset') } },
    handle: (request) => listAnswer(deps.repository, 'asset', request, { show: (asset) => asset }),
  })
}

/** Where a new asset goes: the storage account that is named, else the default one. */
async function storageFor(deps: ResourceDeps, request: RestRequest, id: string | undefined): Promise<StorageAccount> {
  const { accountId } = request
  if (id !== undefined) return referred(deps.repository, 'storage-account', id, accountId, '/storageAccountId')
  for await (const storage of deps.repository.each('storage-account', { accountId }))
    if (storage.isDefault) return storage
  throw new AppError('STATE_CONFLICT', 'The account has no default storage account: name one.')
}

function creation(deps: ResourceDeps & StorageKeyDeps): Route {
  const headers = (id: string) => ({ Location: `${path}/${id}` })
  return route({
    method: 'post',
    path,
    operationId: 'createAsset',
    summary: 'Create an asset',
    tag,
    access: { action: 'create', resource: 'asset' },
    body: assetCreateSchema,
    answers: { 201: { ...entityAnswer, description: 'The asset, Empty.' } },
    async handle(request) {
      const { accountId, body } = request
      const [account, used, storage] = await Promise.all([
        deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
        deps.repository.count('asset', accountId),
        storageFor(deps, request, body.storageAccountId),
      ])
      assertQuota(account, 'assets', used)
      const draft = newAsset(body, storage.id, accountId, deps.random)
      const changes = request.changes('asset.create', assetSubject(draft))
      const handle = await createAsset(deps, changes, draft)
      await protectAsset(deps, request, changes, draft)
      announce(changes, 'asset.created', draft, deps.clock.now())
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return { status: 201, body: done.get(handle), headers: headers(draft.id) }
    },
    async recall(request, { id }) {
      return { status: 201, body: await deps.repository.get('asset', id, request.accountId), headers: headers(id) }
    },
  })
}

async function seenAsset(deps: ResourceDeps, request: RestRequest): Promise<Asset> {
  const asset = await assetOf(deps, request)
  assertSeen(request.ifMatch, asset)
  return asset
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: assetPath,
    operationId: 'getAsset',
    summary: 'Read an asset',
    tag,
    access: { action: 'read', resource: 'asset' },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: await seenAsset(deps, request) }),
  })
}

function changing(deps: ResourceDeps & Pick<LocatorDeps, 'publications'>): Route {
  return route({
    method: 'patch',
    path: assetPath,
    operationId: 'updateAsset',
    summary: 'Change an asset',
    tag,
    access: { action: 'update', resource: 'asset' },
    body: assetPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const asset = await seenAsset(deps, request)
      transition(assetMachine, asset.state, 'update')
      const next = patched(assetSchema, assetPatchSchema, asset, request.body)
      const fields = changedFields(asset, next)
      if (fields.length === 0) return { status: 200, body: asset }
      const changes = request.changes('asset.update', assetSubject(asset), fields)
      await protectAsset(deps, request, changes, next, asset)
      const handle = changes.update('asset', next)
      changes.event(newEvent('asset.updated', asset, { fields: fields.slice(0, 64) }, deps.clock.now()))
      const body = (await request.commit(changes)).get(handle)
      // Who protects it may count on that: from here on nobody gets it otherwise.
      await deps.publications.deliveryChanged?.(asset.id)
      return { status: 200, body }
    },
  })
}
