import { AppError } from '../lib/errors.ts'
import { plainTransport, sampleAesTransport, type TransportForm } from '../manifest/hls-transport.ts'
import type { CodecConfig } from '../media/media.ts'
import { type PackedForm, packedForm } from '../packaging/packed-audio.ts'
import type { SegmentPackaging } from '../packaging/segment-packaging.ts'
import { keyFramePackaging, stagedTransport, transportPackaging } from '../packaging/transport-packaging.ts'
import type { Track } from '../presentation/records.ts'
import type { Delivery } from './deliveries.ts'
import { type DeliveryKeys, trackKeyRef } from './delivery-keys.ts'
import { envelopedPackaging, type NamedSegmentKey, sampleAesStage } from './protected-packaging.ts'

/**
 * What transport streams have a place for, as they are protected: whole segments in the envelope, SAMPLE-AES in `cbcs`.
 * @throws AppError `MEDIA_UNSUPPORTED` in `cenc`, of which they have no form
 */
export function transportForm({ protection }: Delivery): TransportForm {
  if (protection === 'cbcs') return sampleAesTransport
  if (protection !== 'cenc') return plainTransport
  const others = 'encryption=cbcs-aapl or cbc, or for m3u8-cmaf'
  throw new AppError('MEDIA_UNSUPPORTED', `Transport streams have no form of cenc: ask for ${others}.`)
}

/** How segments of one delivery are packaged with one key. */
export type TransportPackagings = {
  readonly segment: SegmentPackaging
  readonly keyFrame: SegmentPackaging
  /** @throws AppError `MEDIA_UNSUPPORTED` */
  packed(config: CodecConfig): PackedForm
}

const clear: TransportPackagings = { segment: transportPackaging, keyFrame: keyFramePackaging, packed: packedForm }

/**
 * The packagings of a segment that starts at `rowStartTicks`, whose first or only track this is: what is in one stream has one key.
 * @throws AppError as `transportForm`, `trackKeyRef` and `DeliveryKeys.open`
 */
export async function transportPackagings(
  delivery: Delivery,
  keys: DeliveryKeys,
  track: Track,
  rowStartTicks: number,
): Promise<TransportPackagings> {
  transportForm(delivery)
  if (delivery.protection === 'clear') return clear
  const opened = await keys.open(trackKeyRef(delivery, track, rowStartTicks))
  const key = { kid: opened.kidBytes, key: opened.key, iv: opened.constantIv }
  return delivery.protection === 'envelope' ? enveloped(key) : staged(key)
}

function enveloped(key: NamedSegmentKey): TransportPackagings {
  return {
    segment: envelopedPackaging(transportPackaging, key),
    keyFrame: envelopedPackaging(keyFramePackaging, key),
    packed: (config) => {
      const { extension, packaging } = packedForm(config)
      return { extension, packaging: envelopedPackaging(packaging, key) }
    },
  }
}

function staged(key: NamedSegmentKey): TransportPackagings {
  const stage = sampleAesStage(key)
  return {
    segment: stagedTransport('segment', stage),
    keyFrame: stagedTransport('key-frame', stage),
    packed: (config) => packedForm(config, stage),
  }
}
