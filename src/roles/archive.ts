import { type LoadedPresentation, loadPresentation } from '../archive/load-presentation.ts'
import { copyChunks } from '../archive/local-chunks.ts'
import { NumberMark } from '../archive/number-mark.ts'
import type { RecordingObserver } from '../archive/ports.ts'
import { Recording } from '../archive/recording.ts'
import { type RecordingOwner, writeOwner } from '../archive/recording-file.ts'
import type { EarlierRun, RecordingOptions } from '../archive/recording-ports.ts'
import { closeAll, type RecoveredRecording, recoverRecording } from '../archive/recover-recording.ts'
import type { Spool, SpoolFolder } from '../archive/spool/spool-folder.ts'
import type { ArchivePlace } from '../domain/archive-place.ts'
import type { BlobStorage } from '../domain/blob-storage.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import { assetFolder } from '../domain/storage-task.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Turns } from '../lib/turns.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import { PresentationLog } from '../log/presentation-log.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import type { MediaStorage } from '../storage/media-storage.ts'
import { openAssetStorage } from './asset-place.ts'
import type { AssetStorages } from './asset-storage.ts'

/** What recordings of this node are made with. */
export type ArchivePorts = {
  readonly repository: Pick<Repository, 'findAnywhere'>
  readonly storages: Pick<AssetStorages, 'placeOf'>
  readonly media: Pick<MediaStorage, 'of'>
  readonly spool: Spool
  readonly memory: FragmentMemory
  readonly clock: Clock
  readonly logger: Logger
  readonly random: RandomBytes
  readonly observer: (owner: RecordingOwner) => RecordingObserver
}

/** A presentation with where its recording lies. */
export type ArchivedLog = { readonly log: PresentationLog; readonly place: ArchivePlace }
/** One that an earlier run left on this node's disk. */
export type LeftRecording = ArchivedLog & {
  readonly owner: RecordingOwner
  readonly recording: Recording
  readonly hasEnded: boolean
}

/** So many spans are brought to storage at once. */
const COMMITS_AT_ONCE = 4
const RECORDS_AT_ONCE = 20_000

/** Makes recordings, finds those of earlier runs, and reads those that are over. */
export class Archive {
  readonly #options: RecordingOptions
  readonly #ports: ArchivePorts
  readonly #turns = new Turns(COMMITS_AT_ONCE)
  /** Assets whose recording an earlier run left and nobody can read: to begin anew would give their numbers twice. */
  readonly #unreadable = new Set<string>()

  constructor(options: RecordingOptions, ports: ArchivePorts) {
    this.#options = options
    this.#ports = ports
  }

