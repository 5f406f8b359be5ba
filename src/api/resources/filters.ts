import { assertQuota } from '../../domain/account.ts'
import { type Filter, filterCreateSchema, filterPatchSchema, filterSchema, newFilter } from '../../domain/filter.ts'
import { idSchema, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'

const path = '/v1/filters'
const onePath = `${path}/{filterId}`
const tag = 'filters'
const entityAnswer = { description: 'The filter.', schema: filterSchema }

const description = `Players name filters in a manifest's URL, \`index.m3u8?filter=A;B\` or \`manifest(format=…,filter=A;B)\`, three at most: what all of them
let through is shown. A locator's own \`filters\` hold besides, for everything under it. A filter of the asset goes before one of
the account with the same name. Segments stay whole, and keep their numbers and URLs.

| \`timeRange\` | live | ended, on-demand |
|---|---|---|
| \`start\` | holds | holds |
| \`end\` | only with \`forceEnd\` | holds |
| \`liveBackoff\` | holds | – |
| \`presentationWindow\` | holds, where it is shorter than the program’s | until it is on-demand |`

/** `/v1/filters`: of the account, and of assets. */
export function filterRoutes(deps: ResourceDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), removal(deps)]
}

async function filterOf(deps: ResourceDeps, request: RestRequest): Promise<Filter> {
  const found = await deps.repository.get('filter', request.params['filterId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function subjectOf({ id, name }: Pick<Filter, 'id' | 'name'>) {
  return { kind: 'filter', id, name } as const
}

function listing(deps: ResourceDeps): Route {
  const assetId = idSchema('asset').optional().meta({ description: 'Only those of this asset.' })
  return route({
    method: 'get',
    path,
    operationId: 'listFilters',
    summary: 'List filters',
    tag,
    access: { action: 'read', resource: 'filter' },
    query: listQuerySchema.extend({ assetId }),
    answers: { 200: { description: 'A page of filters.', schema: pageSchema(filterSchema, 'Filter') } },
    handle(request) {
      const { assetId: wanted } = request.query
      return listAnswer(deps.repository, 'filter', request, {
        show: (filter) => filter,
        ...(wanted !== undefined && {
          reference: { relation: 'asset', id: wanted },
          belongs: (filter) => filter.assetId === wanted,
        }),
      })
    },
  })
}

function creation(deps: ResourceDeps): Route {
  const answer = (filter: Filter) => ({ status: 201, body: filter, headers: { Location: `${path}/${filter.id}` } })
  return route({
    method: 'post',
    path,
    operationId: 'createFilter',
    summary: 'Create a filter, of the account or of one asset',
    description,
    tag,
    access: { action: 'create', resource: 'filter' },
    body: filterCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      const [account, used] = await Promise.all([
        deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
        deps.repository.count('filter', accountId),
        body.assetId === undefined
          ? undefined
          : referred(deps.repository, 'asset', body.assetId, accountId, '/assetId'),
      ])
      assertQuota(account, 'filters', used)
      const draft = newFilter(body, accountId, deps.random)
      const changes = request.changes('filter.create', subjectOf(draft))
      const handle = changes.create('filter', draft)
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return answer(done.get(handle))
    },
    recall: async (request, { id }) => answer(await deps.repository.get('filter', id, request.accountId)),
  })
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getFilter',
    summary: 'Read a filter',
    tag,
    access: { action: 'read', resource: 'filter' },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: await filterOf(deps, request) }),
  })
}

function changing(deps: ResourceDeps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateFilter',
    summary: 'Change a filter: it holds for the next request of everybody who names it',
    tag,
    access: { action: 'update', resource: 'filter' },
    body: filterPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await filterOf(deps, request)
      const next = patched(filterSchema, filterPatchSchema, current, request.body)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: current }
      const changes = request.changes('filter.update', subjectOf(current), fields)
      const handle = changes.update('filter', next)
      return { status: 200, body: (await request.commit(changes)).get(handle) }
    },
  })
}

function removal(deps: ResourceDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteFilter',
    summary: 'Delete a filter: URLs that name it, and what locators with it publish, are 404 from then on',
    tag,
    access: { action: 'delete', resource: 'filter' },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const filter = await filterOf(deps, request)
      const changes = request.changes('filter.delete', subjectOf(filter))
      changes.delete('filter', filter)
      await request.commit(changes)
      return { status: 204 }
    },
  })
}
