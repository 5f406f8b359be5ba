import { type PlayReadyTerms, playReadyObject, playReadyPssh } from '../protection/drm/playready-object.ts'
import { commonPssh, widevinePssh } from '../protection/drm/pssh-box.ts'
import { dashMp4Protection, dashSystemProtection } from '../protection/signalling/dash-protection.ts'
import {
  clearKey,
  fairPlayKey,
  type HlsKey,
  hlsMethodOf,
  playReadyKey,
  widevineKey,
} from '../protection/signalling/hls-keys.ts'
import type { SampleDelivery } from './deliveries.ts'
import type { TrackKeyRef } from './delivery-keys.ts'
import { licenceUrlOf, statedLicenceUrl } from './licence-urls.ts'

/** A system by which players get keys. */
type System = 'identity' | 'clearkey' | 'widevine' | 'playready' | 'fairplay'

/** Where this server gives keys to players of EME's ClearKey, as an absolute path. */
export const CLEAR_KEY_PATH = '/keys/clearkey'

/** What addresses of our own keys begin with. */
export const KEYS_PATH = '/keys/'

/** Where the 16 bytes of a key are given. */
export function rawKeyPath(kid: string): string {
  return `/keys/aes128/${kid}`
}

/**
 * The systems that a key is signalled for: those that its authorization policy has an option for, or the delivery policy a licence URL. What
 * nobody would be given is not offered, since players take the first offer that they know.
 */
function systemsOf(
  { keys, licenceUrls, protection }: SampleDelivery,
  { contentKeyId }: TrackKeyRef,
): ReadonlySet<System> {
  const had = new Set(keys.find((key) => key.contentKeyId === contentKeyId)?.had)
  const systems = new Set<System>()
  if (had.has('aes128')) systems.add('identity')
  for (const system of ['clearkey', 'widevine', 'playready'] as const) {
    if (had.has(system) || licenceUrls[system] !== undefined) systems.add(system)
  }
  // FairPlay has no cenc.
  if (protection === 'cbcs' && (had.has('fairplay') || licenceUrls.fairplay !== undefined)) systems.add('fairplay')
  return systems
}

/** The `pssh` boxes of an init segment; ClearKey in browsers reads the common one. */
export function psshBoxes(delivery: SampleDelivery, ref: TrackKeyRef): readonly Uint8Array[] {
  const systems = systemsOf(delivery, ref)
  const boxes = [commonPssh([ref.kidBytes])]
  if (systems.has('widevine')) boxes.push(widevinePssh([ref.kidBytes], delivery.protection))
  if (systems.has('playready')) boxes.push(playReadyPssh(playReadyTerms(delivery, ref)))
  return boxes
}

/** The keys of a media playlist, or of a master, for one KID. */
export function hlsKeys(delivery: SampleDelivery, ref: TrackKeyRef): readonly HlsKey[] {
  const { protection: scheme } = delivery
  const { kid, kidBytes, constantIv } = ref
  const systems = systemsOf(delivery, ref)
  const keys: HlsKey[] = []
  if (systems.has('fairplay'))
    keys.push(fairPlayKey(fairPlayUri(kid, delivery.licenceUrls.fairplay, statedLicenceUrl(delivery, 'fairplay', ref))))
  if (systems.has('widevine')) keys.push(widevineKey(scheme, kidBytes, widevinePssh([kidBytes], scheme)))
  if (systems.has('playready')) {
    keys.push(playReadyKey(scheme, kidBytes, playReadyObject(playReadyTerms(delivery, ref))))
  }
  // An address for each key: hls.js keeps licences by theirs, and would take that of the last period for the next.
  if (systems.has('clearkey')) {
    const licenceUrl = statedLicenceUrl(delivery, 'clearkey', ref) ?? `${CLEAR_KEY_PATH}/${kid}`
    keys.push(clearKey(scheme, kidBytes, licenceUrl))
  }
  // What is encrypted is said to be, also where nobody gets the key.
  if (systems.has('identity') || keys.length === 0) {
    const iv = scheme === 'cbcs' ? { iv: constantIv } : {}
    keys.push({ method: hlsMethodOf(scheme), uri: rawKeyPath(kid), ...iv, keyFormat: 'identity' })
  }
  return keys
}

/** The `ContentProtection` elements of an AdaptationSet. `base`: where this server is, since players take what they read there as it is. */
export function dashProtections(delivery: SampleDelivery, ref: TrackKeyRef, base: string): readonly string[] {
  const { protection: scheme } = delivery
  const systems = systemsOf(delivery, ref)
  const pssh = commonPssh([ref.kidBytes])
  const elements = [dashMp4Protection(scheme, ref.kidBytes)]
  // Beside ClearKey's own element dash.js 5 takes this one first, and then gives the box to the browser as what it isn't ("keyids").
  if (!systems.has('clearkey')) elements.push(dashSystemProtection({ system: 'common', pssh }))
  if (systems.has('widevine')) {
    const box = widevinePssh([ref.kidBytes], scheme)
    elements.push(
      dashSystemProtection({
        system: 'widevine',
        pssh: box,
        ...licence(licenceUrlOf(delivery, 'widevine', ref, base)),
      }),
    )
  }
  if (systems.has('playready')) {
    const terms = playReadyTerms(delivery, ref)
    const system = { system: 'playready', pssh: playReadyPssh(terms), playReadyObject: playReadyObject(terms) } as const
    elements.push(dashSystemProtection({ ...system, ...licence(licenceUrlOf(delivery, 'playready', ref, base)) }))
  }
  if (systems.has('clearkey')) {
    const licenceUrl = statedLicenceUrl(delivery, 'clearkey', ref) ?? `${base}${CLEAR_KEY_PATH}`
    elements.push(dashSystemProtection({ system: 'clearkey', licenceUrl }))
  }
  return elements
}

function licence(licenceUrl: string | undefined): { readonly licenceUrl?: string } {
  return licenceUrl === undefined ? {} : { licenceUrl }
}

/** Without the checksum, which old `cenc` players do without and for which the key would have to be there. */
function playReadyTerms(delivery: SampleDelivery, ref: TrackKeyRef): PlayReadyTerms {
  const { protection: scheme } = delivery
  const version = scheme === 'cbcs' ? '4.3' : '4.0'
  return { version, scheme, keys: [{ kid: ref.kidBytes }], ...licence(statedLicenceUrl(delivery, 'playready', ref)) }
}

/** As Azure Media Services had it: `skd:` in place of `https:`, and the KID in the query, where the policy has no other place for it. */
function fairPlayUri(kid: string, template: string | undefined, licenceUrl: string | undefined): string {
  if (licenceUrl === undefined) return `skd://${kid}`
  if (licenceUrl !== template) return licenceUrl.replace(/^https?:/, 'skd:')
  return `${licenceUrl.replace(/^https?:/, 'skd:')}${licenceUrl.includes('?') ? '&' : '?'}kid=${kid}`
}