  /** @throws AppError `ENTITY_NOT_FOUND`, and what the store and the keys throw */
  async placeOf(assetId: string): Promise<ArchivePlace> {
    const asset = await this.#ports.repository.findAnywhere('asset', assetId)
    if (!asset) throw new AppError('ENTITY_NOT_FOUND', `There is no asset ${assetId}.`)
    return { ...(await this.#ports.storages.placeOf(asset)), folder: assetFolder(assetId) }
  }

  /** A log without records. */
  newLog(header: PresentationHeader): PresentationLog {
    // What is kept, in memory and at all, is for the recording to say.
    const forever = { budgetBytes: Number.POSITIVE_INFINITY, retainMs: Number.POSITIVE_INFINITY }
    return new PresentationLog(header, { memory: this.#ports.memory, ...forever })
  }

  /** What storage has of an asset's recording; `undefined`: nothing. @throws AppError what the storage and the store throw */
  async load(assetId: string): Promise<ArchivedLog | undefined> {
    const place = await this.placeOf(assetId)
    const storage = openAssetStorage(this.#ports.media, place)
    const loaded = await loadPresentation(storage, place.folder, this.#ports.logger)
    if (!loaded) return undefined
    return { log: await this.#restored(loaded), place }
  }

  /** Begins a recording of a log, which may have come to storage earlier. @throws AppError `STATE_UNWRITABLE`, and as the disk does */
  async record(owner: RecordingOwner, { log, place }: ArchivedLog): Promise<Recording> {
    if (this.#unreadable.has(owner.assetId)) {
      throw new AppError('ARCHIVE_DAMAGED', `What an earlier run recorded into ${owner.assetId} can't be read.`)
    }
    const folder = await this.#ports.spool.folder(owner.assetId)
    await writeOwner(folder, owner).catch((cause: unknown) => {
      throw new AppError('STATE_UNWRITABLE', `The recording can't be begun: ${messageOf(cause)}`, { cause })
    })
    const mark = await NumberMark.open(folder, this.#ports.logger)
    const { view } = log
    const last = view.segment(view.endSequence - 1)
    if (last) await copyChunks(openAssetStorage(this.#ports.media, place), place.folder, folder)
    const end = last && {
      nextSequence: view.endSequence,
      endTicks: Math.ceil(last.startTicks + last.durationTicks),
      discontinuitySequence: last.discontinuitySequence,
    }
    const tracks = view.renditions.flatMap((rendition) => rendition.tracks)
    return this.#recording(owner, folder, { log, place }, { files: [], tracks, end, hasOpen: false }, mark)
  }

  /** The recordings that an earlier run did not bring to their end. What can't be read is left where it is, and said to be. */
  async recover(): Promise<LeftRecording[]> {
    const found: LeftRecording[] = []
    for (const assetId of await this.#ports.spool.recordings()) {
      try {
        const left = await this.#recover(assetId)
        if (left) found.push(left)
      } catch (error) {
        this.#unreadable.add(assetId)
        const message = 'a recording that an earlier run left can not be read; its folder in the spool stays as it is'
        this.#ports.logger.error({ assetId, err: error }, message)
      }
    }
    return found
  }

  async #recover(assetId: string): Promise<LeftRecording | undefined> {
    const { spool, logger, repository } = this.#ports
    const folder = await spool.folder(assetId)
    if (!(await repository.findAnywhere('asset', assetId))) {
      logger.info({ assetId }, 'the recording of a deleted asset is removed')
      await folder.destroy()
      return undefined
    }
    const place = await this.placeOf(assetId)
    const found = await recoverRecording(folder, place.key, logger)
    if (!found) {
      await folder.destroy()
      return undefined
    }
    const log = await this.#restored(found).catch(async (error: unknown) => {
      await closeAll(found.files)
      throw error
    })
    if (found.hasEnded) log.append({ type: 'ended' })
    const { files, tracks, end, open, discardedBefore } = found
    const mark = await NumberMark.open(folder, logger)
    const usedUntil = await mark.read()
    const earlier = { files, tracks, end, hasOpen: open !== undefined, usedUntil, discardedBefore }
    const recording = this.#recording(found.owner, folder, { log, place }, earlier, mark)
    this.#tell(found)
    return { owner: found.owner, log, place, recording, hasEnded: found.hasEnded }
  }

  /** A day of segments is half a million records: whoever else waits for this thread has his turn in between. */
  async #restored({ header, records }: LoadedPresentation): Promise<PresentationLog> {
    const log = this.newLog(header)
    for (let index = 0; index < records.length; index += RECORDS_AT_ONCE) {
      if (index > 0) await this.#ports.clock.sleep(0)
      log.restore(records.slice(index, index + RECORDS_AT_ONCE))
    }
    return log
  }

  #tell({ owner, files, open, tornBytes, end }: RecoveredRecording): void {
    const about = { asset: owner.assetId, files: files.length, segments: end?.nextSequence ?? 0, tornBytes }
    this.#ports.logger.info({ ...about, lostOpenSegment: open?.sequence }, 'a recording was recovered')
  }

  #recording(
    owner: RecordingOwner,
    folder: SpoolFolder,
    { log, place }: ArchivedLog,
    earlier: EarlierRun,
    mark: NumberMark,
  ): Recording {
    const { memory, clock, logger, random, media, observer } = this.#ports
    let storage: BlobStorage | undefined
    return new Recording(
      this.#options,
      {
        log,
        folder,
        storage: async () => {
          storage ??= openAssetStorage(media, place)
          return storage
        },
        assetFolder: place.folder,
        assetKey: place.key,
        mark,
        holds: memory,
        turns: this.#turns,
        random,
        observer: observer(owner),
        clock,
        logger,
      },
      earlier,
    )
  }
}
