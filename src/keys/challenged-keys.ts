import type { LicenceDelivery } from '../domain/key-refusal.ts'
import { AppError } from '../lib/errors.ts'
import { localName, readXmlTree, type XmlNode } from '../media/text/xml-tree.ts'
import { CONTENT_KEY_BYTES } from '../protection/content-key-derivation.ts'
import { uuidOf } from '../protection/drm/drm-systems.ts'
import { guidBytes } from '../protection/drm/playready-object.ts'
import { type ProtoField, protoFields } from './proto-fields.ts'

/**
 * The KIDs, as GUIDs, that a challenge asks licences for: Widevine's in the initialisation data that the request repeats, PlayReady's in the header
 * that it encloses. `undefined`: it asks for keys, and for which can't be told, or two readers might tell differently; such a challenge is for
 * nobody to pass on. None: it asks for no key (a service certificate, the renewal of a licence that was given), or is FairPlay's, which is encrypted.
 */
export function challengedKeyIds(delivery: LicenceDelivery, challenge: Uint8Array): string[] | undefined {
  const found = delivery === 'fairplay' ? [] : delivery === 'widevine' ? widevine(challenge) : playReady(challenge)
  return found && [...new Set(found)]
}

/** `SignedMessage.type`. */
const LICENSE_REQUEST = 1
const SERVICE_CERTIFICATE_REQUEST = 4
/** `LicenseRequest.type`: a renewal or a release is of a licence that its server gave before, and names that. */
const ABOUT_A_LICENCE: readonly unknown[] = [2, 3]
/** Fields of `ContentIdentification`, of which there is one; by the others a server could be asked for a key that can't be read here. */
const WIDEVINE_PSSH_DATA = 1
const EXISTING_LICENSE = 3

/**
 * `SignedMessage.msg` (2) is a `LicenseRequest`, its `content_id` (2) holds `widevine_pssh_data` (1), whose `pssh_data` (1) are
 * `WidevinePsshData` with `key_ids` (2). (Field numbers as in Widevine's published protocol definitions.)
 */
function widevine(challenge: Uint8Array): string[] | undefined {
  const signed = protoFields(challenge)
  const types = signed?.filter(({ number }) => number === 1) ?? []
  const type = types.length > 0 ? types[0]?.value : LICENSE_REQUEST
  if (!signed || types.length > 1) return undefined
  if (type === SERVICE_CERTIFICATE_REQUEST) return []
  const request = type === LICENSE_REQUEST ? inner(signed, 2) : undefined
  const content = request && inner(request, 2)
  const [id, another] = content ?? []
  if (!request || !id || another) return undefined
  if (id.number === EXISTING_LICENSE) {
    const [asked, more] = request.filter(({ number }) => number === 3)
    return ABOUT_A_LICENCE.includes(asked?.value) && !more ? [] : undefined
  }
  return id.number === WIDEVINE_PSSH_DATA ? keysOfPssh(id) : undefined
}

/** Each box has to name its keys: of one that names none, the server would have to find out by what else stands in it. */
function keysOfPssh({ value }: ProtoField): string[] | undefined {
  const boxes = value instanceof Uint8Array ? protoFields(value)?.filter(({ number }) => number === 1) : undefined
  const kids: string[] = []
  for (const box of boxes ?? []) {
    const fields = box.value instanceof Uint8Array ? protoFields(box.value) : undefined
    const named = fields?.filter(({ number }) => number === 2) ?? []
    if (named.length === 0) return undefined
    for (const { value: kid } of named) {
      if (!(kid instanceof Uint8Array) || kid.byteLength !== CONTENT_KEY_BYTES) return undefined
      kids.push(uuidOf(kid))
    }
  }
  return kids.length === 0 ? undefined : kids
}

/** The fields of the one message of this number; `undefined`: there is none, there are several, or it is none. */
function inner(fields: readonly ProtoField[], wanted: number): ProtoField[] | undefined {
  const [one, another] = fields.filter(({ number }) => number === wanted)
  return one?.value instanceof Uint8Array && !another ? protoFields(one.value) : undefined
}

const KID = /^[A-Za-z0-9+/]{22}==$/

/** `<KID>` of headers up to 4.0, `<KID VALUE="…">` after that; GUIDs as Windows has them in memory, in base64. */
function playReady(challenge: Uint8Array): string[] | undefined {
  try {
    const root = readXmlTree(textOf(challenge), 'challenge')
    const kids = keysIn(localName(root.name) === 'PlayReadyKeyMessage' ? unwrapped(root) : root)
    return kids.length === 0 ? undefined : kids
  } catch {
    // No XML, or no KID where one stands: what it asks for can't be told.
    return undefined
  }
}

/** Some players send the message of their decryption module as it is, in UTF-16, with the challenge in base64. */
function unwrapped(message: XmlNode): XmlNode {
  const [challenge, another] = named(message, 'Challenge')
  if (!challenge || another) throw unreadable()
  return readXmlTree(textOf(Buffer.from(written(challenge), 'base64')), 'challenge')
}

function keysIn(root: XmlNode): string[] {
  return named(root, 'KID').flatMap((node) => {
    const texts = [node.attributes.get('VALUE'), written(node)].filter((text) => text !== undefined && text !== '')
    if (texts.length === 0) throw unreadable()
    return texts.map((text = '') => {
      if (!KID.test(text.trim())) throw unreadable()
      return uuidOf(guidBytes(Buffer.from(text, 'base64')))
    })
  })
}

/** The elements of this name, at any depth. */
function named(node: XmlNode, name: string): XmlNode[] {
  const below = node.content.flatMap((child) => (typeof child === 'string' ? [] : named(child, name)))
  return localName(node.name) === name ? [node, ...below] : below
}

function written({ content }: XmlNode): string {
  return content
    .map((child) => (typeof child === 'string' ? child : '<'))
    .join('')
    .trim()
}

function textOf(bytes: Uint8Array): string {
  const isWide = bytes[1] === 0 || (bytes[0] === 0xff && bytes[1] === 0xfe)
  return new TextDecoder(isWide ? 'utf-16le' : 'utf-8', { fatal: true }).decode(bytes)
}

function unreadable(): AppError {
  return new AppError('FORMAT_INVALID', 'a challenge without a readable KID')
}
