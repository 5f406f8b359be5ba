import type { KeyObject } from 'node:crypto'
import type { DrmSignalling } from '../../domain/drm-signalling.ts'
import { AppError } from '../../lib/errors.ts'
import { localName, readXmlTree, type XmlNode } from '../../media/text/xml-tree.ts'
import { CONTENT_KEY_BYTES } from '../../protection/content-key-derivation.ts'
import { drmSystems } from '../../protection/drm/drm-systems.ts'
import { psshData } from '../../protection/drm/pssh-box.ts'
import { type CpixOpener, openCpixDocument } from './cpix-cipher.ts'
import { attributeOf, base64Of, bytesOf, childOf, childrenOf } from './cpix-elements.ts'
import { markupWithin } from './cpix-markup.ts'
import { checkKeyLines, type LineTerms } from './cpix-playlist-lines.ts'
import { type CpixWish, systemIdsFor } from './cpix-request.ts'

/** A content key of a document. */
export type CpixKey = { readonly kid: string; readonly value: Uint8Array; readonly signalling: DrmSignalling }

const MAX_SIGNALLING_BYTES = 49_152
const MAX_VALUE_BYTES = 64
const MAX_DOCUMENT_CHARACTERS = 1_048_576

/**
 * The keys that were asked for, in the order in which they were, and what players are to be told of them. The document has to answer the
 * wish: the same content, each key once and by the same scheme, encrypted where that was asked for, and nothing in the signalling that would
 * say anything else in a manifest than how to get a key.
 * @throws AppError `FORMAT_INVALID`
 */
export function readCpixResponse(text: string, wish: CpixWish, privateKey?: KeyObject): CpixKey[] {
  if (text.length > MAX_DOCUMENT_CHARACTERS) throw wrong('it is longer than 1 MiB')
  const root = readXmlTree(text, 'CPIX')
  if (localName(root.name) !== 'CPIX') throw wrong(`it is <${localName(root.name).slice(0, 32)}>, no CPIX document`)
  const contentId = attributeOf(root, 'contentId')
  if (contentId !== '' && contentId !== wish.contentId) throw wrong('it is about another content')
  const version = attributeOf(root, 'version')
  if (version !== '' && !/^2\.\d+$/.test(version)) throw wrong('it is of another version of CPIX')
  const open = privateKey && openerOf(root, privateKey)
  const nodes = childrenOf(childOf(root, 'ContentKeyList'), 'ContentKey')
  const systems = childrenOf(root, 'DRMSystemList').flatMap((list) => childrenOf(list, 'DRMSystem'))
  const keys = wish.keys.map(({ kid, scheme }) => {
    const [node, another] = nodes.filter((one) => attributeOf(one, 'kid').toLowerCase() === kid)
    if (!node || another) throw wrong(`it has ${another ? 'several keys' : 'no key'} ${kid}`)
    const said = attributeOf(node, 'commonEncryptionScheme')
    if (said !== '' && scheme !== undefined && said !== scheme)
      throw wrong(`its key ${kid} is for ${said.slice(0, 8)}, not ${scheme}`)
    const own = systems.filter((one) => attributeOf(one, 'kid').toLowerCase() === kid)
    return { kid, value: contentKeyOf(node, open), signalling: signallingOf(own, systemIdsFor(wish, scheme), scheme) }
  })
  // Under one value two KIDs would be one key: whoever has a licence for one period would have the next, and counters would repeat.
  const values = new Set(keys.map(({ value }) => Buffer.from(value).toString('hex')))
  if (values.size < keys.length) throw wrong('it has one value for two keys')
  return keys
}

function openerOf(root: XmlNode, privateKey: KeyObject): CpixOpener {
  return openCpixDocument(childOf(childOf(root, 'DeliveryDataList'), 'DeliveryData'), privateKey)
}

