import { createCipheriv } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import { escapeMarkup } from '../signalling/markup.ts'
import { drmSystems } from './drm-systems.ts'
import { psshBox } from './pssh-box.ts'

/** A key that a PlayReady header names. `key` is there for its checksum alone, and doesn't leave this room. */
export type PlayReadyKey = { readonly kid: Uint8Array; readonly key?: Uint8Array }

/** What a PlayReady header says. */
export type PlayReadyTerms = {
  /** 4.0 and 4.1 name one key; `cbcs` needs 4.3. */
  readonly version: '4.0' | '4.1' | '4.2' | '4.3'
  readonly scheme: 'cenc' | 'cbcs'
  readonly keys: readonly [PlayReadyKey, ...PlayReadyKey[]]
  /** Where players get licences. */
  readonly licenceUrl?: string
}

const NAMESPACE = 'http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader'
const RIGHTS_MANAGEMENT_HEADER = 1
const CHECKSUM_BYTES = 8
const OBJECT_HEAD_BYTES = 10
/** "This value should not exceed 15 kilobytes". */
const MAX_OBJECT_BYTES = 15 * 1024

/**
 * A PlayReady object with one record, a WRMHEADER (Microsoft, "PlayReady Header Specification"). @throws AppError `MEDIA_UNSUPPORTED` where
 * the version has no word for what is wanted, `LIMIT_EXCEEDED` past 15 KB
 */
export function playReadyObject(terms: PlayReadyTerms): Uint8Array {
  const header = Buffer.from(rightsHeader(terms), 'utf16le')
  const bytes = Buffer.alloc(OBJECT_HEAD_BYTES + header.byteLength)
  if (bytes.byteLength > MAX_OBJECT_BYTES) {
    throw new AppError('LIMIT_EXCEEDED', `A PlayReady header of ${terms.keys.length} keys is longer than 15 KB.`)
  }
  bytes.writeUInt32LE(bytes.byteLength, 0)
  bytes.writeUInt16LE(1, 4)
  bytes.writeUInt16LE(RIGHTS_MANAGEMENT_HEADER, 6)
  bytes.writeUInt16LE(header.byteLength, 8)
  header.copy(bytes, OBJECT_HEAD_BYTES)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** PlayReady's `pssh` box, which holds a PlayReady object. */
export function playReadyPssh(terms: PlayReadyTerms): Uint8Array {
  return psshBox({ systemId: drmSystems.playready, data: playReadyObject(terms) })
}

/** A key id as Windows writes a GUID: its first three parts little-endian. */
export function guidBytes(kid: Uint8Array): Buffer {
  const guid = Buffer.from(kid)
  guid.subarray(0, 4).reverse()
  guid.subarray(4, 6).reverse()
  guid.subarray(6, 8).reverse()
  return guid
}

/** Attributes stand in alphabetical order, and every element has an end of its own, as the specification asks for. */
function rightsHeader(terms: PlayReadyTerms): string {
  const { version, licenceUrl } = terms
  const licence = licenceUrl === undefined ? '' : `<LA_URL>${escapeMarkup(licenceUrl)}</LA_URL>`
  const data = version === '4.0' ? oldKey(terms) : `<PROTECTINFO>${keys(terms)}</PROTECTINFO>`
  return `<WRMHEADER xmlns="${NAMESPACE}" version="${version}.0.0"><DATA>${data}${licence}</DATA></WRMHEADER>`
}

function oldKey(terms: PlayReadyTerms): string {
  const only = onlyKey(terms)
  const sum = checksum(terms, only)
  return (
    `<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>${algorithm(terms)}</ALGID></PROTECTINFO>` +
    `<KID>${base64Kid(only)}</KID>${sum === undefined ? '' : `<CHECKSUM>${sum}</CHECKSUM>`}`
  )
}

function keys(terms: PlayReadyTerms): string {
  if (terms.version === '4.1') return keyElement(terms, onlyKey(terms))
  return `<KIDS>${terms.keys.map((key) => keyElement(terms, key)).join('')}</KIDS>`
}

function keyElement(terms: PlayReadyTerms, key: PlayReadyKey): string {
  const sum = checksum(terms, key)
  const said = sum === undefined ? '' : ` CHECKSUM="${sum}"`
  return `<KID ALGID="${algorithm(terms)}"${said} VALUE="${base64Kid(key)}"></KID>`
}

function onlyKey({ version, keys: [first, ...others] }: PlayReadyTerms): PlayReadyKey {
  if (others.length > 0)
    throw new AppError('MEDIA_UNSUPPORTED', `A PlayReady header of version ${version} names one key.`)
  return first
}

function algorithm({ version, scheme }: PlayReadyTerms): string {
  if (scheme === 'cenc') return 'AESCTR'
  if (version !== '4.3')
    throw new AppError('MEDIA_UNSUPPORTED', `A PlayReady header of version ${version} has no cbcs.`)
  return 'AESCBC'
}

function base64Kid({ kid }: PlayReadyKey): string {
  return guidBytes(kid).toString('base64')
}

/** The first bytes of the key's id, encrypted with the key; `AESCBC` has none. */
function checksum({ scheme }: PlayReadyTerms, { kid, key }: PlayReadyKey): string | undefined {
  if (key === undefined || scheme === 'cbcs') return undefined
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  return cipher.update(guidBytes(kid)).subarray(0, CHECKSUM_BYTES).toString('base64')
}
