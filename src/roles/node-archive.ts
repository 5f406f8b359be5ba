import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Spool } from '../archive/spool/spool-folder.ts'
import type { Scope } from '../lib/scope.ts'
import { MediaStorage } from '../storage/media-storage.ts'
import { AccountRulesKeeper } from './account-rules.ts'
import { Archive } from './archive.ts'
import { AssetStorages } from './asset-storage.ts'
import { AssetTexts } from './asset-texts.ts'
import { tellBrokenTexts } from './broken-texts.ts'
import type { ControlPlane } from './control-plane.ts'
import { FilePresentations } from './file-presentations.ts'
import { FileTracks, type FileTracksPorts } from './file-tracks.ts'
import type { House } from './house.ts'
import { Librarian } from './librarian.ts'
import { LocatorPublisher } from './locator-publisher.ts'
import { PresentationShelf } from './presentation-shelf.ts'
import { watchRecording } from './recording-watch.ts'

/** Where the media of a node is, and who finds it. */
export type NodeArchive = {
  readonly media: MediaStorage
  readonly storages: AssetStorages
  readonly shelf: PresentationShelf
  readonly publisher: LocatorPublisher
  readonly librarian: Librarian
}

/** A span of high bitrate ends before its time: what is on the disk alone is to come to storage soon. */
const SPAN_BYTES = 268_435_456

/** Opens the node's storage, and puts what earlier runs were recording on the shelf. @throws AppError what the store and the disk throw */
export async function openNodeArchive(house: House, control: ControlPlane, scope: Scope): Promise<NodeArchive> {
  const { clock, config, directory, logger, memory, metrics, dataDir } = house
  const { changes, recorder: events, repository, secrets, storageKeys } = control
  const { archive: options, storage } = config
  const media = new MediaStorage(storage.mediaDir ?? join(dataDir.path, 'media'), {
    minFreeBytes: storage.minFree,
    allowPrivateEndpoints: storage.allowPrivateEndpoints,
    allowServerCredentials: storage.allowServerCredentials,
    secrets,
    clock,
  })
  scope.own('media storage', media)
  const storages = new AssetStorages({ repository, media, keys: storageKeys })
  const archive = new Archive(
    {
      spanMs: options.spanDuration,
      spanBytes: SPAN_BYTES,
      queueBytes: options.queueBudget,
      syncDeadlineMs: options.syncDeadline,
      hotBytes: config.log.budget,
    },
    {
      repository,
      storages,
      media,
      spool: new Spool(options.spoolDir ?? join(dataDir.path, 'spool'), storage.minFree),
      memory,
      clock,
      logger,
      random: randomBytes,
      observer: (owner) => watchRecording(owner, { events, metrics: metrics.archive, clock, logger }),
    },
  )
  const shelf = new PresentationShelf({ archive, directory, logger, indexBytes: options.indexBudget })
  scope.own('presentations', shelf)
  await shelf.recover()
  const files = new FilePresentations({ repository, storages, changes, shelf, directory, clock, logger })
  scope.own('published files', files)
  files.begin()
  // Most nodes never look into a file: what reads them is loaded with the first one.
  const open: FileTracksPorts['open'] = async (...set) =>
    (await import('../ondemand/file-presentation.ts')).openFilePresentation(...set)
  const fileTracks = new FileTracks({ repository, storages, changes, shelf, open, clock, logger })
  scope.own('tracks of files', fileTracks)
  fileTracks.begin()
  const rules = new AccountRulesKeeper({ repository, changes, directory, clock, logger })
  scope.own('account rules', rules)
  rules.begin()
  const publisher = new LocatorPublisher({ repository, changes, shelf, files, directory, rules, clock, logger })
  scope.own('locators', publisher)
  publisher.begin()
  const texts = new AssetTexts({ repository, storages, changes, shelf, files, directory, clock, logger })
  scope.own('texts', texts)
  texts.begin()
  const brokenText = tellBrokenTexts({ repository, events, clock, logger })
  const librarian = new Librarian({ repository, changes, shelf, files, publisher, texts, brokenText, clock })
  return { media, storages, shelf, publisher, librarian }
}
