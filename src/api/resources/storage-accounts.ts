import type { ChangeSet } from '../../domain/change-set.ts'
import { patched } from '../../domain/merge-patch.ts'
import {
  assertPlaceFree,
  assertStorageAccountDeletable,
  newStorageAccount,
  type StorageAccount,
  type StoragePlace,
  showStorageAccount,
  storageAccountCreateSchema,
  storageAccountPatchSchema,
  storageAccountSchema,
  storageAccountViewSchema,
} from '../../domain/storage-account.ts'
import type { SecretKeeper } from '../../domain/stored-secret.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

const path = '/v1/storage-accounts'
const onePath = `${path}/{storageAccountId}`
const tag = 'storage-accounts'
const entityAnswer = { description: 'The storage account.', schema: storageAccountViewSchema }
const resource = 'storage-account'
const MAX_STORAGE_ACCOUNTS = 100

/** What storage accounts need beside what every resource does. */
export type StorageAccountDeps = ResourceDeps & {
  /** Tries a place. @throws AppError, with `details.problems` where fields of it are at fault */
  readonly checkStorage: (place: StoragePlace, call: { readonly signal: AbortSignal }) => Promise<void>
  readonly secrets: Pick<SecretKeeper, 'seal'>
}

/** `/v1/storage-accounts`. */
export function storageAccountRoutes(deps: StorageAccountDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), removal(deps)]
}

async function storageAccountOf(deps: ResourceDeps, request: RestRequest): Promise<StorageAccount> {
  const id = request.params['storageAccountId'] ?? ''
  const found = await deps.repository.get('storage-account', id, request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function allOf(deps: ResourceDeps, accountId: string): Promise<StorageAccount[]> {
  return Array.fromAsync(deps.repository.each('storage-account', { accountId }))
}

function subjectOf({ id, name }: Pick<StorageAccount, 'id' | 'name'>) {
  return { kind: 'storage-account', id, name } as const
}

/**
 * Writes the account's default along: it is one no more where another becomes it. Written even where nothing of it changes,
 * it lets of two changes at once only one happen, so that there is never a second default, or a second in one directory.
 */
function writeDefault(changes: ChangeSet, all: readonly StorageAccount[], next: { isDefault: boolean }): void {
  const current = all.find(({ isDefault }) => isDefault)
  if (current) changes.update('storage-account', { ...current, isDefault: !next.isDefault })
}

/** Whether a secret came with the request: one that is there already is sealed. */
function isKeyGiven(body: object): boolean {
  const credentials = 'credentials' in body ? body.credentials : undefined
  return typeof credentials === 'object' && credentials !== null && 'secretAccessKey' in credentials
}

async function sealed<T extends Pick<StoragePlace, 'accountId' | 'credentials'>>(
  { secrets }: StorageAccountDeps,
  storage: T,
  isGiven: boolean,
): Promise<T> {
  const { accountId, credentials } = storage
  if (!credentials || !isGiven) return storage
  return {
    ...storage,
    credentials: { ...credentials, secretAccessKey: await secrets.seal(credentials.secretAccessKey, accountId) },
  }
}

function listing(deps: ResourceDeps): Route {
  const schema = pageSchema(storageAccountViewSchema, 'StorageAccount')
  return route({
    method: 'get',
    path,
    operationId: 'listStorageAccounts',
    summary: 'List storage accounts',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of storage accounts.', schema } },
    handle: (request) => listAnswer(deps.repository, 'storage-account', request, { show: showStorageAccount }),
  })
}

function creation(deps: StorageAccountDeps): Route {
  const headers = (id: string) => ({ Location: `${path}/${id}` })
  return route({
    method: 'post',
    path,
    operationId: 'createStorageAccount',
    summary: 'Create a place for media',
    tag,
    access: { action: 'create', resource },
    body: storageAccountCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      const all = await allOf(deps, accountId)
      if (all.length >= MAX_STORAGE_ACCOUNTS) {
        throw new AppError('QUOTA_EXCEEDED', `An account has at most ${MAX_STORAGE_ACCOUNTS} storage accounts.`)
      }
      const draft = await sealed(deps, newStorageAccount(body, accountId, deps.random), isKeyGiven(body))
      assertPlaceFree(draft, all)
      await deps.checkStorage(draft, request)
      const changes = request.changes('storage-account.create', subjectOf(draft))
      writeDefault(changes, all, draft)
      const handle = changes.create('storage-account', draft)
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return { status: 201, body: showStorageAccount(done.get(handle)), headers: headers(draft.id) }
    },
    async recall(request, { id }) {
      const body = await deps.repository.get('storage-account', id, request.accountId)
      return { status: 201, body: showStorageAccount(body), headers: headers(id) }
    },
  })
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getStorageAccount',
    summary: 'Read a storage account',
    tag,
    access: { action: 'read', resource },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: showStorageAccount(await storageAccountOf(deps, request)) }),
  })
}

function changing(deps: StorageAccountDeps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateStorageAccount',
    summary: 'Change a storage account, or make it the default',
    tag,
    access: { action: 'update', resource },
    body: storageAccountPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await storageAccountOf(deps, request)
      const patchedOne = patched(storageAccountSchema, storageAccountPatchSchema, current, request.body)
      const next = await sealed(deps, patchedOne, isKeyGiven(request.body))
      if (current.isDefault && !next.isDefault) {
        throw new AppError(
          'ENTITY_PROTECTED',
          'This is the default storage account: make another one the default instead.',
        )
      }
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: showStorageAccount(current) }
      if (fields.some((field) => field.startsWith('/credentials'))) await deps.checkStorage(next, request)
      const changes = request.changes('storage-account.update', subjectOf(current), fields)
      if (next.isDefault && !current.isDefault) writeDefault(changes, await allOf(deps, current.accountId), next)
      const handle = changes.update('storage-account', next)
      return { status: 200, body: showStorageAccount((await request.commit(changes)).get(handle)) }
    },
  })
}

function removal(deps: ResourceDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteStorageAccount',
    summary: 'Delete a storage account that holds no assets',
    tag,
    access: { action: 'delete', resource },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const current = await storageAccountOf(deps, request)
      assertStorageAccountDeletable(current)
      const changes = request.changes('storage-account.delete', subjectOf(current))
      changes.delete('storage-account', current)
      await request.commit(changes)
      return { status: 204 }
    },
  })
}
