import type { Change } from '../domain/entity-store.ts'
import type { Locator } from '../domain/locator.ts'
import type { Repository } from '../domain/repository.ts'
import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import { inTime } from '../lib/time-limit.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AccountRulesKeeper } from './account-rules.ts'
import { ChangedEntities } from './changed-entities.ts'
import type { FilePresentations, OpenedFiles } from './file-presentations.ts'
import type { PresentationShelf } from './presentation-shelf.ts'
import { PublishedAsset } from './published-asset.ts'

/** What the publisher works between. */
export type LocatorPublisherPorts = {
  readonly repository: Pick<Repository, 'referring' | 'findAnywhere'>
  readonly changes: ChangeSource
  readonly shelf: Pick<PresentationShelf, 'subscribe' | 'discard'>
  readonly files: Pick<FilePresentations, 'subscribe' | 'drop'>
  readonly directory: Pick<LogDirectory, 'publish' | 'withdraw'>
  readonly rules: Pick<AccountRulesKeeper, 'refresh' | 'close'>
  readonly clock: Clock
  readonly logger: Logger
}

/** What says how assets may be delivered. */
const deliveryKinds: ReadonlySet<string> = new Set([
  'asset',
  'delivery-policy',
  'content-key',
  'key-authorization-policy',
])
/** How long origin threads may take to say that they have heard. */
const THREADS_LIMIT_MS = 5_000

/**
 * Publishes the presentations of this node, and uploaded files, under their assets' locators, as long as a streaming endpoint of the
 * account runs. Only what has a presentation here is read and held: a locator made in advance is found when its program starts.
 */
export class LocatorPublisher implements Stoppable {
  /** What the supervisor starts and stops streaming endpoints by. */
  readonly endpoints: {
    start(endpoint: StreamingEndpoint): Promise<void>
    stop(endpoint: StreamingEndpoint): Promise<void>
  }
  readonly #ports: LocatorPublisherPorts
  readonly #assets = new Map<string, PublishedAsset>()
  /** The streaming endpoints that run, by account. */
  readonly #running = new Map<string, Set<string>>()
  /** The accounts of which one runs, and whose rules origins know: nothing is published before that. */
  readonly #ruled = new Set<string>()
  readonly #changed: ChangedEntities<'locator'>
  readonly #ends: (() => void)[] = []

  constructor(ports: LocatorPublisherPorts) {
    this.#ports = ports
    this.endpoints = {
      start: (endpoint) => this.#startEndpoint(endpoint),
      stop: (endpoint) => this.#stopEndpoint(endpoint),
    }
    const { repository, clock, logger } = ports
    this.#changed = new ChangedEntities('locator', { repository, clock, logger }, (locator) => this.#found(locator))
  }

  /** From now on it follows what is on the shelf and in the store. */
  begin(): void {
    const { changes, files, shelf } = this.#ports
    this.#ends.push(changes.onChange((list) => this.#follow(list)))
    this.#ends.push(changes.onReset(() => this.#startOver()))
    const listener = {
      opened: (id: string, presentation: OpenedFiles) => this.#opened(id, presentation),
      closed: (id: string) => this.#closed(id),
    }
    this.#ends.push(files.subscribe(listener), shelf.subscribe(listener))
  }

  /** Whether what locators publish of the asset is answered, while an endpoint runs. */
  knows(assetId: string): boolean {
    return this.#assets.get(assetId)?.isRead ?? false
  }

  /** Whether a streaming endpoint runs on this node. */
  isOpen({ id, accountId }: Pick<StreamingEndpoint, 'id' | 'accountId'>): boolean {
    return this.#running.get(accountId)?.has(id) ?? false
  }

  /** Resolves when the asset's locators were read and are answered; where the store is down, when that was tried. */
  async published(assetId: string): Promise<void> {
    const tried = this.#assets.get(assetId)?.tried
    // A thread that lags hears of it all the same.
    if (tried) await this.#inTime(tried).catch(() => undefined)
  }

