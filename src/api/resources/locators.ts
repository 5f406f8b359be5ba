import type { z } from 'zod'
import { assertQuota } from '../../domain/account.ts'
import { newEvent } from '../../domain/events.ts'
import { idSchema, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import {
  type Locator,
  locatorCreateSchema,
  locatorStatus,
  locatorViewSchema,
  newLocator,
} from '../../domain/locator.ts'
import { assertMay } from '../../domain/permissions.ts'
import { fieldError } from '../../domain/validation.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import { assertDeliverable, assertDeliveryPolicy } from './asset-protection.ts'
import type { LocatorDeps } from './locator-deps.ts'
import { locatorPathsSchema, showLocatorPaths } from './locator-paths.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'
import { assertRotation, rotatingKeysOf } from './rotation-check.ts'

const path = '/v1/locators'
const onePath = `${path}/{locatorId}`
const tag = 'locators'
const entityAnswer = { description: 'The locator.', schema: locatorViewSchema }

/** `/v1/locators`. */
export function locatorRoutes(deps: LocatorDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), paths(deps), removal(deps)]
}

function show(locator: Locator, { clock }: ResourceDeps): z.output<typeof locatorViewSchema> {
  return { ...locator, status: locatorStatus(locator, clock.now()) }
}

async function locatorOf(deps: ResourceDeps, request: RestRequest): Promise<Locator> {
  const locator = await deps.repository.get('locator', request.params['locatorId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, locator)
  return locator
}

function subjectOf({ id, name }: Pick<Locator, 'id' | 'name'>) {
  return { kind: 'locator', id, ...(name !== undefined && { name }) } as const
}

function listing(deps: LocatorDeps): Route {
  const assetId = idSchema('asset').optional().meta({ description: 'Only those of this asset.' })
  return route({
    method: 'get',
    path,
    operationId: 'listLocators',
    summary: 'List locators',
    tag,
    access: { action: 'read', resource: 'locator' },
    query: listQuerySchema.extend({ assetId }),
    answers: { 200: { description: 'A page of locators.', schema: pageSchema(locatorViewSchema, 'Locator') } },
    handle(request) {
      const { assetId: wanted } = request.query
      return listAnswer(deps.repository, 'locator', request, {
        show: (locator) => show(locator, deps),
        ...(wanted !== undefined && {
          reference: { relation: 'asset', id: wanted },
          belongs: (locator) => locator.assetId === wanted,
        }),
      })
    },
  })
}

/** @throws AppError `REFERENCE_MISSING` for a filter that neither the asset nor the account has */
async function assertFilters(
  { repository }: ResourceDeps,
  accountId: string,
  assetId: string,
  names: readonly string[],
): Promise<void> {
  for (const [at, name] of names.entries()) {
    const found =
      (await repository.findByName('filter', name, accountId, assetId)) ??
      (await repository.findByName('filter', name, accountId))
    if (found) continue
    throw fieldError('REFERENCE_MISSING', [{ pointer: `/filters/${at}`, detail: `there is no filter ${name}` }])
  }
}

function creation(deps: LocatorDeps): Route {
  const answer = (locator: Locator) => ({
    status: 201,
    body: show(locator, deps),
    headers: { Location: `${path}/${locator.id}` },
  })
  return route({
    method: 'post',
    path,
    operationId: 'createLocator',
    summary: 'Publish an asset, under a GUID chosen in advance where one is given',
    tag,
    access: { action: 'create', resource: 'locator' },
    body: locatorCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      // Also where the asset has no policy yet: a locator's goes before one that an admin gives it later.
      if (body.deliveryPolicyId !== undefined) assertMay(request.role, 'update', 'delivery-policy')
      const [account, used, asset, policy] = await Promise.all([
        deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
        deps.repository.count('locator', accountId),
        referred(deps.repository, 'asset', body.assetId, accountId, '/assetId'),
        assertDeliveryPolicy(deps, body.deliveryPolicyId, accountId),
      ])
      assertQuota(account, 'locators', used)
      assertDeliverable(asset, body.deliveryPolicyId, request)
      if (policy) assertRotation(await rotatingKeysOf(deps, asset), policy)
      await assertFilters(deps, accountId, body.assetId, body.filters ?? [])
      const draft = newLocator(body, accountId, deps.random)
      const changes = request.changes('locator.create', subjectOf(draft))
      const handle = changes.create('locator', draft)
      changes.event(newEvent('locator.created', draft, { assetId: draft.assetId }, deps.clock.now()))
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return answer(done.get(handle))
    },
    recall: async (request, { id }) => answer(await deps.repository.get('locator', id, request.accountId)),
  })
}

function reading(deps: LocatorDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getLocator',
    summary: 'Read a locator',
    tag,
    access: { action: 'read', resource: 'locator' },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: show(await locatorOf(deps, request), deps) }),
  })
}

function paths(deps: LocatorDeps): Route {
  return route({
    method: 'get',
    path: `${onePath}/paths`,
    operationId: 'listLocatorPaths',
    summary: 'List the URLs that players are given',
    tag,
    access: { action: 'read', resource: 'locator' },
    answers: { 200: { description: 'The URLs, by format.', schema: locatorPathsSchema } },
    handle: async (request) => ({
      status: 200,
      body: await showLocatorPaths(deps, await locatorOf(deps, request), request.base),
    }),
  })
}

function removal(deps: LocatorDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteLocator',
    summary: 'Revoke a locator: it answers no more from the next request on',
    tag,
    access: { action: 'delete', resource: 'locator' },
    answers: { 204: { description: 'It is revoked.' } },
    async handle(request) {
      const locator = await locatorOf(deps, request)
      const changes = request.changes('locator.delete', subjectOf(locator))
      changes.delete('locator', locator)
      changes.event(newEvent('locator.deleted', locator, { assetId: locator.assetId }, deps.clock.now()))
      await request.commit(changes)
      await deps.publications.withdrawn(locator.id)
      return { status: 204 }
    },
  })
}
