import {
  type DeliveryPolicy,
  deliveryPolicyCreateSchema,
  deliveryPolicyPatchSchema,
  deliveryPolicySchema,
  newDeliveryPolicy,
} from '../../domain/delivery-policy.ts'
import { patched } from '../../domain/merge-patch.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'

import type { LocatorDeps } from './locator-deps.ts'
import type { ResourceDeps } from './ports.ts'

const path = '/v1/delivery-policies'
const onePath = `${path}/{deliveryPolicyId}`
const tag = 'delivery-policies'
const resource = 'delivery-policy'
const entityAnswer = { description: 'The delivery policy.', schema: deliveryPolicySchema }
const MAX_POLICIES = 1_000

const description = `An asset or a locator names its policy. Without one everything is delivered in the clear; with any, what it does not list is blocked. The predefined streaming
policies of Azure Media Services may be named wherever a policy’s id is, and are in no list: \`Predefined_ClearStreamingOnly\`,
\`Predefined_DownloadOnly\`, \`Predefined_DownloadAndClearStreaming\`, \`Predefined_ClearKey\`, \`Predefined_MultiDrmStreaming\`,
\`Predefined_MultiDrmCencStreaming\`.`

type Deps = ResourceDeps & Pick<LocatorDeps, 'publications'>

/** `/v1/delivery-policies`. */
export function deliveryPolicyRoutes(deps: Deps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), removal(deps)]
}

async function policyOf(deps: ResourceDeps, request: RestRequest): Promise<DeliveryPolicy> {
  const found = await deps.repository.get(resource, request.params['deliveryPolicyId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function subjectOf({ id, name }: Pick<DeliveryPolicy, 'id' | 'name'>) {
  return { kind: resource, id, name } as const
}

function listing(deps: ResourceDeps): Route {
  const schema = pageSchema(deliveryPolicySchema, 'DeliveryPolicy')
  return route({
    method: 'get',
    path,
    operationId: 'listDeliveryPolicies',
    summary: 'List delivery policies',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of policies.', schema } },
    handle: (request) => listAnswer(deps.repository, resource, request, { show: (policy) => policy }),
  })
}

function creation(deps: ResourceDeps): Route {
  const answer = (policy: DeliveryPolicy) => ({
    status: 201,
    body: policy,
    headers: { Location: `${path}/${policy.id}` },
  })
  return route({
    method: 'post',
    path,
    operationId: 'createDeliveryPolicy',
    summary: 'Create a delivery policy',
    description,
    tag,
    access: { action: 'create', resource },
    body: deliveryPolicyCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      if ((await deps.repository.count(resource, accountId)) >= MAX_POLICIES) {
        throw new AppError('QUOTA_EXCEEDED', `An account has at most ${MAX_POLICIES} delivery policies.`)
      }
      const draft = newDeliveryPolicy(body, accountId, deps.random)
      const changes = request.changes('delivery-policy.create', subjectOf(draft))
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
    operationId: 'getDeliveryPolicy',
    summary: 'Read a delivery policy',
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
    operationId: 'updateDeliveryPolicy',
    summary: 'Change a delivery policy: it holds from the next request on',
    tag,
    access: { action: 'update', resource },
    body: deliveryPolicyPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await policyOf(deps, request)
      const next = patched(deliveryPolicySchema, deliveryPolicyPatchSchema, current, request.body)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: current }
      const changes = request.changes('delivery-policy.update', subjectOf(current), fields)
      const handle = changes.update(resource, next)
      const done = await request.commit(changes)
      await deps.publications.deliveryChanged?.(current.id)
      return { status: 200, body: done.get(handle) }
    },
  })
}

function removal(deps: Deps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteDeliveryPolicy',
    summary: 'Delete a delivery policy that nothing refers to',
    tag,
    access: { action: 'delete', resource },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const policy = await policyOf(deps, request)
      const changes = request.changes('delivery-policy.delete', subjectOf(policy))
      changes.delete(resource, policy)
      await request.commit(changes)
      return { status: 204 }
    },
  })
}
