import { ColdReader } from '../archive/cold-reader.ts'
import { readSegmentRange } from '../archive/segment-ranges.ts'
import type { ArchivePlace } from '../domain/archive-place.ts'
import type { BlobStorage } from '../domain/blob-storage.ts'
import { plainSecrets } from '../domain/stored-secret.ts'
import type { TextSet } from '../domain/text-sidecar.ts'
import { systemClock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Scope } from '../lib/scope.ts'
import type { PublishedSet, Replica } from '../log/replica.ts'
import { openFilePresentation } from '../ondemand/file-presentation.ts'
import { segmentsOf } from '../origin/download-segments.ts'
import type {
  FragmentReader,
  PublicationReader,
  Published,
  SegmentSource,
  TextReader,
  UnopenedFiles,
} from '../origin/ports.ts'
import { MediaStorage } from '../storage/media-storage.ts'
import { openAssetStorage } from './asset-place.ts'
import { FileSource } from './file-source.ts'
import { HouseCalls } from './house-calls.ts'
import type { OriginThreadData } from './origin-messages.ts'
import { type BrokenText, TextSource } from './text-source.ts'

/** Open storages that a thread keeps: of each recording that was read lately. */
const MAX_STORAGES = 1_000

/** What an origin thread answers from. */
export type OriginMedia = {
  readonly publications: PublicationReader
  readonly fragments: FragmentReader
  readonly segments: SegmentSource
  readonly texts: TextReader
  /** What the thread asks the node through. */
  readonly calls: HouseCalls
}

/** What an origin thread answers from: memory where it is there, else storage, else the node that has it on its disk. */
export function openOriginMedia(
  replica: Replica,
  { media, house }: Pick<OriginThreadData, 'media' | 'house'>,
  scope: Scope,
  logger: Logger,
): OriginMedia {
  const calls = new HouseCalls(house)
  scope.add('house calls', () => calls.stop())
  const { directory, allowPrivateEndpoints, allowServerCredentials, cacheBytes, fileCacheBytes } = media
  const options = { allowPrivateEndpoints, allowServerCredentials, secrets: plainSecrets, clock: systemClock }
  const storage = scope.own('media storage', new MediaStorage(directory, options))
  const opened = new Map<ArchivePlace, BlobStorage>()
  const storageOf = (place: ArchivePlace) => {
    const known = opened.get(place)
    if (known) return known
    if (opened.size >= MAX_STORAGES) opened.clear()
    const open = openAssetStorage(storage, place)
    opened.set(place, open)
    return open
  }
  const spooled = (presentationId: string, renditionIndex: number, sequence: number) =>
    calls.spooled(presentationId, renditionIndex, sequence)
  const cold = new ColdReader({ storage: storageOf, spooled }, cacheBytes)
  const filePorts = { storage: storageOf, open: openFilePresentation, clock: systemClock }
  const files = scope.own('published files', new FileSource(filePorts, fileCacheBytes))
  const broken = (text: BrokenText) => calls.brokenText(text)
  const texts = new TextSource({ storage: storageOf, files, broken, clock: systemClock, logger })
  const filed = segmentsOf(files)
  const hot = segmentsOf({ read: (...asked) => replica.read(...asked) })
  return {
    calls,
    texts,
    publications: {
      find: (locatorId) => {
        const found = replica.find(locatorId) ?? unopened(replica.findFiles(locatorId), files)
        return found && texted(found, replica.findTexts(locatorId), texts)
      },
      rulesOf: (accountId) => replica.accountRules(accountId),
      wake: (locatorId) => calls.wake(locatorId),
      waitForPart: (...asked) => replica.waitForPart(...asked),
    },
    fragments: {
      read(presentationId, renditionIndex, sequence, signal) {
        const hot = replica.read(presentationId, renditionIndex, sequence, signal)
        if (hot) return hot
        const recorded = replica.recorded(presentationId)
        if (recorded) return cold.read(recorded, renditionIndex, sequence, signal)
        return files.read(presentationId, renditionIndex, sequence, signal)
      },
      isReady(presentationId, renditionIndex, sequence) {
        if (replica.holds(presentationId, renditionIndex, sequence)) return true
        const recorded = replica.recorded(presentationId)
        if (recorded) return cold.holds(recorded, renditionIndex, sequence)
        return files.holds(presentationId, renditionIndex, sequence)
      },
    },
    segments: {
      async read(presentationId, renditionIndex, sequence, range, signal) {
        const held = await hot.read(presentationId, renditionIndex, sequence, range, signal)
        const recorded = held ? undefined : replica.recorded(presentationId)
        if (!recorded) return held ?? filed.read(presentationId, renditionIndex, sequence, range, signal)
        const { view, place } = recorded
        const recording = {
          view,
          storage: storageOf(place),
          folder: place.folder,
          spooled: (rendition: number, number: number) => spooled(presentationId, rendition, number),
        }
        return readSegmentRange(recording, renditionIndex, sequence, range, signal)
      },
    },
  }
}

/** What is published, with the texts beside it as soon as it changes no more. */
function texted(
  found: Published | UnopenedFiles,
  set: TextSet | undefined,
  texts: TextSource,
): Published | UnopenedFiles {
  // Files may have texts of their own.
  if (!('files' in found) && (!set || !found.view.ended)) return found
  return { ...found, withTexts: (view, signal) => texts.beside(view, set, signal) }
}

function unopened(published: PublishedSet | undefined, source: FileSource): UnopenedFiles | undefined {
  if (!published) return undefined
  const { set, ...terms } = published
  return { ...terms, assetId: set.assetId, files: source.filesOf(set) }
}
