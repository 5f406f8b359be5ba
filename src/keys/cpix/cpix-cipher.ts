import { constants, createDecipheriv, createHmac, type KeyObject, privateDecrypt, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { XmlNode } from '../../media/text/xml-tree.ts'
import { attributeOf, bytesOf, childOf } from './cpix-elements.ts'

const AES_256_CBC = 'http://www.w3.org/2001/04/xmlenc#aes256-cbc'
const RSA_PKCS1 = 'http://www.w3.org/2001/04/xmlenc#rsa-1_5'
const RSA_OAEP = ['http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p', 'http://www.w3.org/2009/xmlenc11#rsa-oaep']
/** Of the OAEP hash; XML Encryption takes SHA-1 where none is said. */
const DIGESTS: Readonly<Record<string, string>> = {
  'http://www.w3.org/2000/09/xmldsig#sha1': 'sha1',
  'http://www.w3.org/2001/04/xmlenc#sha256': 'sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512': 'sha512',
}
const MACS: Readonly<Record<string, string>> = {
  'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256': 'sha256',
  'http://www.w3.org/2001/04/xmldsig-more#hmac-sha384': 'sha384',
  'http://www.w3.org/2001/04/xmldsig-more#hmac-sha512': 'sha512',
}
const BLOCK_BYTES = 16
const DOCUMENT_KEY_BYTES = 32
const MIN_MAC_KEY_BYTES = 16
const MAX_BYTES = 4_096

/** Opens the values of one document's content keys. @throws AppError `FORMAT_INVALID` */
export type CpixOpener = (secret: XmlNode) => Uint8Array

/**
 * What opens the content keys of a document that was encrypted for us (CPIX 2.3 §2.6.1, XML Encryption): its key and the key of its MACs, both under
 * our RSA key.
 * @throws AppError `FORMAT_INVALID` for what is missing, unknown or not for us; never says more of why something does not open
 */
export function openCpixDocument(deliveryData: XmlNode, privateKey: KeyObject): CpixOpener {
  const documentKeyNode = childOf(deliveryData, 'DocumentKey')
  const algorithm = attributeOf(documentKeyNode, 'Algorithm')
  if (algorithm !== AES_256_CBC) throw wrong(`its document key is for ${algorithm}`)
  const wrapped = childOf(childOf(childOf(documentKeyNode, 'Data'), 'Secret'), 'EncryptedValue')
  const documentKey = unwrap(wrapped, privateKey)
  if (documentKey.byteLength !== DOCUMENT_KEY_BYTES) throw wrong('its document key has another length')
  const method = childOf(deliveryData, 'MACMethod')
  const hash = MACS[attributeOf(method, 'Algorithm')]
  if (hash === undefined) throw wrong(`its MACs are by ${attributeOf(method, 'Algorithm')}`)
  const macKey = unwrap(childOf(method, 'Key'), privateKey)
  if (macKey.byteLength < MIN_MAC_KEY_BYTES) throw wrong('the key of its MACs is too short')
  return (secret) => {
    const encrypted = childOf(secret, 'EncryptedValue')
    const by = attributeOf(childOf(encrypted, 'EncryptionMethod'), 'Algorithm')
    if (by !== AES_256_CBC) throw wrong(`a content key is encrypted by ${by}`)
    const value = cipherValue(encrypted)
    const mac = bytesOf(childOf(secret, 'ValueMAC'), MAX_BYTES)
    const expected = createHmac(hash, macKey).update(value).digest()
    // Before anything is decrypted: what was changed on the way teaches nobody anything about padding.
    if (mac.byteLength !== expected.byteLength || !timingSafeEqual(mac, expected))
      throw wrong('the MAC of a content key is wrong')
    return decrypt(documentKey, value)
  }
}

function unwrap(encrypted: XmlNode, key: KeyObject): Uint8Array {
  const method = childOf(encrypted, 'EncryptionMethod')
  const algorithm = attributeOf(method, 'Algorithm')
  const value = cipherValue(encrypted)
  const digest = method.content.some((node) => typeof node !== 'string' && /(?:^|:)DigestMethod$/.test(node.name))
    ? DIGESTS[attributeOf(childOf(method, 'DigestMethod'), 'Algorithm')]
    : 'sha1'
  if (digest === undefined || (algorithm !== RSA_PKCS1 && !RSA_OAEP.includes(algorithm))) {
    throw wrong(`a key is wrapped by ${algorithm}`)
  }
  const padding =
    algorithm === RSA_PKCS1
      ? { padding: constants.RSA_PKCS1_PADDING }
      : { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: digest }
  try {
    return privateDecrypt({ key, ...padding }, value)
  } catch (cause) {
    throw wrong('it is encrypted for another certificate', cause)
  }
}

/** The IV and the blocks behind it (XML Encryption §5.2.2); the last byte says how many are padding. */
function decrypt(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sizeBytes = value.byteLength - BLOCK_BYTES
  if (sizeBytes < BLOCK_BYTES || sizeBytes % BLOCK_BYTES !== 0)
    throw wrong('an encrypted content key has no whole blocks')
  const decipher = createDecipheriv('aes-256-cbc', key, value.subarray(0, BLOCK_BYTES)).setAutoPadding(false)
  const plain = Buffer.concat([decipher.update(value.subarray(BLOCK_BYTES)), decipher.final()])
  const padding = plain.at(-1) ?? 0
  if (padding < 1 || padding > BLOCK_BYTES) throw wrong('an encrypted content key is not padded')
  return plain.subarray(0, plain.byteLength - padding)
}

function cipherValue(encrypted: XmlNode): Uint8Array {
  return bytesOf(childOf(childOf(encrypted, 'CipherData'), 'CipherValue'), MAX_BYTES)
}

function wrong(problem: string, cause?: unknown): AppError {
  return new AppError('FORMAT_INVALID', problem, cause === undefined ? {} : { cause })
}
