import type { HlsProtection, HlsTrackKey } from '../manifest/hls-protection.ts'
import type { Track } from '../presentation/records.ts'
import { type HlsKey, hlsKeyLine } from '../protection/signalling/hls-keys.ts'
import { type Delivery, type ProtectedDelivery, requireSamples } from './deliveries.ts'
import { periodOf, type TrackKeyRef, trackKeyRef } from './delivery-keys.ts'
import { hlsKeys, rawKeyPath } from './key-systems.ts'

/** In what a playlist's media is. */
type HlsForm = 'fragments' | 'transport'

/** KEYFORMAT, which lines of SAMPLE-AES have, came with this version (RFC 8216 §7). */
const KEY_FORMAT_VERSION = 5
/** Protection systems know transport streams by these two alone: the key itself, and FairPlay. */
const TRANSPORT_KEY_FORMATS: readonly (string | undefined)[] = ['identity', 'com.apple.streamingkeydelivery']

/** What playlists of a delivery say of keys; `undefined`: it is in the clear. */
export function hlsProtection(delivery: Delivery, form: HlsForm): HlsProtection | undefined {
  if (delivery.protection === 'clear') return undefined
  const said = new Map<string, HlsTrackKey>()
  const keyOf = (track: Track, rowStartTicks: number): HlsTrackKey => {
    const name = `${track.track} ${periodOf(delivery, rowStartTicks)}`
    const known = said.get(name) ?? trackKey(delivery, form, trackKeyRef(delivery, track, rowStartTicks))
    said.set(name, known)
    return known
  }
  return delivery.protection === 'envelope' ? { keyOf, omitsParts: true } : { keyOf, version: KEY_FORMAT_VERSION }
}

function trackKey(delivery: ProtectedDelivery, form: HlsForm, ref: TrackKeyRef): HlsTrackKey {
  const lines = keysOf(delivery, form, ref).map((key) => hlsKeyLine('EXT-X-KEY', key))
  return { kid: ref.kid, periodMs: ref.periodMs, lines }
}

function keysOf(delivery: ProtectedDelivery, form: HlsForm, ref: TrackKeyRef): readonly HlsKey[] {
  const uri = rawKeyPath(ref.kid)
  if (delivery.protection === 'envelope') return [{ method: 'AES-128', uri, iv: ref.constantIv }]
  const keys = hlsKeys(requireSamples(delivery), ref)
  if (form === 'fragments') return keys
  const known = keys.filter(({ keyFormat }) => TRANSPORT_KEY_FORMATS.includes(keyFormat))
  // What is encrypted is said to be, also where nobody gets the key.
  return known.length > 0 ? known : [{ method: 'SAMPLE-AES', uri, iv: ref.constantIv, keyFormat: 'identity' }]
}
