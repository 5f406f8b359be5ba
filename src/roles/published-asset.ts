import type { DeliveryTerms } from '../domain/delivery-terms.ts'
import type { Locator } from '../domain/locator.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Publication } from '../log/feed-messages.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { type AssetDelivery, readAssetDelivery } from './asset-delivery.ts'

/** An asset with a presentation on this node. */
export type AssetHere = { readonly assetId: string; readonly accountId: string; readonly manifestName: string }

/** What its locators are read from and published to. */
export type PublishedAssetPorts = {
  readonly repository: Pick<Repository, 'referring' | 'findAnywhere'>
  readonly directory: Pick<LogDirectory, 'publish' | 'withdraw'>
  readonly clock: Clock
  readonly logger: Logger
}

const RETRY_MS = 1_000

/** The locators of one asset that has a presentation on this node, published while its account's endpoints run. */
export class PublishedAsset {
  readonly #here: AssetHere
  readonly #mayPublish: () => boolean
  readonly #ports: PublishedAssetPorts
  readonly #locators = new Map<string, Locator>()
  /** What was added and removed since the reading that is under way began: it may not know of that. */
  #sinceReading: Map<string, Locator | undefined> | undefined
  /** How it may be delivered; `undefined`: not read yet, and until then nothing is published. */
  #delivery: AssetDelivery | undefined
  #tried: Promise<void> = Promise.resolve()
  #isReadingWanted = false
  #isRead = false
  #retry: Timer | undefined
  #stopped = false

  constructor(here: AssetHere, mayPublish: () => boolean, ports: PublishedAssetPorts) {
    this.#here = here
    this.#mayPublish = mayPublish
    this.#ports = ports
  }

  get accountId(): string {
    return this.#here.accountId
  }

  get manifestName(): string {
    return this.#here.manifestName
  }

  /** Resolves when the locators were read and origin threads know of them, or reading them has failed. */
  get tried(): Promise<void> {
    return this.#tried
  }

  /** Whether the locators were read. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** Reads them all, and again until that succeeds. */
  read(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    if (this.#isReadingWanted) return
    this.#isReadingWanted = true
    this.#tried = this.#tried.then(() => this.#read())
  }

  add(locator: Locator): void {
    this.#sinceReading?.set(locator.id, locator)
    this.#locators.set(locator.id, locator)
    if (this.#delivery?.knows(locator) === false) this.read()
    else if (this.#mayPublish()) void this.#publishOne(locator)
  }

  /** Whether what may be delivered, and how, follows from this asset, policy or key. */
  isDeliveredBy(id: string): boolean {
    return id === this.#here.assetId || this.#delivery === undefined || this.#delivery.readFrom.has(id)
  }

  /** Whether it was there. What is published under it is withdrawn by who calls this. */
  remove(locatorId: string): boolean {
    this.#sinceReading?.set(locatorId, undefined)
    return this.#locators.delete(locatorId)
  }

  /** Resolves when every origin thread answers for them. */
  async publish(): Promise<void> {
    await Promise.all([...this.#locators.values()].map((locator) => this.#publishOne(locator)))
  }

  /** Resolves when none answers for them any more. */
  async withdraw(): Promise<void> {
    await Promise.all([...this.#locators.keys()].map((id) => this.#ports.directory.withdraw(id)))
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
  }

  async #read(): Promise<void> {
    this.#isReadingWanted = false
    if (this.#stopped) return
    const { repository, clock, logger } = this.#ports
    const { accountId, assetId } = this.#here
    this.#sinceReading = new Map()
    try {
      const found = await repository.referring('locator', accountId, { relation: 'asset', id: assetId })
      const delivery = await readAssetDelivery(repository, assetId, [...found, ...this.#addedMeanwhile()])
      if (this.#stopped) return
      this.#delivery = delivery
      await this.#become(new Map(found.map((locator) => [locator.id, locator])))
    } catch (error) {
      logger.warn({ assetId, error: messageOf(error) }, 'the locators of an asset could not be read; it is tried again')
      if (!this.#stopped) this.#retry = clock.after(RETRY_MS, () => this.read())
    }
  }

  async #become(found: Map<string, Locator>): Promise<void> {
    for (const [id, locator] of this.#sinceReading ?? []) {
      if (locator) found.set(id, locator)
      else found.delete(id)
    }
    this.#sinceReading = undefined
    this.#isRead = true
    const gone = [...this.#locators.keys()].filter((id) => !found.has(id))
    for (const id of gone) this.#locators.delete(id)
    for (const locator of found.values()) this.#locators.set(locator.id, locator)
    const withdrawn = gone.map((id) => this.#ports.directory.withdraw(id))
    if (this.#mayPublish()) await this.publish()
    await Promise.all(withdrawn)
  }

  #addedMeanwhile(): readonly Locator[] {
    return [...(this.#sinceReading?.values() ?? [])].filter((locator) => locator !== undefined)
  }

  async #publishOne(locator: Locator): Promise<void> {
    // What is not known to be allowed in the clear is not published yet.
    if (!this.#delivery) return
    if (!this.#delivery.knows(locator)) return this.read()
    await this.#ports.directory.publish(publicationOf(locator, this.#here, this.#delivery.termsOf(locator)))
  }
}

/** How a locator publishes a presentation: its times are kept to by the origin at each request. */
function publicationOf(
  { id, assetId, start, expiry, filters }: Locator,
  { accountId, manifestName }: AssetHere,
  delivery: DeliveryTerms | undefined,
): Publication {
  return {
    locatorId: id,
    manifestName,
    presentationId: assetId,
    accountId,
    ...(start !== undefined && { notBeforeMs: Date.parse(start) }),
    ...(expiry !== undefined && { notAfterMs: Date.parse(expiry) }),
    ...(filters && filters.length > 0 && { filters }),
    ...(delivery && { delivery }),
  }
}