  /**
   * A locator was deleted: resolves when no origin thread answers for it any more.
   * @throws AppError `PART_UNRESPONSIVE` where one of them does not say so in time
   */
  async withdrawn(locatorId: string): Promise<void> {
    this.#forget(locatorId)
    await this.#inTime(this.#ports.directory.withdraw(locatorId))
    // The same GUID may have been given to another locator already.
    if (this.#assets.size > 0) this.#changed.read(locatorId)
  }

  /**
   * How assets are delivered has changed: of an asset, a policy or a key. Resolves when every origin thread goes by it.
   * @throws AppError `PART_UNRESPONSIVE` where one of them does not say so in time
   */
  async deliveryChanged(id: string): Promise<void> {
    await this.#inTime(Promise.all(this.#readDeliveredBy(id)).then(() => undefined))
  }

  #readDeliveredBy(id: string): Promise<void>[] {
    return [...this.#assets.values()]
      .filter((asset) => asset.isDeliveredBy(id))
      .map((asset) => {
        asset.read()
        return asset.tried
      })
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#changed.stop()
    for (const asset of this.#assets.values()) asset.stop()
    this.#assets.clear()
  }

  async #startEndpoint({ id, accountId }: StreamingEndpoint): Promise<void> {
    const running = this.#running.get(accountId) ?? new Set()
    this.#running.set(accountId, running)
    running.add(id)
    await this.#inTime(this.#ports.rules.refresh(accountId, running))
    // It may have been stopped meanwhile.
    if (this.#running.has(accountId)) this.#ruled.add(accountId)
    if (this.#ruled.has(accountId)) await this.#inTime(this.#ofAccount(accountId, (asset) => asset.publish()))
  }

  async #stopEndpoint({ id, accountId }: StreamingEndpoint): Promise<void> {
    const running = this.#running.get(accountId)
    running?.delete(id)
    if (running && running.size > 0) {
      await this.#inTime(this.#ports.rules.refresh(accountId, running))
      return
    }
    this.#running.delete(accountId)
    this.#ruled.delete(accountId)
    // Keys go by the rules, media by what is published.
    await this.#inTime(this.#ports.rules.close(accountId))
    await this.#inTime(this.#ofAccount(accountId, (asset) => asset.withdraw()))
  }

  #inTime(done: Promise<void>): Promise<void> {
    const late = 'A streaming thread has not confirmed what is published.'
    return inTime(this.#ports.clock, THREADS_LIMIT_MS, late, done)
  }

  async #ofAccount(accountId: string, move: (asset: PublishedAsset) => Promise<void>): Promise<void> {
    await Promise.all([...this.#assets.values()].filter((asset) => asset.accountId === accountId).map(move))
  }

  #opened(assetId: string, { accountId, manifestName }: OpenedFiles): void {
    const known = this.#assets.get(assetId)
    if (known?.manifestName === manifestName) return
    known?.stop()
    const { repository, directory, clock, logger } = this.#ports
    const asset = new PublishedAsset({ assetId, accountId, manifestName }, () => this.#ruled.has(accountId), {
      repository,
      directory,
      clock,
      logger,
    })
    this.#assets.set(assetId, asset)
    asset.read()
  }

  #closed(assetId: string): void {
    const asset = this.#assets.get(assetId)
    this.#assets.delete(assetId)
    asset?.stop()
    // Without a presentation nothing is answered, whoever has heard of this.
    void asset?.withdraw()
  }

  #follow(changes: readonly Change[]): void {
    for (const { kind, id, op } of changes) {
      if (kind === 'asset' && op === 'delete') this.#discard(id)
      else if (deliveryKinds.has(kind)) void Promise.all(this.#readDeliveredBy(id))
      if (kind !== 'locator') continue
      if (op === 'delete') {
        if (this.#forget(id)) void this.#ports.directory.withdraw(id)
      } else if (this.#assets.size > 0) this.#changed.read(id)
    }
  }

  #discard(assetId: string): void {
    this.#ports.files.drop(assetId)
    this.#ports.shelf.discard(assetId)
  }

  #found(locator: Locator): void {
    this.#assets.get(locator.assetId)?.add(locator)
  }

  /** Whether it was published. */
  #forget(locatorId: string): boolean {
    this.#changed.forget(locatorId)
    let wasHere = false
    for (const asset of this.#assets.values()) wasHere = asset.remove(locatorId) || wasHere
    return wasHere
  }

  /** Changes were missed: assets may be gone as well. */
  #startOver(): void {
    for (const [assetId, asset] of this.#assets) {
      asset.read()
      this.#ports.repository.findAnywhere('asset', assetId).then(
        (found) => {
          if (!found) this.#discard(assetId)
        },
        (error: unknown) => this.#ports.logger.warn({ err: error, assetId }, 'an asset could not be looked for'),
      )
    }
  }
}
