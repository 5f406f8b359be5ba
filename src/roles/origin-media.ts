import { ColdReader } from '../archive/cold-reader.ts'
import { readSegmentRange } from '../archive/segment-ranges.ts'
import type { ArchivePlace } from '../domain/archive-place.ts'
import type { BlobStorage } from '../domain/blob-storage.ts'
import { plainSecrets } from '../domain/stored-secret.ts'
import { systemClock } from '../lib/clock.ts'
import type { Scope } from '../lib/scope.ts'
import type { PublishedSet, Replica } from '../log/replica.ts'
import { openFilePresentation } from '../ondemand/file-presentation.ts'
import { segmentsOf } from '../origin/download-segments.ts'
import type { FragmentReader, PublicationReader, SegmentSource, UnopenedFiles } from '../origin/ports.ts'
import { MediaStorage } from '../storage/media-storage.ts'
import { openAssetStorage } from './asset-storage.ts'
import { FileSource } from './file-source.ts'
import { HouseCalls } from './house-calls.ts'
import type { OriginThreadData } from './origin-messages.ts'

/** Open storages that a thread keeps: of each recording that was read lately. */
const MAX_STORAGES = 1_000

/** What an origin thread answers from. */
export type OriginMedia = {
  readonly publications: PublicationReader
  readonly fragments: FragmentReader
  readonly segments: SegmentSource
}

/** What an origin thread answers from: memory where it is there, else storage, else the node that has it on its disk. */
export function openOriginMedia(
  replica: Replica,
  { media, house }: Pick<OriginThreadData, 'media' | 'house'>,
  scope: Scope,
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
  const filed = segmentsOf(files)
  const hot = segmentsOf({ read: (...asked) => replica.read(...asked) })
  return {
    publications: {
      find: (locatorId) => replica.find(locatorId) ?? unopened(replica.findFiles(locatorId), files),
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

function unopened(published: PublishedSet | undefined, source: FileSource): UnopenedFiles | undefined {
  if (!published) return undefined
  const { set, ...terms } = published
  return { ...terms, assetId: set.assetId, files: source.filesOf(set) }
}
