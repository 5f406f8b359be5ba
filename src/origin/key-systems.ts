import type { DrmSignalling } from '../domain/drm-signalling.ts'
import { drmSystems } from '../protection/drm/drm-systems.ts'
import { type PlayReadyTerms, playReadyObject, playReadyPssh } from '../protection/drm/playready-object.ts'
import { commonPssh, psshData, widevinePssh } from '../protection/drm/pssh-box.ts'
import { type DashSystem, dashMp4Protection, dashSystemProtection } from '../protection/signalling/dash-protection.ts'
import {
  clearKey,
  fairPlayKey,
  type HlsKey,
  type HlsLines,
  hlsMethodOf,
  playReadyKey,
  providedKey,
  widevineKey,
} from '../protection/signalling/hls-keys.ts'
import type { SampleDelivery } from './deliveries.ts'
import type { TrackKeyRef } from './delivery-keys.ts'
import { licenceUrlOf, statedLicenceUrl } from './licence-urls.ts'

/** A system by which players get keys. */
type System = 'identity' | 'clearkey' | 'widevine' | 'playready' | 'fairplay'

/** What is said of a key beside its name. */
export type KeyNews = {
  /** What its provider wants players to be told; it stands in place of what would be made for the same system here. */
  readonly told: DrmSignalling
  /** Scheme and host of where keys are given, as the operator or the request has them; empty: addresses are paths of the manifest's own host. */
  readonly base: string
}

/** Where this server gives keys to players of EME's ClearKey, as an absolute path. */
const CLEAR_KEY_PATH = '/keys/clearkey'

/** What addresses of our own keys begin with. */
export const KEYS_PATH = '/keys/'

/** Where the 16 bytes of a key are given. */
export function rawKeyPath(kid: string): string {
  return `${KEYS_PATH}aes128/${kid}`
}

/**
 * The systems that a key is signalled for: those that its authorization policy has an option for, the delivery policy a licence URL, or its provider
 * something to say. What nobody would be given is not offered, since players take the first offer that they know.
 */
function systemsOf(
  { keys, licenceUrls, protection }: SampleDelivery,
  { contentKeyId }: TrackKeyRef,
  told: DrmSignalling,
): ReadonlySet<System> {
  const had = new Set(keys.find((key) => key.contentKeyId === contentKeyId)?.had)
  const systems = new Set<System>()
  const isOffered = (system: 'clearkey' | 'widevine' | 'playready' | 'fairplay') =>
    had.has(system) || licenceUrls[system] !== undefined || toldOf(told, system) !== undefined
  if (had.has('aes128')) systems.add('identity')
  for (const system of ['clearkey', 'widevine', 'playready'] as const) {
    if (isOffered(system)) systems.add(system)
  }
  // FairPlay has no cenc.
  if (protection === 'cbcs' && isOffered('fairplay')) systems.add('fairplay')
  return systems
}

function toldOf(told: DrmSignalling, system: Exclude<System, 'identity'>): DrmSignalling[number] | undefined {
  return told.find(({ systemId }) => systemId === drmSystems[system])
}

/** The `pssh` boxes of an init segment; ClearKey in browsers reads the common one. */
export function psshBoxes(delivery: SampleDelivery, ref: TrackKeyRef, told: DrmSignalling): readonly Uint8Array[] {
  const systems = systemsOf(delivery, ref, told)
  const boxes = [commonPssh([ref.kidBytes])]
  if (systems.has('widevine')) boxes.push(widevineBox(delivery, ref, told))
  if (systems.has('playready')) boxes.push(playReadyBox(delivery, ref, told))
  const fairPlay = systems.has('fairplay') ? toldOf(told, 'fairplay')?.pssh : undefined
  if (fairPlay !== undefined) boxes.push(bytesOf(fairPlay))
  return boxes
}

function widevineBox({ protection }: SampleDelivery, { kidBytes }: TrackKeyRef, told: DrmSignalling): Uint8Array {
  const given = toldOf(told, 'widevine')?.pssh
  return given === undefined ? widevinePssh([kidBytes], protection) : bytesOf(given)
}

function playReadyBox(delivery: SampleDelivery, ref: TrackKeyRef, told: DrmSignalling): Uint8Array {
  const given = toldOf(told, 'playready')?.pssh
  return given === undefined ? playReadyPssh(playReadyTerms(delivery, ref)) : bytesOf(given)
}

/** The PlayReady object of a key: that within the provider's box, else ours. */
function playReadyHeader(delivery: SampleDelivery, ref: TrackKeyRef, told: DrmSignalling): Uint8Array {
  const given = toldOf(told, 'playready')?.pssh
  return given === undefined ? playReadyObject(playReadyTerms(delivery, ref)) : psshData(bytesOf(given))
}

