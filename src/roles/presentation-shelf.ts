import type { Recording } from '../archive/recording.ts'
import type { RecordingOwner } from '../archive/recording-file.ts'
import type { ArchivePlace } from '../domain/archive-place.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { PresentationHeader, PresentationTerms } from '../presentation/records.ts'
import type { Archive, ArchivedLog } from './archive.ts'

/** A presentation on this node. */
export type ShelvedPresentation = RecordingOwner & {
  readonly log: PresentationLog
  readonly place: ArchivePlace
  /**
   * `growing`: a running channel writes it. `left`: its channel went away before it ended. `ended`: not all of it is in
   * storage, or somebody may still play its live window. `archived`: only its index is here.
   */
  readonly state: 'growing' | 'left' | 'ended' | 'archived'
  /** What records it; an archived one is recorded no more. */
  readonly recording: Recording | undefined
}

/** Hears which presentations there are; called in the turn in which it happens, and must not throw. */
export type ShelfListener = {
  opened(presentationId: string, presentation: ShelvedPresentation): void
  closed(presentationId: string): void
}

/** What a shelf stands on. */
export type ShelfPorts = {
  readonly archive: Archive
  readonly directory: LogDirectory
  readonly logger: Logger
  /** Memory for the indexes of archived presentations. */
  readonly indexBytes: number
}

/** Presentations of few segments are bounded by their number. */
const MAX_ARCHIVED = 1_000
const DEFAULT_MANIFEST_NAME = 'manifest'

/**
 * The presentations of this node, beyond the channels that make them: what is being recorded, what an earlier run left, and of
 * what is archived that which somebody has asked for.
 */
export class PresentationShelf implements Stoppable {
  readonly #ports: ShelfPorts
  readonly #listeners = new Set<ShelfListener>()
  /** In the order in which they were put here. */
  readonly #presentations = new Map<string, ShelvedPresentation>()
  readonly #loading = new Map<string, Promise<boolean>>()
  readonly #beginning = new Set<string>()

  constructor(ports: ShelfPorts) {
    this.#ports = ports
  }

  /** Puts here what an earlier run left. @throws AppError what the store throws */
  async recover(): Promise<void> {
    for (const { owner, log, place, recording, hasEnded } of await this.#ports.archive.recover()) {
      this.#open({ ...owner, log, place, recording, state: hasEnded ? 'ended' : 'left' })
      if (hasEnded) this.#awaitArchived(owner.assetId, recording)
    }
  }

