import { assertQuota } from '../../domain/account.ts'
import { filterCreateSchema, filterPatchSchema, filterSchema, newFilter } from '../../domain/filter.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import type { Route } from '../rest/route.ts'
import { namedResourceRoutes } from './named-resource.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'

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
  const { repository, random } = deps
  return namedResourceRoutes(deps, {
    kind: 'filter',
    collection: 'filters',
    names: ['Filter', 'Filters'],
    schemas: { entity: filterSchema, view: filterSchema, create: filterCreateSchema, patch: filterPatchSchema },
    texts: {
      entity: 'The filter.',
      page: 'A page of filters.',
      list: 'List filters',
      create: 'Create a filter, of the account or of one asset',
      description,
      read: 'Read a filter',
      update: 'Change a filter: it holds for the next request of everybody who names it',
      delete: 'Delete a filter: URLs that name it, and what locators with it publish, are 404 from then on',
    },
    assetOf: ({ assetId }) => assetId,
    async make({ accountId, body }) {
      const { assetId } = body
      const [account, used] = await Promise.all([
        repository.get('account', accountId, SYSTEM_ACCOUNT),
        repository.count('filter', accountId),
        assetId === undefined ? undefined : referred(repository, 'asset', assetId, accountId, '/assetId'),
      ])
      assertQuota(account, 'filters', used)
      return newFilter(body, accountId, random)
    },
  })
}