/** The keys of a media playlist, or of a master, for one KID. */
export function hlsKeys(
  delivery: SampleDelivery,
  ref: TrackKeyRef,
  { told, base }: KeyNews,
): readonly (HlsKey | HlsLines)[] {
  const { protection: scheme } = delivery
  const { kid, kidBytes, constantIv } = ref
  const systems = systemsOf(delivery, ref, told)
  const keys: (HlsKey | HlsLines)[] = []
  const own = {
    fairplay: () =>
      fairPlayKey(fairPlayUri(ref, delivery.licenceUrls.fairplay, statedLicenceUrl(delivery, 'fairplay', ref))),
    widevine: () => widevineKey(scheme, kidBytes, widevineBox(delivery, ref, told)),
    playready: () => playReadyKey(scheme, kidBytes, playReadyHeader(delivery, ref, told)),
  } as const
  for (const system of ['fairplay', 'widevine', 'playready'] as const) {
    if (systems.has(system)) keys.push(providedKey(system, toldOf(told, system)) ?? own[system]())
  }
  // An address for each key: hls.js keeps licences by theirs, and would take that of the last period for the next.
  if (systems.has('clearkey')) {
    const licenceUrl = statedLicenceUrl(delivery, 'clearkey', ref) ?? `${base}${CLEAR_KEY_PATH}/${kid}`
    keys.push(clearKey(scheme, kidBytes, licenceUrl))
  }
  // What is encrypted is said to be, also where nobody gets the key.
  if (systems.has('identity') || keys.length === 0) {
    const iv = scheme === 'cbcs' ? { iv: constantIv } : {}
    keys.push({ method: hlsMethodOf(scheme), uri: base + rawKeyPath(kid), ...iv, keyFormat: 'identity' })
  }
  return keys
}

/** The `ContentProtection` elements of an AdaptationSet. */
export function dashProtections(
  delivery: SampleDelivery,
  ref: TrackKeyRef,
  { told, base }: KeyNews,
): readonly string[] {
  const { protection: scheme } = delivery
  const systems = systemsOf(delivery, ref, told)
  const pssh = commonPssh([ref.kidBytes])
  const elements = [dashMp4Protection(scheme, ref.kidBytes)]
  // Beside ClearKey's own element dash.js 5 takes this one first, and then gives the box to the browser as what it isn't ("keyids").
  if (!systems.has('clearkey')) elements.push(dashSystemProtection({ system: 'common', pssh }))
  if (systems.has('widevine')) {
    const made = { pssh: widevineBox(delivery, ref, told) }
    const licenceUrl = licenceUrlOf(delivery, 'widevine', ref, base)
    elements.push(dashSystemProtection({ system: 'widevine', ...contentOf(told, 'widevine', made), licenceUrl }))
  }
  if (systems.has('playready')) {
    const made = {
      pssh: playReadyBox(delivery, ref, told),
      playReadyObject: playReadyHeader(delivery, ref, told),
    }
    const licenceUrl = licenceUrlOf(delivery, 'playready', ref, base)
    elements.push(dashSystemProtection({ system: 'playready', ...contentOf(told, 'playready', made), licenceUrl }))
  }
  if (systems.has('clearkey')) {
    const licenceUrl = statedLicenceUrl(delivery, 'clearkey', ref) ?? `${base}${CLEAR_KEY_PATH}`
    elements.push(dashSystemProtection({ system: 'clearkey', licenceUrl }))
  }
  return elements
}

/** What the provider has for within the element, else what is made here. */
function contentOf(
  told: DrmSignalling,
  system: 'widevine' | 'playready',
  made: Pick<DashSystem, 'pssh' | 'playReadyObject'>,
): Pick<DashSystem, 'pssh' | 'playReadyObject' | 'provided'> {
  const provided = toldOf(told, system)?.contentProtection
  return provided === undefined ? made : { provided: bytesOf(provided).toString('utf8') }
}

function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64')
}

/** Without the checksum, which old `cenc` players do without and for which the key would have to be there. */
function playReadyTerms(delivery: SampleDelivery, ref: TrackKeyRef): PlayReadyTerms {
  const { protection: scheme } = delivery
  const version = scheme === 'cbcs' ? '4.3' : '4.0'
  const licenceUrl = statedLicenceUrl(delivery, 'playready', ref)
  return { version, scheme, keys: [{ kid: ref.kidBytes }], ...(licenceUrl !== undefined && { licenceUrl }) }
}

/** As Azure Media Services had it: `skd:` in place of `https:`, and the KID in the query, where the policy has no other place for it. */
function fairPlayUri(
  { kid, periodMs }: Pick<TrackKeyRef, 'kid' | 'periodMs'>,
  template = '',
  licenceUrl: string | undefined,
): string {
  if (licenceUrl === undefined) return `skd://${kid}`
  const uri = licenceUrl.replace(/^https?:/, 'skd:')
  // The id of a key that rotates is not that of a period's.
  const namesKey = periodMs === undefined ? /\{(?:kid|kidHex|kidBase64|keyId)\}/ : /\{(?:kid|kidHex|kidBase64)\}/
  return namesKey.test(template) ? uri : `${uri}${uri.includes('?') ? '&' : '?'}kid=${kid}`
}
