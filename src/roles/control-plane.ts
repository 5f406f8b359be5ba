import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Auth } from '../api/auth/open-auth.ts'
import type { Config } from '../config/schema.ts'
import type { Account } from '../domain/account.ts'
import type { Store } from '../domain/entity-store.ts'
import { Repository } from '../domain/repository.ts'
import type { SecretKeeper } from '../domain/stored-secret.ts'
import { EventFeed } from '../events/event-feed.ts'
import { EventRecorder } from '../events/event-recorder.ts'
import type { ContentKeys } from '../keys/content-keys.ts'
import type { StorageKeys } from '../keys/storage-keys.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Scope } from '../lib/scope.ts'
import { ChangeFeed } from '../store/change-feed.ts'
import { openStore } from '../store/open-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { applyBootstrap, type FirstProgram } from './bootstrap.ts'
import type { DataDir } from './data-dir.ts'
import { openNodeAuth } from './node-auth.ts'
import { openNodeKeys } from './node-keys.ts'

/** What a control plane is opened with. */
export type ControlPlanePorts = {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly dataDir: DataDir
  readonly demo: boolean
}

/** What the store knows, what happens, and who may ask. */
export type ControlPlane = {
  readonly store: Store
  readonly repository: Repository
  readonly changes: ChangeFeed
  readonly recorder: EventRecorder
  readonly feed: EventFeed
  readonly auth: Auth
  /** The keys under which assets are encrypted. */
  readonly storageKeys: StorageKeys
  /** The keys that media is encrypted with on its way to players. */
  readonly contentKeys: ContentKeys
  /** How the secrets of storage accounts are kept. */
  readonly secrets: SecretKeeper
  readonly account: Account
  /** Absent where only somebody else knows it. */
  readonly systemApiKey: string | undefined
  /** The configuration's first program, as the store has it. */
  readonly first: FirstProgram | undefined
}

/**
 * Opens the store, makes what a first start makes, and begins to follow what is written. Everything is the scope's to stop.
 *
 * @throws AppError `STORE_DOWN`, `STORE_SCHEMA_NEWER`, `CONFIG_INVALID`, `STATE_UNWRITABLE`
 */
export async function openControlPlane(ports: ControlPlanePorts, scope: Scope): Promise<ControlPlane> {
  const { config, clock, logger, metrics, dataDir } = ports
  const url = config.store.url?.reveal() ?? `sqlite:${join(dataDir.path, 'headend.db')}`
  const store = scope.own('store', await openStore({ url, timeoutMs: config.store.timeout }, { clock, logger }))
  const repository = new Repository(store)
  const { auth, account, systemApiKey } = await openNodeAuth(config.auth, { store, clock, logger, dataDir })
  const { keys: storageKeys, contentKeys, secrets } = openNodeKeys(config, { repository, clock, logger }, scope)
  const bootstrapPorts = { repository, clock, random: randomBytes, logger }
  const first = await applyBootstrap(config.bootstrap, account, bootstrapPorts, ports.demo)
  const changes = scope.own('change feed', new ChangeFeed({ store, clock, logger }))
  const feed = scope.own('event feed', new EventFeed({ log: store, changes, clock, logger }))
  const observer = metrics.events
  const recorder = new EventRecorder({ store, clock, logger, observer, onRecorded: () => feed.ring() })
  scope.own('event recorder', recorder)
  await changes.start()
  return {
    store,
    repository,
    changes,
    recorder,
    feed,
    auth,
    storageKeys,
    contentKeys,
    secrets,
    account,
    systemApiKey,
    first,
  }
}
