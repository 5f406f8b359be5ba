import {
  type KeyAuthorizationPolicy,
  keyAuthorizationPolicyCreateSchema,
  keyAuthorizationPolicyPatchSchema,
  keyAuthorizationPolicySchema,
  newKeyAuthorizationPolicy,
} from '../../domain/key-authorization-policy.ts'
import { patched } from '../../domain/merge-patch.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { KeyDoorDeps } from './content-keys.ts'
import type { ResourceDeps } from './ports.ts'

const path = '/v1/key-authorization-policies'
const onePath = `${path}/{keyAuthorizationPolicyId}`
const tag = 'key-authorization-policies'
const resource = 'key-authorization-policy'
const entityAnswer = { description: 'The key authorisation policy.', schema: keyAuthorizationPolicySchema }
const MAX_POLICIES = 1_000

const description = `A content key names its policy. Each option is a kind of delivery and what has to be shown for it; whoever meets one of them gets the key.

| \`restriction\` | |
|---|---|
| \`open\` | anybody |
| \`ip\` | the addresses and networks that it lists |
| \`token\` | a JSON Web Token (HS, RS, PS, ES, EdDSA) or, of old clients, a simple web token, of the issuer, for the audience and with the claims that are required, signed with one of the keys, or with one that the issuer publishes |

Where the claim \`urn:microsoft:azure:mediaservices:contentkeyidentifier\` is required it must equal the KID.`

type Deps = ResourceDeps & KeyDoorDeps

/** `/v1/key-authorization-policies`. */
export function keyAuthorizationPolicyRoutes(deps: Deps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), removal(deps)]
}

async function policyOf(deps: ResourceDeps, request: RestRequest): Promise<KeyAuthorizationPolicy> {
  const found = await deps.repository.get(resource, request.params['keyAuthorizationPolicyId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function subjectOf({ id, name }: Pick<KeyAuthorizationPolicy, 'id' | 'name'>) {
  return { kind: resource, id, name } as const
}

function listing(deps: ResourceDeps): Route {
  const schema = pageSchema(keyAuthorizationPolicySchema, 'KeyAuthorizationPolicy')
  return route({
    method: 'get',
    path,
    operationId: 'listKeyAuthorizationPolicies',
    summary: 'List key authorisation policies',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of policies.', schema } },
    handle: (request) => listAnswer(deps.repository, resource, request, { show: (policy) => policy }),
  })
}

function creation(deps: ResourceDeps): Route {
  const answer = (policy: KeyAuthorizationPolicy) => ({
    status: 201,
    body: policy,
    headers: { Location: `${path}/${policy.id}` },
  })
  return route({
    method: 'post',
    path,
    operationId: 'createKeyAuthorizationPolicy',
    summary: 'Create a key authorisation policy',
    description,
    tag,
    access: { action: 'create', resource },
    body: keyAuthorizationPolicyCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      if ((await deps.repository.count(resource, accountId)) >= MAX_POLICIES) {
        throw new AppError('QUOTA_EXCEEDED', `An account has at most ${MAX_POLICIES} key authorisation policies.`)
      }
      const draft = newKeyAuthorizationPolicy(body, accountId, deps.random)
      const changes = request.changes('key-authorization-policy.create', subjectOf(draft))
      const handle = changes.create(resource, draft)
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return answer(done.get(handle))
    },
    recall: async (request, { id }) => answer(await deps.repository.get(resource, id, request.accountId)),
  })
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getKeyAuthorizationPolicy',
    summary: 'Read a key authorisation policy',
    tag,
    access: { action: 'read', resource },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: await policyOf(deps, request) }),
  })
}

function changing(deps: Deps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateKeyAuthorizationPolicy',
    summary: 'Change a key authorisation policy: it holds from the next request on',
    tag,
    access: { action: 'update', resource },
    body: keyAuthorizationPolicyPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await policyOf(deps, request)
      const next = patched(keyAuthorizationPolicySchema, keyAuthorizationPolicyPatchSchema, current, request.body)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: current }
      const changes = request.changes('key-authorization-policy.update', subjectOf(current), fields)
      const handle = changes.update(resource, next)
      const done = await request.commit(changes)
      await deps.keyDoors.changed(request.accountId)
      return { status: 200, body: done.get(handle) }
    },
  })
}

function removal(deps: Deps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteKeyAuthorizationPolicy',
    summary: 'Delete a key authorisation policy that nothing refers to',
    tag,
    access: { action: 'delete', resource },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const policy = await policyOf(deps, request)
      const changes = request.changes('key-authorization-policy.delete', subjectOf(policy))
      changes.delete(resource, policy)
      await request.commit(changes)
      await deps.keyDoors.changed(request.accountId)
      return { status: 204 }
    },
  })
}
