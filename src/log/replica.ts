import type { ArchivePlace } from '../domain/archive-place.ts'
import type { FileSet } from '../domain/file-set.ts'
import type { AccountRules } from '../domain/serving-rules.ts'
import type { TextSet } from '../domain/text-sidecar.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { partVersionOf } from '../presentation/live-version.ts'
import { Presentation } from '../presentation/presentation.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { FeedBatch, FeedEntry, FeedPort, FeedReply, Publication, SentFragment } from './feed-messages.ts'
import { SegmentBytes } from './segment-bytes.ts'
import { VersionWaiters } from './version-waiters.ts'

/** A publication and the presentation under it. Whether it is valid now, and for this viewer, is for the reader to see to. */
export type PublishedPresentation = Omit<Publication, 'presentationId' | 'accountId'> & {
  readonly view: PresentationView
  /** Of the account; `undefined` where it has none. */
  readonly rules?: AccountRules
}

/** A publication of uploaded files, of which nothing has been read yet. */
export type PublishedSet = Omit<PublishedPresentation, 'view'> & { readonly set: FileSet }

/** Who is told what a replica learns beside the logs. */
export type ReplicaOptions = {
  readonly onFailure?: (reason: string) => void
  /** Content keys of an account, or who gets them, have changed; without one: of any. */
  readonly onKeysChanged?: (accountId?: string) => void
}

type Copy = {
  readonly presentation: Presentation
  readonly bytes: SegmentBytes<SentFragment>
  readonly place: ArchivePlace | undefined
}

/** A publication as its readers see it. */
export function publishedAs(
  publication: Publication,
  view: PresentationView,
  rules: AccountRules | undefined,
): PublishedPresentation {
  return { ...termsOf(publication, rules), view }
}

function termsOf(publication: Publication, rules: AccountRules | undefined): Omit<PublishedPresentation, 'view'> {
  const { presentationId: _presentation, accountId: _account, ...terms } = publication
  return rules ? { ...terms, rules } : terms
}

/**
 * A thread's copy of the logs that are fed to it. Everything is answered from memory; media bytes are views on
 * shared memory. Says hello when it is made; `ready` resolves when it has everything that there was then.
 */
export class Replica {
  readonly ready: Promise<void>
  readonly #port: FeedPort
  readonly #onFailure: (reason: string) => void
  readonly #onKeysChanged: (accountId?: string) => void
  readonly #regions = new Map<number, SharedArrayBuffer>()
  readonly #copies = new Map<string, Copy>()
  /** Copies that are not complete yet; what was there before is served until they are. */
  readonly #growing = new Map<string, Copy>()
  readonly #publications = new Map<string, Publication>()
  readonly #fileSets = new Map<string, FileSet>()
  readonly #textSets = new Map<string, TextSet>()
  readonly #rules = new Map<string, AccountRules>()
  readonly #waiters = new VersionWaiters()
  readonly #partWaiters = new VersionWaiters(partVersionOf)
  #markReady: () => void = () => undefined
  #hasFailed = false