  /** Tells the listener of everything that is there, and of every change from now on; the result ends that. */
  subscribe(listener: ShelfListener): () => void {
    this.#listeners.add(listener)
    for (const [id, presentation] of this.#presentations) listener.opened(id, presentation)
    return () => void this.#listeners.delete(listener)
  }

  find(presentationId: string): ShelvedPresentation | undefined {
    return this.#presentations.get(presentationId)
  }

  get all(): Iterable<ShelvedPresentation> {
    return this.#presentations.values()
  }

  /** Media bytes in memory of what no channel writes any more. */
  get endedBytes(): number {
    let sum = 0
    for (const { state, log } of this.#presentations.values()) if (state !== 'growing') sum += log.sizeBytes
    return sum
  }

  /** Where the media of a channel's presentations ends, 90 kHz: what it writes next begins later. */
  endTicks(channelId: string): number {
    let end = 0
    for (const presentation of this.#presentations.values()) {
      if (presentation.channelId === channelId) end = Math.max(end, presentation.recording?.rowsEnd?.endTicks ?? 0)
    }
    return end
  }

  /** Whether the channel has left a presentation that is to go on. */
  hasLeft(channelId: string): boolean {
    return [...this.#presentations.values()].some((found) => found.channelId === channelId && found.state === 'left')
  }

  /** @throws AppError `IN_USE` where a channel is writing a presentation of that id already. */
  assertFree(presentationId: string): void {
    const isTaken = this.#presentations.get(presentationId)?.state === 'growing' || this.#beginning.has(presentationId)
    if (isTaken) throw new AppError('IN_USE', `Another program is recording into the asset ${presentationId}.`)
  }

  /**
   * Begins to record into an asset: a presentation of its own, or, where the asset has one, that one goes on.
   *
   * @param fresh what stands over it where it is new, and says on which terms it goes on
   * @throws AppError `IN_USE`, `STATE_UNWRITABLE`, and what the storage and the store throw
   */
  async begin(owner: RecordingOwner, fresh: PresentationHeader, segmentMs: number): Promise<Recording> {
    const { assetId } = owner
    this.assertFree(assetId)
    this.#beginning.add(assetId)
    try {
      const found = this.#presentations.get(assetId)
      // Its spool is being removed: it goes on behind that.
      if (found?.log.view.archived) await found.recording?.archived
      const known = this.#presentations.get(assetId) ?? (await this.#stored(assetId))
      const recording = known?.recording ?? (await this.#record(owner, known, fresh))
      if (known) recording.resume(termsOf(fresh), segmentMs)
      const { log } = recording
      if (log !== this.#presentations.get(assetId)?.log) {
        const place = known?.place ?? (await this.#ports.archive.placeOf(assetId))
        this.#open({ ...owner, log: log as PresentationLog, place, recording, state: 'growing' })
      } else this.#move(assetId, { ...owner, recording, state: 'growing' })
      return recording
    } finally {
      this.#beginning.delete(assetId)
    }
  }

  /** Its channel went away; it may come back and go on. */
  leave(presentationId: string): void {
    this.#move(presentationId, { state: 'left' })
  }

  /** It ends, where it has not yet; resolves when the log shows that. One that nothing came into is not kept. */
  async end(presentationId: string): Promise<void> {
    const found = this.#presentations.get(presentationId)
    const recording = found?.recording
    if (!found || !recording || found.state === 'ended') return
    recording.end()
    await recording.settled()
    if (recording.rowsEnd === undefined) {
      this.discard(presentationId)
      return
    }
    this.#move(presentationId, { state: 'ended' })
    this.#awaitArchived(presentationId, recording)
  }

  /** Ends what a channel has left, because it is meant to be stopped. */
  endLeft(channelId: string): void {
    for (const [id, presentation] of [...this.#presentations]) {
      if (presentation.channelId === channelId && presentation.state === 'left') void this.#endQuietly(id)
    }
  }

  /** Puts here what storage has of an asset; `false`: nothing. @throws AppError what the storage and the store throw */
  load(assetId: string, accountId: RecordingOwner['accountId']): Promise<boolean> {
    const known = this.#presentations.get(assetId)
    if (known) return Promise.resolve(true)
    const under = this.#loading.get(assetId)
    if (under) return under
    const loading = this.#load(assetId, accountId).finally(() => this.#loading.delete(assetId))
    this.#loading.set(assetId, loading)
    return loading
  }

  /** Nothing of it is kept on this node: its asset is gone. Ids that are not known are ignored. */
  discard(presentationId: string): void {
    const recording = this.#close(presentationId)
    recording?.discard().catch((error: unknown) => {
      const message = 'the spool of a discarded recording is left behind'
      this.#ports.logger.warn({ presentation: presentationId, error: messageOf(error) }, message)
    })
  }

  /** What is being recorded is on the disk when this resolves, for the next run to go on with. */
  async stop(): Promise<void> {
    this.#listeners.clear()
    const recordings = [...this.#presentations.keys()].map((id) => this.#close(id))
    const ends = await Promise.allSettled(recordings.map((recording) => recording?.stop()))
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    if (failures.length > 0) throw new AggregateError(failures, 'not every recording stopped')
  }

  async #stored(assetId: string): Promise<(ArchivedLog & { readonly recording: undefined }) | undefined> {
    const stored = await this.#ports.archive.load(assetId)
    return stored && { ...asOver(stored), recording: undefined }
  }

  async #record(owner: RecordingOwner, known: ArchivedLog | undefined, fresh: PresentationHeader): Promise<Recording> {
    const { archive } = this.#ports
    if (known) return archive.record(owner, known)
    return archive.record(owner, { log: archive.newLog(fresh), place: await archive.placeOf(owner.assetId) })
  }

  async #load(assetId: string, accountId: RecordingOwner['accountId']): Promise<boolean> {
    const stored = await this.#ports.archive.load(assetId)
    if (!stored) return false
    // A program may have begun meanwhile.
    if (this.#presentations.has(assetId) || this.#beginning.has(assetId)) return true
    const { log, place } = asOver(stored)
    const { manifestName = DEFAULT_MANIFEST_NAME } = log.view.header
    const owner = { accountId, assetId, manifestName, channelId: '', programId: '' }
    this.#open({ ...owner, log, place, recording: undefined, state: 'archived' })
    this.#makeRoom(assetId)
    return true
  }

  #awaitArchived(presentationId: string, recording: Recording): void {
    void recording.archived.then(() => {
      if (this.#presentations.get(presentationId)?.recording !== recording) return
      this.#move(presentationId, { state: 'archived', recording: undefined })
      this.#makeRoom(presentationId)
      return recording.stop()
    })
  }

  async #endQuietly(presentationId: string): Promise<void> {
    try {
      await this.end(presentationId)
    } catch (error) {
      this.#ports.logger.error({ presentation: presentationId, err: error }, 'a presentation could not be ended')
    }
  }

  #open(presentation: ShelvedPresentation): void {
    const { assetId, log, place } = presentation
    this.#close(assetId)
    this.#ports.directory.open(log, place)
    this.#presentations.set(assetId, presentation)
    for (const listener of this.#listeners) listener.opened(assetId, presentation)
  }

  #close(presentationId: string): Recording | undefined {
    const found = this.#presentations.get(presentationId)
    if (!found) return undefined
    this.#presentations.delete(presentationId)
    found.log.stop()
    for (const listener of this.#listeners) listener.closed(presentationId)
    return found.recording
  }

  #move(presentationId: string, change: Partial<ShelvedPresentation>): void {
    const found = this.#presentations.get(presentationId)
    if (!found) return
    const moved = { ...found, ...change }
    this.#presentations.delete(presentationId)
    this.#presentations.set(presentationId, moved)
    for (const listener of this.#listeners) listener.opened(presentationId, moved)
  }

  /** Whoever wants one that was put away has it loaded again. */
  #makeRoom(keep: string): void {
    const archived = [...this.#presentations].filter(([, { state }]) => state === 'archived')
    let excessBytes = archived.reduce((sum, [, { log }]) => sum + log.indexBytes, 0) - this.#ports.indexBytes
    let excessCount = archived.length - MAX_ARCHIVED
    for (const [presentationId, { log }] of archived) {
      if (excessBytes <= 0 && excessCount <= 0) return
      if (presentationId === keep) continue
      excessBytes -= log.indexBytes
      excessCount--
      this.#close(presentationId)
    }
  }
}

/** What is read from storage has ended, whether or not that was set down. */
function asOver({ log, place }: ArchivedLog): ArchivedLog {
  if (!log.view.ended) log.append({ type: 'ended' })
  if (!log.view.archived) log.append({ type: 'archived' })
  return { log, place }
}

function termsOf(header: PresentationHeader): PresentationTerms {
  const { id: _id, epoch: _epoch, rewindChanges: _rewinds, losses: _losses, recentLosses: _recent, ...rest } = header
  const { resumptions: _resumptions, timeBaseTicks: _base, ...terms } = rest
  return terms
}
