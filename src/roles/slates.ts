import type { SlateMaker } from '../channel/ports.ts'
import type { Asset } from '../domain/asset.ts'
import type { AssetFile } from '../domain/asset-file.ts'
import type { Channel } from '../domain/channel.ts'
import { durationMs } from '../domain/duration.ts'
import type { Repository } from '../domain/repository.ts'
import { fileBlob } from '../domain/storage-task.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { FfmpegBinary } from '../transcode/ffmpeg-probe.ts'
import { encodeSlate } from '../transcode/slate-encoder.ts'
import type { AssetStorages } from './asset-storage.ts'

/** The picture of a channel's slate; `undefined`: ours. */
export type SlateImages = (channel: Channel) => Promise<Uint8Array | undefined>

const MAX_IMAGE_BYTES = 16 * 2 ** 20

/**
 * Reads the pictures of slates from the assets that they are files of. The promise rejects with `ENTITY_NOT_FOUND` where there is no
 * such file, `MEDIA_UNSUPPORTED` where it is too large, and as the storage does.
 */
export function slateImages(ports: { repository: Repository; storages: Pick<AssetStorages, 'of'> }): SlateImages {
  const { repository, storages } = ports
  return async ({ slate, accountId }) => {
    if (!slate?.image) return undefined
    const { assetId, file: name } = slate.image
    // Of the channel's own account: another one's asset is not there.
    const asset = await repository.get('asset', assetId, accountId)
    const file = await fileOf(repository, asset, name)
    const blob = fileBlob(file)
    const storage = await storages.of(asset)
    const read = await storage.readRange(blob, undefined)
    if (!read) throw missing(name)
    if (read.sizeBytes > MAX_IMAGE_BYTES) {
      read.stream.destroy()
      throw new AppError(
        'MEDIA_UNSUPPORTED',
        `The picture ${name} takes ${read.sizeBytes} bytes: at most 16 MiB are read.`,
      )
    }
    return Buffer.concat(await read.stream.toArray())
  }
}

async function fileOf(
  repository: Repository,
  { id, accountId }: Pick<Asset, 'id' | 'accountId'>,
  name: string,
): Promise<AssetFile> {
  for await (const file of repository.each('asset-file', { accountId, reference: { relation: 'asset', id } })) {
    if (file.name === name && file.state === 'Ready') return file
  }
  throw missing(name)
}

function missing(name: string): AppError {
  return new AppError('ENTITY_NOT_FOUND', `The asset of the slate has no file ${name} that is Ready.`)
}

/** Makes a channel's slates with ffmpeg. `channel`: as it is now. */
export function slateMaker(
  channel: () => Channel,
  ports: { readonly clock: Clock; readonly ffmpeg: () => Promise<FfmpegBinary>; readonly slateImage: SlateImages },
): SlateMaker {
  return async (wish, signal) => {
    const { input } = channel()
    const [ffmpeg, image] = await abortable(Promise.all([ports.ffmpeg(), ports.slateImage(channel())]), signal)
    const gopSeconds = durationMs(input.keyFrameInterval) / 1_000
    return encodeSlate(wish, { ffmpeg, clock: ports.clock, gopSeconds, image, signal })
  }
}
