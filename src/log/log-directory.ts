import type { ArchivePlace } from '../domain/archive-place.ts'
import type { FileSet } from '../domain/file-set.ts'
import type { AccountRules } from '../domain/serving-rules.ts'
import type { TextSet } from '../domain/text-sidecar.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { partVersionOf } from '../presentation/live-version.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { FeedPort, Publication } from './feed-messages.ts'
import type { FeedLimits } from './feed-window.ts'
import type { FragmentMemory } from './fragment-memory.ts'
import type { PresentationLog } from './presentation-log.ts'
import { type PublishedPresentation, publishedAs } from './replica.ts'
import { type FeedState, ThreadFeed } from './thread-feed.ts'
import { VersionWaiters } from './version-waiters.ts'

/** What the directory and its feeds share. */
export type LogDirectoryOptions = {
  readonly memory: FragmentMemory
  readonly clock: Clock
  readonly feedLimits?: FeedLimits
}

/** A feed as its owner sees it. */
export type ConnectedFeed = {
  readonly state: FeedState
  /** Resolves when the replica has applied everything known now. */
  settled(): Promise<void>
  /** To be called when the replica's thread is gone, or has stopped reading. */
  stop(): void
}

/**
 * The logs that this process writes and the locators under which they are published: fed to every replica that is
 * connected, and readable in this thread with the same answers.
 */
export class LogDirectory {
  readonly #options: LogDirectoryOptions
  readonly #logs = new Map<string, PresentationLog>()
  readonly #places = new Map<string, ArchivePlace>()
  readonly #publications = new Map<string, Publication>()
  readonly #fileSets = new Map<string, FileSet>()
  readonly #textSets = new Map<string, TextSet>()
  readonly #rules = new Map<string, AccountRules>()
  readonly #feeds = new Set<ThreadFeed>()
  readonly #waiters = new VersionWaiters()
  readonly #partWaiters = new VersionWaiters(partVersionOf)

  constructor(options: LogDirectoryOptions) {
    this.#options = options
  }

  /** From now on the log is fed and readable, until it stops. `place`: where its recording lies. */
  open(log: PresentationLog, place?: ArchivePlace): void {
    if (this.#logs.has(log.id)) throw new AppError('INTERNAL', `presentation log ${log.id} is open already`)
    this.#logs.set(log.id, log)
    if (place) this.#places.set(log.id, place)
    for (const feed of this.#feeds) feed.opened(log)
    log.subscribe({
      appended: () => {
        this.#waiters.moved(log.view)
        this.#partWaiters.moved(log.view)
      },
      stopped: () => {
        this.#logs.delete(log.id)
        this.#places.delete(log.id)
        this.#waiters.renewed(log.id, undefined)
        this.#partWaiters.renewed(log.id, undefined)
      },
    })
  }

  /** What the locators of the asset publish as long as it has no log, in place of what they did. */
  openFiles(set: FileSet): void {
    this.#fileSets.set(set.assetId, set)
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'files', set })
  }

  closeFiles(assetId: string): void {
    if (!this.#fileSets.delete(assetId)) return
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'files-closed', assetId })
  }

  /** The text files that are shown beside what the asset publishes, in place of those that were. */
  openTexts(set: TextSet): void {
    this.#textSets.set(set.assetId, set)
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'texts', set })
  }

  closeTexts(assetId: string): void {
    if (!this.#textSets.delete(assetId)) return
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'texts-closed', assetId })
  }

  /** What holds for all that the account publishes, in place of what did; resolves when every replica has it. */
  async setRules(rules: AccountRules): Promise<void> {
    this.#rules.set(rules.accountId, rules)
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'rules', rules })
    await this.#settled()
  }

  /** Content keys of the account (without one: of any), or who gets them, have changed; resolves when no replica goes by what was before. */
  async keysChanged(accountId?: string): Promise<void> {
    const entry = { kind: 'keys-changed', ...(accountId !== undefined && { accountId }) } as const
    for (const feed of this.#feeds) feed.publicationChanged(entry)
    await this.#settled()
  }

  /** Publishes a presentation, or changes what is published under this locator; resolves when every replica has it. */
  async publish(publication: Publication): Promise<void> {
    this.#publications.set(publication.locatorId.toLowerCase(), publication)
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'publish', publication })
    await this.#settled()
  }

  /** Resolves when no replica answers for the locator any more. */
  async withdraw(locatorId: string): Promise<void> {
    this.#publications.delete(locatorId.toLowerCase())
    for (const feed of this.#feeds) feed.publicationChanged({ kind: 'withdraw', locatorId })
    await this.#settled()
  }

  /** Feeds the replica behind `port`, now and until the result is stopped. */
  connect(port: FeedPort): ConnectedFeed {
    const { memory, clock, feedLimits } = this.#options
    const feed = new ThreadFeed(port, {
      source: {
        publications: () => this.#publications.values(),
        fileSets: () => this.#fileSets.values(),
        textSets: () => this.#textSets.values(),
        rules: () => this.#rules.values(),
        logs: () => this.#logs.values(),
        log: (presentationId) => this.#logs.get(presentationId),
        place: (presentationId) => this.#places.get(presentationId),
      },
      memory,
      clock,
      ...(feedLimits && { limits: feedLimits }),
    })
    this.#feeds.add(feed)
    return {
      get state() {
        return feed.state
      },
      settled: () => feed.settled(),
      stop: () => {
        feed.stop()
        this.#feeds.delete(feed)
      },
    }
  }

  /** As `Replica.find`. */
  find(locatorId: string): PublishedPresentation | undefined {
    const publication = this.#publications.get(locatorId.toLowerCase())
    const log = publication && this.#logs.get(publication.presentationId)
    return log && publishedAs(publication, log.view, this.#rules.get(publication.accountId ?? ''))
  }

  /** As `Replica.read`. */
  read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): readonly Uint8Array[] | undefined {
    return this.#logs.get(presentationId)?.read(renditionIndex, sequence, signal)
  }

  /** As `Replica.wait`. */
  wait(presentationId: string, version: number, signal: AbortSignal): Promise<PresentationView | undefined> {
    return this.#waiters.wait(this.#logs.get(presentationId)?.view, version, signal)
  }

  /** As `Replica.waitForPart`. */
  waitForPart(presentationId: string, partVersion: number, signal: AbortSignal): Promise<PresentationView | undefined> {
    return this.#partWaiters.wait(this.#logs.get(presentationId)?.view, partVersion, signal)
  }

  async #settled(): Promise<void> {
    await Promise.all([...this.#feeds].map((feed) => feed.settled()))
  }
}
