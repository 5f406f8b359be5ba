import type { TrackProtection } from '../cenc/track-protection.ts'
import { type DrmSystem, drmSystems } from '../drm/drm-systems.ts'

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

/** Lines that a key's provider has made: of media playlists, and of masters. */
export type HlsLines = {
  readonly keyFormat: string
  readonly lines: Readonly<Record<HlsKeyTag, readonly string[]>>
}

/** The tag of a media playlist, or that of a master playlist by which players get keys ahead. */
export type HlsKeyTag = 'EXT-X-KEY' | 'EXT-X-SESSION-KEY'

/** From here on segments are in the clear (RFC 8216bis §4.4.4.4). */
export const HLS_NO_KEY = '#EXT-X-KEY:METHOD=NONE'

/** The method by which samples of fMP4 are encrypted; Apple's players know `cbcs` alone. */
export function hlsMethodOf(scheme: TrackProtection['scheme']): HlsMethod {
  return scheme === 'cbcs' ? 'SAMPLE-AES' : 'SAMPLE-AES-CTR'
}

/** What playlists say of a key and a system: one line of ours, or those of its provider. */
export function hlsKeyLines(tag: HlsKeyTag, key: HlsKey | HlsLines): readonly string[] {
  return 'lines' in key ? key.lines[tag] : [hlsKeyLine(tag, key)]
}

/** The line of a key that is made here. */
export function hlsKeyLine(tag: HlsKeyTag, key: HlsKey): string {
  const attributes = [`METHOD=${key.method}`, `URI=${quoted(key.uri)}`]
  if (key.iv !== undefined) attributes.push(`IV=${hexNumber(key.iv)}`)
  if (key.keyId !== undefined) attributes.push(`KEYID=${hexNumber(key.keyId)}`)
  if (key.keyFormat !== undefined) attributes.push(`KEYFORMAT=${quoted(key.keyFormat)}`, 'KEYFORMATVERSIONS="1"')
  return `#${tag}:${attributes.join(',')}`
}

/** KEYFORMAT of the systems that have licences. */
const keyFormats = {
  fairplay: 'com.apple.streamingkeydelivery',
  widevine: `urn:uuid:${drmSystems.widevine}`,
  playready: 'com.microsoft.playready',
} as const satisfies Partial<Record<DrmSystem, string>>

/** KEYFORMAT of a system's lines; `undefined`: it has none that is known. */
export function hlsKeyFormatOf(systemId: string): string | undefined {
  const systems = Object.keys(keyFormats) as (keyof typeof keyFormats)[]
  const system = systems.find((one) => drmSystems[one] === systemId)
  return system && keyFormats[system]
}

/**
 * A system's lines as a provider has them, in base64 (CPIX 2.3, `HLSSignalingData`); `undefined`: it has none. Where it has them for one kind of playlist alone they
 * are those of the other too, since both tags have the same attributes (RFC 8216bis §4.4.5.2).
 */
export function providedKey(
  system: keyof typeof keyFormats,
  told: { readonly hlsMedia?: string | undefined; readonly hlsMaster?: string | undefined } | undefined,
): HlsLines | undefined {
  const { hlsMedia: media, hlsMaster: master } = told ?? {}
  const given = media ?? master
  if (given === undefined) return undefined
  const linesFor = (tag: HlsKeyTag, text: string) => {
    const lines = Buffer.from(text, 'base64').toString('utf8').trim().split(/\r?\n/)
    return lines.map((line) => line.replace(/^#EXT-X-(?:SESSION-)?KEY:/, `#${tag}:`))
  }
  const lines = {
    'EXT-X-KEY': linesFor('EXT-X-KEY', media ?? given),
    'EXT-X-SESSION-KEY': linesFor('EXT-X-SESSION-KEY', master ?? given),
  }
  return { keyFormat: keyFormats[system], lines }
}

/** FairPlay: the URI is the application's own, `skd://` and what its licence server knows the key by. */
export function fairPlayKey(uri: string): HlsKey {
  return { method: 'SAMPLE-AES', uri, keyFormat: keyFormats.fairplay }
}

/** Widevine: its `pssh` box in a data URI. */
export function widevineKey(scheme: TrackProtection['scheme'], kid: Uint8Array, pssh: Uint8Array): HlsKey {
  const uri = `data:text/plain;base64,${base64(pssh)}`
  return { method: hlsMethodOf(scheme), uri, keyId: kid, keyFormat: keyFormats.widevine }
}

/** PlayReady: its object, without a `pssh` box, in a data URI. */
export function playReadyKey(scheme: TrackProtection['scheme'], kid: Uint8Array, object: Uint8Array): HlsKey {
  const uri = `data:text/plain;charset=UTF-16;base64,${base64(object)}`
  return { method: hlsMethodOf(scheme), uri, keyId: kid, keyFormat: keyFormats.playready }
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