function contentKeyOf(node: XmlNode, open: CpixOpener | undefined): Uint8Array {
  const secret = childOf(childOf(node, 'Data'), 'Secret')
  const isPlain = childrenOf(secret, 'PlainValue').length > 0
  if (open && isPlain) throw wrong('a content key is in the clear, although a certificate was given to encrypt it for')
  const value = open ? open(secret) : bytesOf(childOf(secret, 'PlainValue'), MAX_VALUE_BYTES)
  if (value.byteLength !== CONTENT_KEY_BYTES) throw wrong(`a content key has ${value.byteLength} bytes`)
  if (value.every((byte) => byte === 0)) throw wrong('a content key is all zeros')
  return value
}

function signallingOf(
  systems: readonly XmlNode[],
  systemIds: readonly string[],
  scheme: 'cenc' | 'cbcs' | undefined,
): DrmSignalling {
  return systemIds.flatMap((systemId) => {
    const [system, another] = systems.filter((one) => attributeOf(one, 'systemId').toLowerCase() === systemId)
    if (another) throw wrong(`the system ${systemId} is there twice`)
    if (!system) return []
    const found = {
      pssh: checked(system, 'PSSH', (bytes) => isPssh(bytes, systemId)),
      contentProtection: markupOf(system),
      hlsMedia: hlsOf(system, { playlist: 'media', systemId, scheme }),
      hlsMaster: hlsOf(system, { playlist: 'master', systemId, scheme }),
      smoothHeader: checked(system, 'SmoothStreamingProtectionHeaderData', isPlayReadyObject),
    }
    const given = Object.fromEntries(Object.entries(found).filter(([, data]) => data !== undefined))
    return Object.keys(given).length === 0 ? [] : [{ systemId, ...given }]
  })
}

function checked(system: XmlNode, name: string, isRight: (bytes: Buffer) => boolean): string | undefined {
  const [node] = childrenOf(system, name)
  const text = node && base64Of(node, MAX_SIGNALLING_BYTES)
  if (text === undefined || isRight(Buffer.from(text, 'base64'))) return text
  throw wrong(`<${name}> holds something else`)
}

/** What DASH is to say, as it may stand in a manifest. */
function markupOf(system: XmlNode): string | undefined {
  const [node] = childrenOf(system, 'ContentProtectionData')
  const given = node && base64Of(node, MAX_SIGNALLING_BYTES)
  const text = given === undefined ? undefined : markupWithin(Buffer.from(given, 'base64'))
  if (text === undefined) return undefined
  const bytes = Buffer.from(text)
  if (bytes.byteLength > MAX_SIGNALLING_BYTES) {
    throw wrong(`<ContentProtectionData> holds more than ${MAX_SIGNALLING_BYTES} bytes`)
  }
  return bytes.toString('base64')
}

/** Where it isn't said for which playlist lines are, they are for a media playlist. */
function hlsOf(system: XmlNode, terms: LineTerms): string | undefined {
  const node = childrenOf(system, 'HLSSignalingData').find(
    (one) => (one.attributes.get('playlist') ?? 'media') === terms.playlist,
  )
  const text = node && base64Of(node, MAX_SIGNALLING_BYTES)
  if (text !== undefined) checkKeyLines(Buffer.from(text, 'base64').toString('utf8'), terms)
  return text
}

/** Microsoft, "PlayReady Header Specification": an object begins with its length, little-endian. */
function isPlayReadyObject(bytes: Buffer): boolean {
  return bytes.byteLength >= 10 && bytes.readUInt32LE(0) === bytes.byteLength
}

/** ISO/IEC 23001-7 §8.1: size, `pssh`, version, flags, system. */
function isPssh(bytes: Buffer, systemId: string): boolean {
  if (bytes.byteLength < 32 || bytes.readUInt32BE(0) !== bytes.byteLength || bytes.toString('latin1', 4, 8) !== 'pssh')
    return false
  const data = psshData(bytes)
  if (systemId === drmSystems.playready && !isPlayReadyObject(Buffer.from(data))) return false
  return bytes.toString('hex', 12, 28) === systemId.replaceAll('-', '')
}

function wrong(problem: string): AppError {
  return new AppError('FORMAT_INVALID', problem)
}
