import { AppError } from '../lib/errors.ts'
import type { SmoothInterval } from '../media/isobmff/smooth-boxes.ts'
import type { SegmentPackaging } from '../packaging/segment-packaging.ts'
import { type SmoothPart, smoothPackaging } from '../packaging/smooth-fragment.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import { drmSystems } from '../protection/drm/drm-systems.ts'
import { playReadyObject } from '../protection/drm/playready-object.ts'
import { psshData } from '../protection/drm/pssh-box.ts'
import { smoothEnvelope, smoothPlayReady } from '../protection/signalling/smooth-protection.ts'
import type { Delivery, ProtectedDelivery } from './deliveries.ts'
import { type DeliveryKeys, keyOfTrack, keyRefOf, type TrackKeyRef } from './delivery-keys.ts'
import { rawKeyPath } from './key-systems.ts'
import { statedLicenceUrl } from './licence-urls.ts'
import { envelopedPackaging, piffPackaging } from './protected-packaging.ts'

/**
 * A fragment of a track, as it is delivered; `next` and `part` are as for `smoothPackaging`.
 * @throws AppError `MEDIA_UNSUPPORTED` where keys rotate; what `keyOfTrack` and `DeliveryKeys.open` throw
 */
export async function deliveredSmooth(
  delivery: Delivery,
  keys: DeliveryKeys,
  track: Track,
  { next, part }: { readonly next: readonly SmoothInterval[]; readonly part: SmoothPart },
): Promise<SegmentPackaging> {
  const { kind } = track.config
  if (delivery.protection === 'clear') return smoothPackaging(kind, next, part)
  const { kidBytes: kid, key, constantIv: iv } = await keys.open(lastingKey(delivery, track))
  if (delivery.protection === 'envelope') {
    return envelopedPackaging(smoothPackaging(kind, next, part), { kid, key, iv })
  }
  return piffPackaging(kind, next, part, { scheme: 'cenc', kid, key, ivBase: delivery.ivBase })
}

function lastingKey(delivery: ProtectedDelivery, track: Track): TrackKeyRef {
  const { rotating, contentKeyId } = keyOfTrack(delivery, track)
  if (rotating) throw unsupported('its keys change from period to period')
  return keyRefOf(contentKeyId, undefined)
}

/** The key of a presentation: a manifest names one, for all of it and for good. */
function smoothKey(delivery: ProtectedDelivery, { renditions }: PresentationView): TrackKeyRef {
  const refs = renditions.flatMap(({ tracks }) => tracks.map((track) => lastingKey(delivery, track)))
  const [first, ...others] = refs
  if (!first) throw new AppError('SEGMENT_NOT_YET', 'The presentation has no track yet.')
  if (others.some(({ kid }) => kid !== first.kid)) throw unsupported('its tracks have keys of their own')
  return first
}

/**
 * The `Protection` element of a manifest; `undefined`: it is in the clear. `keysUrl`: scheme and host of where keys are given, or nothing.
 * @throws AppError `MEDIA_UNSUPPORTED` where tracks have several keys, or they rotate; what `keyOfTrack` and `DeliveryKeys.open` throw
 */
export async function smoothProtection(
  delivery: Delivery,
  keys: DeliveryKeys,
  view: PresentationView,
  keysUrl: string,
): Promise<string | undefined> {
  if (delivery.protection === 'clear') return undefined
  const ref = smoothKey(delivery, view)
  if (delivery.protection === 'envelope') {
    return smoothEnvelope({ keyUrl: keysUrl + rawKeyPath(ref.kid), iv: ref.constantIv })
  }
  const licenceUrl = statedLicenceUrl(delivery, 'playready', ref)
  // The checksum, by which players tell a wrong key, is made with the key and doesn't give it away.
  const { key, told } = await keys.open(ref)
  const given = told.find(({ systemId }) => systemId === drmSystems.playready)
  if (given?.smoothHeader !== undefined) return smoothPlayReady(Buffer.from(given.smoothHeader, 'base64'))
  if (given?.pssh !== undefined) return smoothPlayReady(psshData(Buffer.from(given.pssh, 'base64')))
  const named = { kid: ref.kidBytes, key }
  const terms = { version: '4.0', scheme: 'cenc', keys: [named], ...(licenceUrl && { licenceUrl }) } as const
  return smoothPlayReady(playReadyObject(terms))
}

function unsupported(why: string): AppError {
  return new AppError(
    'MEDIA_UNSUPPORTED',
    `Smooth Streaming has one key for all of a presentation, and of this one ${why}: ask for DASH or HLS.`,
  )
}
