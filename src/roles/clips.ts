import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { PictureEncoder } from '../archive/clip/clip-edges.ts'
import { ClipMaker } from '../archive/clip/clip-maker.ts'
import type { ClipSource } from '../archive/clip/make-clip.ts'
import type { Asset } from '../domain/asset.ts'
import type { Repository } from '../domain/repository.ts'
import { assetFolder } from '../domain/storage-task.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { FfmpegBinary } from '../transcode/ffmpeg-probe.ts'
import { encodePictures } from '../transcode/picture-encoder.ts'
import type { AssetStorages } from './asset-storage.ts'
import type { PresentationShelf } from './presentation-shelf.ts'
import { recordedOf } from './recorded.ts'

type ClipPorts = {
  readonly repository: Repository
  readonly storages: AssetStorages
  readonly shelf: PresentationShelf
  readonly ffmpeg: FfmpegBinary
  readonly clock: Clock
  readonly logger: Logger
}

/** Makes clips of what is on the shelf, or can be put there. */
export function openClips({ repository, storages, shelf, ffmpeg, clock, logger }: ClipPorts): ClipMaker {
  const source = async (asset: Asset): Promise<ClipSource | undefined> => {
    const found =
      shelf.find(asset.id) ?? ((await shelf.load(asset.id, asset.accountId)) ? shelf.find(asset.id) : undefined)
    if (!found) return undefined
    const { log, recording } = found
    return {
      view: log.view,
      storage: await storages.of(asset),
      folder: assetFolder(asset.id),
      spanRecords: (first, end) => log.spanRecords(first, end),
      async spooled(renditionIndex, sequence, signal) {
        const hot = log.read(renditionIndex, sequence, signal)
        const segment = log.view.renditionSegment(renditionIndex, sequence)
        return hot ?? (segment && recording?.readSpooled(sequence, segment.track))
      },
    }
  }
  const target = async (clip: Asset, original: Asset) => {
    const [to, from] = await Promise.all([storages.placeOf(clip), storages.placeOf(original)])
    return {
      storage: await storages.of(clip),
      folder: assetFolder(clip.id),
      identity: { id: clip.id, epoch: randomUUID() },
      isSourceStorage: clip.storageAccountId === original.storageAccountId && isSameKey(to.key, from.key),
    }
  }
  const encode: PictureEncoder = (work, signal) => encodePictures(work, { ffmpeg, clock }, signal)
  return new ClipMaker({ repository, source, target, describe: recordedOf, encode, clock, logger })
}

/** A clip has its recording's key; one that hasn't is sealed anew. */
function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (!a || !b) return a === b
  return timingSafeEqual(a, b)
}