  constructor(port: FeedPort, options: ReplicaOptions = {}) {
    this.#port = port
    this.#onFailure = options.onFailure ?? (() => undefined)
    this.#onKeysChanged = options.onKeysChanged ?? (() => undefined)
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve
    })
    port.on('message', this.#onMessage)
    this.#reply({ kind: 'hello' })
  }

  /** By the locator's id, whose case does not matter. */
  find(locatorId: string): PublishedPresentation | undefined {
    const publication = this.#publications.get(locatorId.toLowerCase())
    const copy = publication && this.#copies.get(publication.presentationId)
    return copy && publishedAs(publication, copy.presentation, this.#rulesOf(publication))
  }

  /** The files that a locator publishes, where there is no presentation under it. */
  findFiles(locatorId: string): PublishedSet | undefined {
    const publication = this.#publications.get(locatorId.toLowerCase())
    if (!publication || this.#copies.has(publication.presentationId)) return undefined
    const set = this.#fileSets.get(publication.presentationId)
    return set && { ...termsOf(publication, this.#rulesOf(publication)), set }
  }

  /** The text files of the asset that a locator publishes. */
  findTexts(locatorId: string): TextSet | undefined {
    const publication = this.#publications.get(locatorId.toLowerCase())
    return publication && this.#textSets.get(publication.presentationId)
  }

  /** What holds for all that an account publishes; `undefined`: it publishes nothing here. */
  accountRules(accountId: string): AccountRules | undefined {
    return this.#rules.get(accountId)
  }

  #rulesOf({ accountId }: Publication): AccountRules | undefined {
    return accountId === undefined ? undefined : this.#rules.get(accountId)
  }

  /**
   * The fragments of one rendition in one segment, in order; of the one that is open what is there. They stay what they are until `signal` is aborted, which
   * the caller does when it is done: their memory is then used for other fragments.
   */
  read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): readonly Uint8Array[] | undefined {
    const copy = this.#copies.get(presentationId)
    const track = copy?.presentation.trackOf(renditionIndex, sequence)
    const fragments = track === undefined ? undefined : copy?.bytes.lease(sequence, track, signal)
    return fragments?.map((fragment) => this.#view(fragment))
  }

  /** Whether `read` gives anything. */
  holds(presentationId: string, renditionIndex: number, sequence: number): boolean {
    const copy = this.#copies.get(presentationId)
    const track = copy?.presentation.trackOf(renditionIndex, sequence)
    return track !== undefined && copy?.bytes.get(sequence, track) !== undefined
  }

  /** What a presentation says of media that is not in memory, and where that is read from. */
  recorded(presentationId: string): { readonly view: PresentationView; readonly place: ArchivePlace } | undefined {
    const copy = this.#copies.get(presentationId)
    return copy?.place && { view: copy.presentation, place: copy.place }
  }

  /**
   * Resolves with the presentation at `version` or later, with `undefined` when it is unknown or goes away; rejects with
   * the signal's reason. A fresh copy may wake a waiter early: it looks again.
   */
  wait(presentationId: string, version: number, signal: AbortSignal): Promise<PresentationView | undefined> {
    return this.#waiters.wait(this.#copies.get(presentationId)?.presentation, version, signal)
  }

  /** As `wait`, for `live.partVersion`. */
  waitForPart(presentationId: string, partVersion: number, signal: AbortSignal): Promise<PresentationView | undefined> {
    return this.#partWaiters.wait(this.#copies.get(presentationId)?.presentation, partVersion, signal)
  }

  /** Hears nothing more; nothing is read after this. */
  stop(): void {
    this.#port.off('message', this.#onMessage)
    for (const presentationId of [...this.#copies.keys()]) this.#close(presentationId)
  }

  readonly #onMessage = (message: unknown): void => {
    const batch = message as FeedBatch
    for (const entry of batch.entries) {
      if (this.#hasFailed && entry.kind !== 'reset') {
        this.#skip(entry)
        continue
      }
      try {
        this.#apply(entry)
      } catch (error) {
        this.#fail(entry, messageOf(error))
      }
    }
    this.#reply({ kind: 'ack', serial: batch.serial })
  }

  /** What was not applied leaves a hole: all that follows is passed over until everything comes anew. */
  #fail(entry: FeedEntry, reason: string): void {
    this.#hasFailed = true
    this.#skip(entry)
    this.#onFailure(reason)
    this.#reply({ kind: 'failed', reason })
  }

  #skip(entry: FeedEntry): void {
    if (entry.kind === 'region') this.#regions.set(entry.region, entry.buffer)
    else if (entry.kind === 'record' || entry.kind === 'bytes') this.#giveBack(entry.fragments)
  }

  #apply(entry: FeedEntry): void {
    if (entry.kind === 'record') this.#applyRecord(entry.presentationId, entry.record, entry.fragments)
    else if (entry.kind === 'begin') this.#begin(entry)
    else if (entry.kind === 'bytes') this.#addBytes(entry)
    else if (entry.kind === 'cooled') this.#cool(entry.presentationId, entry.firstSequence)
    else if (entry.kind === 'ready') this.#complete(entry.presentationId)
    else if (entry.kind === 'closed') this.#close(entry.presentationId)
    else if (entry.kind === 'region') this.#regions.set(entry.region, entry.buffer)
    else if (entry.kind === 'reset') this.#reset(entry.publications, new Set(entry.presentationIds))
    else if (entry.kind === 'publish') this.#publish(entry.publication)
    else if (entry.kind === 'withdraw') this.#publications.delete(entry.locatorId.toLowerCase())
    else if (entry.kind === 'files') this.#fileSets.set(entry.set.assetId, entry.set)
    else if (entry.kind === 'files-closed') this.#fileSets.delete(entry.assetId)
    else if (entry.kind === 'texts') this.#textSets.set(entry.set.assetId, entry.set)
    else if (entry.kind === 'texts-closed') this.#textSets.delete(entry.assetId)
    else if (entry.kind === 'rules') this.#rules.set(entry.rules.accountId, entry.rules)
    else if (entry.kind === 'keys-changed') this.#onKeysChanged(entry.accountId)
    else if (entry.kind === 'synced') this.#markReady()
  }

  #publish(publication: Publication): void {
    this.#publications.set(publication.locatorId.toLowerCase(), publication)
  }

  #reset(publications: readonly Publication[], presentationIds: ReadonlySet<string>): void {
    this.#hasFailed = false
    this.#onKeysChanged()
    this.#publications.clear()
    this.#fileSets.clear()
    this.#textSets.clear()
    this.#rules.clear()
    for (const publication of publications) this.#publish(publication)
    for (const presentationId of [...this.#copies.keys(), ...this.#growing.keys()]) {
      if (!presentationIds.has(presentationId)) this.#close(presentationId)
    }
  }

  #begin({ presentationId, snapshot, place }: FeedEntry & { readonly kind: 'begin' }): void {
    this.#growing.get(presentationId)?.bytes.clear()
    const bytes = new SegmentBytes<SentFragment>(
      (fragment) => fragment.sizeBytes,
      (fragments) => this.#giveBack(fragments),
    )
    this.#growing.set(presentationId, { presentation: Presentation.from(snapshot), bytes, place })
  }

  #addBytes({ presentationId, sequence, track, fragments }: FeedEntry & { readonly kind: 'bytes' }): void {
    const copy = this.#growing.get(presentationId)
    if (!copy) this.#giveBack(fragments)
    else for (const fragment of fragments) copy.bytes.add(sequence, track, fragment)
  }

  #applyRecord(presentationId: string, record: LogRecord, fragments: readonly SentFragment[]): void {
    const copy = this.#growing.get(presentationId) ?? this.#copies.get(presentationId)
    if (!copy) {
      this.#giveBack(fragments)
      return
    }
    copy.presentation.apply(record)
    if (record.type === 'fragment') {
      for (const fragment of fragments) copy.bytes.add(record.sequence, record.track, fragment)
    }
    if (record.type === 'evicted') copy.bytes.dropBefore(record.firstSequence)
    if (copy !== this.#copies.get(presentationId)) return
    this.#waiters.moved(copy.presentation)
    this.#partWaiters.moved(copy.presentation)
  }

  #cool(presentationId: string, firstSequence: number): void {
    const copy = this.#growing.get(presentationId) ?? this.#copies.get(presentationId)
    copy?.bytes.dropBefore(firstSequence)
  }

  #complete(presentationId: string): void {
    const copy = this.#growing.get(presentationId)
    if (!copy) return
    this.#copies.get(presentationId)?.bytes.clear()
    this.#growing.delete(presentationId)
    this.#copies.set(presentationId, copy)
    this.#waiters.renewed(presentationId, copy.presentation)
    this.#partWaiters.renewed(presentationId, copy.presentation)
  }

  #close(presentationId: string): void {
    this.#copies.get(presentationId)?.bytes.clear()
    this.#growing.get(presentationId)?.bytes.clear()
    this.#copies.delete(presentationId)
    this.#growing.delete(presentationId)
    this.#waiters.renewed(presentationId, undefined)
    this.#partWaiters.renewed(presentationId, undefined)
  }

  #view({ region, byteOffset, sizeBytes }: SentFragment): Uint8Array {
    const buffer = this.#regions.get(region)
    if (!buffer) throw new AppError('INTERNAL', `memory region ${region} was not announced`)
    return new Uint8Array(buffer, byteOffset, sizeBytes)
  }

  #giveBack(fragments: readonly SentFragment[]): void {
    if (fragments.length === 0) return
    this.#reply({ kind: 'released', tokens: fragments.map((fragment) => fragment.token) })
  }

  #reply(reply: FeedReply): void {
    this.#port.postMessage(reply)
  }
}
