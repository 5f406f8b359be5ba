import type { HlsProtection, HlsTrackKey } from '../manifest/hls-protection.ts'
import type { Track } from '../presentation/records.ts'
import { type HlsKey, type HlsLines, hlsKeyLines } from '../protection/signalling/hls-keys.ts'
import { type Delivery, type ProtectedDelivery, requireSamples } from './deliveries.ts'
import { periodOf, type TrackKeyRef, trackKeyRef } from './delivery-keys.ts'
import { hlsKeys, rawKeyPath } from './key-systems.ts'
import type { ToldKeys } from './provider-signals.ts'

/** In what a playlist's media is. */
export type HlsForm = 'fragments' | 'transport'

/** What manifests say of keys beside their names: what their providers want to be said, and where they are given by us. */
export type KeySigns = {
  readonly told: ToldKeys
  /** Scheme and host; empty: the manifest's own. */
  readonly base: string
}

/** KEYFORMAT, which lines of SAMPLE-AES have, came with this version (RFC 8216 §7). */
const KEY_FORMAT_VERSION = 5
/** Protection systems know transport streams by these two alone: the key itself, and FairPlay. */
const TRANSPORT_KEY_FORMATS: readonly (string | undefined)[] = ['identity', 'com.apple.streamingkeydelivery']

/** What playlists of a delivery say of keys; `undefined`: it is in the clear. */
export function hlsProtection(delivery: Delivery, form: HlsForm, signs: KeySigns): HlsProtection | undefined {
  if (delivery.protection === 'clear') return undefined
  const said = new Map<string, HlsTrackKey>()
  const keyOf = (track: Track, rowStartTicks: number): HlsTrackKey => {
    const name = `${track.track} ${periodOf(delivery, rowStartTicks)}`
    const known = said.get(name) ?? trackKey(delivery, form, trackKeyRef(delivery, track, rowStartTicks), signs)
    said.set(name, known)
    return known
  }
  return delivery.protection === 'envelope' ? { keyOf, omitsParts: true } : { keyOf, version: KEY_FORMAT_VERSION }
}

function trackKey(delivery: ProtectedDelivery, form: HlsForm, ref: TrackKeyRef, signs: KeySigns): HlsTrackKey {
  const lines = keysInForm(delivery, form, ref, signs).flatMap((key) => hlsKeyLines('EXT-X-KEY', key))
  return { kid: ref.kid, periodMs: ref.periodMs, lines }
}

/** What a playlist of this form says of a key: an entry for each system that knows it. */
export function keysInForm(
  delivery: ProtectedDelivery,
  form: HlsForm,
  ref: TrackKeyRef,
  { told, base }: KeySigns,
): readonly (HlsKey | HlsLines)[] {
  const uri = base + rawKeyPath(ref.kid)
  if (delivery.protection === 'envelope') return [{ method: 'AES-128', uri, iv: ref.constantIv }]
  const keys = hlsKeys(requireSamples(delivery), ref, { told: told.of(ref), base })
  if (form === 'fragments') return keys
  const known = keys.filter(({ keyFormat }) => TRANSPORT_KEY_FORMATS.includes(keyFormat))
  // What is encrypted is said to be, also where nobody gets the key.
  return known.length > 0 ? known : [{ method: 'SAMPLE-AES', uri, iv: ref.constantIv, keyFormat: 'identity' }]
}
