import type { TrackProtection } from '../cenc/track-protection.ts'
import { drmSystems } from '../drm/drm-systems.ts'

/** How segments are encrypted, as playlists say it (RFC 8216bis §4.4.4.4). */
export type HlsMethod = 'AES-128' | 'SAMPLE-AES' | 'SAMPLE-AES-CTR'

/** Where a key is got, and in which form: what a playlist says of one key and one system. */
export type HlsKey = {
  readonly method: HlsMethod
  readonly uri: string
  /** 16 bytes. */
  readonly iv?: Uint8Array
  readonly keyId?: Uint8Array
  /** Absent: `identity`, the 16 bytes of the key. */
  readonly keyFormat?: string
}

/** From here on segments are in the clear (RFC 8216bis §4.4.4.4). */
export const HLS_NO_KEY = '#EXT-X-KEY:METHOD=NONE'

/** The method by which samples of fMP4 are encrypted; Apple's players know `cbcs` alone. */
export function hlsMethodOf(scheme: TrackProtection['scheme']): HlsMethod {
  return scheme === 'cbcs' ? 'SAMPLE-AES' : 'SAMPLE-AES-CTR'
}

/** The line of a media playlist, or that of a master playlist by which players get keys ahead. */
export function hlsKeyLine(tag: 'EXT-X-KEY' | 'EXT-X-SESSION-KEY', key: HlsKey): string {
  const attributes = [`METHOD=${key.method}`, `URI=${quoted(key.uri)}`]
  if (key.iv !== undefined) attributes.push(`IV=${hexNumber(key.iv)}`)
  if (key.keyId !== undefined) attributes.push(`KEYID=${hexNumber(key.keyId)}`)
  if (key.keyFormat !== undefined) attributes.push(`KEYFORMAT=${quoted(key.keyFormat)}`, 'KEYFORMATVERSIONS="1"')
  return `#${tag}:${attributes.join(',')}`
}

/** FairPlay: the URI is the application's own, `skd://` and what its licence server knows the key by. */
export function fairPlayKey(uri: string): HlsKey {
  return { method: 'SAMPLE-AES', uri, keyFormat: 'com.apple.streamingkeydelivery' }
}

/** Widevine: its `pssh` box in a data URI. */
export function widevineKey(scheme: TrackProtection['scheme'], kid: Uint8Array, pssh: Uint8Array): HlsKey {
  const uri = `data:text/plain;base64,${base64(pssh)}`
  return { method: hlsMethodOf(scheme), uri, keyId: kid, keyFormat: `urn:uuid:${drmSystems.widevine}` }
}

/** PlayReady: its object, without a `pssh` box, in a data URI. */
export function playReadyKey(scheme: TrackProtection['scheme'], kid: Uint8Array, object: Uint8Array): HlsKey {
  const uri = `data:text/plain;charset=UTF-16;base64,${base64(object)}`
  return { method: hlsMethodOf(scheme), uri, keyId: kid, keyFormat: 'com.microsoft.playready' }
}

/** ClearKey for players with EME: where licences are got in JSON (Encrypted Media Extensions §9.1.4). */
export function clearKey(scheme: TrackProtection['scheme'], kid: Uint8Array, licenceUrl: string): HlsKey {
  return { method: hlsMethodOf(scheme), uri: licenceUrl, keyId: kid, keyFormat: 'org.w3.clearkey' }
}

/** A quoted string can hold neither a quote nor a line break (RFC 8216 §4.2). */
function quoted(text: string): string {
  return `"${text.replace(/["\r\n]/g, '')}"`
}

function hexNumber(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex').toUpperCase()}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
