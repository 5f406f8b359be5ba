import { randomBytes } from 'node:crypto'
import { apiRoutes } from '../api/api-routes.ts'
import { docsRoutes } from '../api/docs/docs-routes.ts'
import { eventsUpgrade } from '../api/events/events-upgrade.ts'
import type { PublicAddresses } from '../api/resources/ports.ts'
import { restRouter } from '../api/rest/rest-router.ts'
import type { ControlDeps } from '../api/routes.ts'
import type { Scope, Stoppable } from '../lib/scope.ts'
import { StorageJanitor } from '../storage/storage-janitor.ts'
import { UsageMeter } from '../storage/usage-meter.ts'
import { OperationWatch } from '../supervisor/operation-watch.ts'
import { openClips } from './clips.ts'
import type { ControlPlane } from './control-plane.ts'
import type { House } from './house.ts'
import { keyDoorsOf } from './key-bureau.ts'
import type { NodeArchive } from './node-archive.ts'
import type { NodeChannels } from './node-channels.ts'
import { openWebhooks } from './webhooks.ts'

/**
 * The API of a node, for its control listener to serve. What it starts is the scope's to stop, but for the event sockets: they
 * are to be stopped before the listener, which would cut them without a word.
 */
export function openControlApi(
  house: House,
  control: ControlPlane,
  { media, shelf, storages }: NodeArchive,
  { channels, publisher }: NodeChannels,
  addresses: PublicAddresses,
  scope: Scope,
): { readonly deps: Pick<Required<ControlDeps>, 'routers' | 'upgrade'>; readonly sockets: Stoppable } {
  const { clock, config, ffmpeg, logger, metrics, version } = house
  const { auth, changes, contentKeys, feed, repository, secrets, storageKeys, store } = control
  const usage = scope.own('usage meter', new UsageMeter({ storage: media, clock }))
  const storageTasks = scope.own('storage janitor', new StorageJanitor({ repository, storage: media, clock, logger }))
  storageTasks.start()
  const clips = scope.own('clips', openClips({ repository, storages, shelf, ffmpeg, clock, logger }))
  clips.start()
  const operations = scope.own('operation watch', new OperationWatch({ repository, changes, clock, logger }))
  const routes = apiRoutes({
    repository,
    clock,
    random: randomBytes,
    operations,
    channels,
    addresses,
    publications: publisher,
    assetStorages: storages,
    storageKeys,
    storageTasks,
    clips,
    checkStorage: (place, call) => media.check(place, call),
    secrets,
    contentKeys,
    keyDoors: keyDoorsOf(house),
    usage,
    maxUploadBytes: config.storage.maxUploadSize,
    auth,
    records: store,
    allowPrivateTargets: config.events.allowPrivateTargets,
  })
  openWebhooks(house, control, scope)
  const sockets = eventsUpgrade({
    callers: auth.callers,
    changes,
    events: feed,
    clock,
    logger,
    observer: metrics.events,
    maxClients: config.events.maxClients,
    maxUnsentBytes: config.events.maxUnsentBytes,
  })
  const router = restRouter(routes, { clock, logger, store, callers: auth.callers, observer: metrics.control })
  const deps: Pick<Required<ControlDeps>, 'routers' | 'upgrade'> = {
    routers: [router, docsRoutes(routes, version)],
    upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
  }
  return { deps, sockets }
}
