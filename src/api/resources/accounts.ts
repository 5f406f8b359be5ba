import {
  type Account,
  accountCreateSchema,
  accountPatchSchema,
  accountSchema,
  assertAccountChange,
  newAccount,
} from '../../domain/account.ts'
import { accountDefaults } from '../../domain/account-defaults.ts'
import { type Id, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { removeAccount } from './account-removal.ts'
import type { ResourceDeps } from './ports.ts'

type AccountDeps = Pick<ResourceDeps, 'repository' | 'clock' | 'random'>

const path = '/v1/accounts'
const onePath = `${path}/{accountId}`
const tag = 'accounts'
/** Where the store keeps accounts themselves. */
const KEPT_UNDER = SYSTEM_ACCOUNT as Id<'account'>
const entityAnswer = { description: 'The account.', schema: accountSchema }

/** `/v1/accounts`: `system` manages them; to everybody else there is one alone, their own. */
export function accountRoutes(deps: AccountDeps): Route[] {
  return [...reading(deps), ...managing(deps)]
}

function access<const A extends string>(action: A) {
  return { action, resource: 'account', as: 'own' } as const
}

function subjectOf({ id, name }: Pick<Account, 'id' | 'name'>) {
  return { kind: 'account', id, name } as const
}

async function accountOf({ repository }: AccountDeps, request: RestRequest): Promise<Account> {
  const id = request.params['accountId'] ?? ''
  if (request.role !== 'system' && id !== request.accountId) {
    throw new AppError('ENTITY_NOT_FOUND', `There is no account ${id}.`, { details: { kind: 'account', id } })
  }
  const found = await repository.get('account', id, SYSTEM_ACCOUNT)
  assertSeen(request.ifMatch, found)
  return found
}

function reading(deps: AccountDeps): Route[] {
  return [
    route({
      method: 'get',
      path,
      operationId: 'listAccounts',
      summary: 'List accounts: all of them for system, else one’s own',
      tag,
      access: access('read'),
      query: listQuerySchema,
      answers: { 200: { description: 'A page of accounts.', schema: pageSchema(accountSchema, 'Account') } },
      async handle(request) {
        const { repository } = deps
        const { accountId, query, role } = request
        const show = (account: Account) => account
        if (role === 'system') return listAnswer(repository, 'account', request, { show })
        const own = await repository.get('account', accountId, SYSTEM_ACCOUNT)
        const isAsked = query.name === undefined || query.name === own.name
        // Names are unique: looked for by its own, the list is of one.
        const narrowed = { ...request, accountId: KEPT_UNDER, query: { ...query, name: own.name } }
        return listAnswer(repository, 'account', narrowed, { show, belongs: ({ id }) => isAsked && id === accountId })
      },
    }),
    route({
      method: 'get',
      path: onePath,
      operationId: 'getAccount',
      summary: 'Read an account',
      tag,
      access: access('read'),
      answers: { 200: entityAnswer },
      handle: async (request) => ({ status: 200, body: await accountOf(deps, request) }),
    }),
  ]
}

function createdAnswer(account: Account): Answer {
  return { status: 201, body: account, headers: { Location: `${path}/${account.id}` } }
}

function managing(deps: AccountDeps): Route[] {
  return [
    route({
      method: 'post',
      path,
      operationId: 'createAccount',
      summary: 'Create an account, with a place for media and a streaming endpoint',
      tag,
      access: access('create'),
      body: accountCreateSchema,
      answers: { 201: entityAnswer },
      async handle(request) {
        const draft = newAccount(request.body, deps.random)
        const { storageAccount, streamingEndpoint } = accountDefaults(draft, deps.random)
        const changes = request.changes('account.create', subjectOf(draft))
        const handle = changes.create('account', draft)
        changes.create('storage-account', storageAccount)
        changes.create('streaming-endpoint', streamingEndpoint)
        const done = await request.commit(changes, { status: 201, id: draft.id })
        return createdAnswer(done.get(handle))
      },
      recall: async (_request, { id }) => createdAnswer(await deps.repository.get('account', id, SYSTEM_ACCOUNT)),
    }),
    route({
      method: 'patch',
      path: onePath,
      operationId: 'updateAccount',
      summary: 'Change an account; its quotas only as system',
      tag,
      access: access('update'),
      body: accountPatchSchema,
      answers: { 200: entityAnswer },
      async handle(request) {
        const account = await accountOf(deps, request)
        const next = patched(accountSchema, accountPatchSchema, account, request.body)
        assertAccountChange(request.role, account, next)
        const fields = changedFields(account, next)
        if (fields.length === 0) return { status: 200, body: account }
        const changes = request.changes('account.update', subjectOf(account), fields)
        const handle = changes.update('account', next)
        return { status: 200, body: (await request.commit(changes)).get(handle) }
      },
    }),
    route({
      method: 'delete',
      path: onePath,
      operationId: 'deleteAccount',
      summary: 'Delete an account that owns nothing but what it was made with, its credentials and records',
      tag,
      access: access('delete'),
      answers: { 204: { description: 'It is gone.' } },
      async handle(request) {
        const account = await accountOf(deps, request)
        await removeAccount(deps.repository, account, request, request.changes('account.delete', subjectOf(account)))
        return { status: 204 }
      },
    }),
  ]
}
