import { type Account, assertQuota } from '../../domain/account.ts'
import {
  type Credential,
  credentialCreatedSchema,
  credentialCreateSchema,
  credentialPatchSchema,
  credentialSchema,
  credentialViewSchema,
  formatApiKey,
  isCredentialValid,
  newCredential,
  newCredentialSecret,
} from '../../domain/credential.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { fieldError } from '../../domain/validation.ts'
import { hashSecret } from '../auth/secret-hash.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { keepLastAdmin } from './last-admin.ts'
import type { ResourceDeps } from './ports.ts'

type CredentialDeps = Pick<ResourceDeps, 'repository' | 'clock' | 'random'>

const path = '/v1/credentials'
const onePath = `${path}/{credentialId}`
const tag = 'credentials'
const entityAnswer = { description: 'The credential, without its secret.', schema: credentialViewSchema }
const secretAnswer = {
  description: 'The credential with its secret, shown this once.',
  schema: credentialCreatedSchema,
}

/** `/v1/credentials`. */
export function credentialRoutes(deps: CredentialDeps): Route[] {
  return [...reading(deps), ...making(deps), ...changing(deps)]
}

function show({ secretHash: _secret, ...shown }: Credential) {
  return shown
}

function showOnce(credential: Credential, secret: string) {
  const { id } = credential
  return { ...show(credential), apiKey: formatApiKey(id, secret), clientId: id, clientSecret: secret }
}

function subjectOf({ id, name }: Pick<Credential, 'id' | 'name'>) {
  return { kind: 'credential', id, name } as const
}

async function credentialOf({ repository }: CredentialDeps, request: RestRequest): Promise<Credential> {
  const found = await repository.get('credential', request.params['credentialId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function accountOf({ repository }: CredentialDeps, request: RestRequest): Promise<Account> {
  return repository.get('account', request.accountId, SYSTEM_ACCOUNT)
}

function reading(deps: CredentialDeps): Route[] {
  const access = { action: 'read', resource: 'credential' } as const
  return [
    route({
      method: 'get',
      path,
      operationId: 'listCredentials',
      summary: 'List credentials',
      tag,
      access,
      query: listQuerySchema,
      answers: {
        200: { description: 'A page of credentials.', schema: pageSchema(credentialViewSchema, 'Credential') },
      },
      handle: (request) => listAnswer(deps.repository, 'credential', request, { show }),
    }),
    route({
      method: 'get',
      path: onePath,
      operationId: 'getCredential',
      summary: 'Read a credential',
      tag,
      access,
      answers: { 200: entityAnswer },
      handle: async (request) => ({ status: 200, body: show(await credentialOf(deps, request)) }),
    }),
  ]
}

function making(deps: CredentialDeps): Route[] {
  return [
    route({
      method: 'post',
      path,
      operationId: 'createCredential',
      summary: 'Make a credential; its secret is shown this once',
      tag,
      access: { action: 'create', resource: 'credential' },
      body: credentialCreateSchema,
      answers: {
        201: secretAnswer,
        200: {
          description: 'It was made before, by a request with the same Idempotency-Key. Its secret is not shown again.',
          schema: credentialViewSchema,
        },
      },
      async handle(request) {
        const { accountId, body } = request
        if (!isCredentialValid(body, deps.clock.now())) {
          throw fieldError('ENTITY_INVALID', [{ pointer: '/expiresAt', detail: 'must lie in the future' }])
        }
        const [account, used] = await Promise.all([
          accountOf(deps, request),
          deps.repository.count('credential', accountId),
        ])
        assertQuota(account, 'credentials', used)
        const secret = newCredentialSecret(deps.random)
        const draft = newCredential(body, accountId, hashSecret(secret), deps.random)
        const changes = request.changes('credential.create', subjectOf(draft))
        const handle = changes.create('credential', draft)
        const done = await request.commit(changes, { status: 201, id: draft.id })
        const headers = { Location: `${path}/${draft.id}` }
        return { status: 201, body: showOnce(done.get(handle), secret), headers }
      },
      async recall(request, { id }) {
        const credential = await deps.repository.get('credential', id, request.accountId)
        return { status: 200, body: show(credential), headers: { Location: `${path}/${id}` } }
      },
    }),
    route({
      method: 'post',
      path: `${onePath}/rotate-secret`,
      operationId: 'rotateCredentialSecret',
      summary: 'Make the secret anew; the old one, its tokens and its sessions end at once',
      tag,
      access: { action: 'rotate-secret', resource: 'credential' },
      answers: { 200: secretAnswer },
      async handle(request) {
        const credential = await credentialOf(deps, request)
        const secret = newCredentialSecret(deps.random)
        const changes = request.changes('credential.rotate-secret', subjectOf(credential), ['/secret'])
        const handle = changes.update('credential', { ...credential, secretHash: hashSecret(secret) })
        const done = await request.commit(changes)
        return { status: 200, body: showOnce(done.get(handle), secret) }
      },
    }),
  ]
}

function changing(deps: CredentialDeps): Route[] {
  return [
    route({
      method: 'patch',
      path: onePath,
      operationId: 'updateCredential',
      summary: 'Change a credential',
      tag,
      access: { action: 'update', resource: 'credential' },
      body: credentialPatchSchema,
      answers: { 200: entityAnswer },
      handle: (request) => update(deps, request),
    }),
    route({
      method: 'delete',
      path: onePath,
      operationId: 'deleteCredential',
      summary: 'Delete a credential; its tokens and its sessions end at once',
      tag,
      access: { action: 'delete', resource: 'credential' },
      answers: { 204: { description: 'It is gone.' } },
      async handle(request) {
        const credential = await credentialOf(deps, request)
        const changes = request.changes('credential.delete', subjectOf(credential))
        await keepLastAdmin(deps, request, changes, credential)
        changes.delete('credential', credential)
        await request.commit(changes)
        return { status: 204 }
      },
    }),
  ]
}

async function update(deps: CredentialDeps, request: RestRequest): Promise<Answer> {
  const credential = await credentialOf(deps, request)
  const next = patched(credentialSchema, credentialPatchSchema, credential, request.body)
  const fields = changedFields(credential, next)
  if (fields.length === 0) return { status: 200, body: show(credential) }
  const changes = request.changes('credential.update', subjectOf(credential), fields)
  if (!isCredentialValid(next, deps.clock.now())) await keepLastAdmin(deps, request, changes, credential)
  const handle = changes.update('credential', next)
  return { status: 200, body: show((await request.commit(changes)).get(handle)) }
}
