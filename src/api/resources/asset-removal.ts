import { z } from 'zod'
import { type Asset, deleteAsset } from '../../domain/asset.ts'
import type { ChangeSet } from '../../domain/change-set.ts'
import { newEvent } from '../../domain/events.ts'
import { announce } from '../../domain/lifecycle.ts'
import type { Locator } from '../../domain/locator.ts'
import { assetFolder, newStorageTask } from '../../domain/storage-task.ts'
import { assertSeen } from '../rest/etag.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { LocatorDeps } from './locator-deps.ts'
import { assetOf, assetPath, assetSubject, placeOf, type StorageDeps } from './storage-deps.ts'

/** What deleting an asset needs: its locators go with it. */
export type AssetRemovalDeps = StorageDeps & LocatorDeps

/** A transaction holds 100 writes; a locator takes two. */
const LOCATORS_AT_ONCE = 40

/** The asset, its files, with `force` its locators, and by and by what lies in storage. */
export function assetRemoval(deps: AssetRemovalDeps): Route {
  const force = z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'Also one that is published: its locators go too.' })
  return route({
    method: 'delete',
    path: assetPath,
    operationId: 'deleteAsset',
    summary: 'Delete an asset with its files',
    tag: 'assets',
    access: { action: 'delete', resource: 'asset' },
    query: z.strictObject({ force }),
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const asset = await assetOf(deps, request)
      assertSeen(request.ifMatch, asset)
      const locators = await assertUnused(deps, asset, request.query.force === 'true')
      const rest = await thinOut(deps, request, asset, locators)
      const place = await placeOf(deps, asset)
      const changes = request.changes('asset.delete', assetSubject(asset))
      revoke(changes, rest, deps.clock.now())
      changes.delete('asset', asset)
      changes.create('storage-task', newStorageTask(place, removalOf(asset), deps.random))
      announce(changes, 'asset.deleted', asset, deps.clock.now())
      await request.commit(changes)
      deps.storageTasks.nudge()
      await withdraw(deps, rest)
      return { status: 204 }
    },
  })
}

function removalOf(asset: Asset) {
  return { kind: 'remove-folder', folder: assetFolder(asset.id) } as const
}

/** The locators that go with the asset. @throws AppError as `deleteAsset` */
async function assertUnused(deps: AssetRemovalDeps, asset: Asset, force: boolean): Promise<Locator[]> {
  const reference = { relation: 'asset', id: asset.id }
  const [programs, locators] = await Promise.all([
    deps.repository.referring('program', asset.accountId, reference),
    deps.repository.referring('locator', asset.accountId, reference),
  ])
  const ids = (entities: readonly { readonly id: string }[]) => entities.map(({ id }) => id)
  deleteAsset(asset, { programs: ids(programs), jobs: [], locators: ids(locators) }, force)
  return locators
}

/** Revokes what the last transaction would have no room for; gives the rest. */
async function thinOut(
  deps: AssetRemovalDeps,
  request: RestRequest,
  asset: Asset,
  locators: readonly Locator[],
): Promise<readonly Locator[]> {
  let first = 0
  for (; locators.length - first > LOCATORS_AT_ONCE; first += LOCATORS_AT_ONCE) {
    const some = locators.slice(first, first + LOCATORS_AT_ONCE)
    const changes = request.changes('asset.revoke-locators', assetSubject(asset))
    revoke(changes, some, deps.clock.now())
    await request.commit(changes)
    await withdraw(deps, some)
  }
  return locators.slice(first)
}

function revoke(changes: ChangeSet, locators: readonly Locator[], nowMs: number): void {
  for (const locator of locators) {
    changes.delete('locator', locator)
    changes.event(newEvent('locator.deleted', locator, { assetId: locator.assetId }, nowMs))
  }
}

async function withdraw(deps: LocatorDeps, locators: readonly Locator[]): Promise<void> {
  await Promise.all(locators.map(({ id }) => deps.publications.withdrawn(id)))
}
