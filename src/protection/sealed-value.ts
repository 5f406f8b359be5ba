import { createCipheriv, createDecipheriv } from 'node:crypto'
import { deriveKey, KEY_BYTES, TAG_BYTES } from './derived-key.ts'

const VERSION = 1
const USE = 'headend sealed value 1'
const HEAD_BYTES = 1 + KEY_BYTES
/** The key is made for one value, by its salt: one nonce is all there is. */
const NONCE = new Uint8Array(12)

/**
 * A short secret, sealed under a master key with AES-256-GCM: version, salt, ciphertext, tag. `about` is what it belongs to: it
 * opens for that alone. `salt` is 32 random bytes of this value's own.
 *
 * @throws AppError `INTERNAL` where the key or the salt isn't 32 bytes
 */
export function sealValue(masterKey: Uint8Array, value: Uint8Array, about: string, salt: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', deriveKey(masterKey, salt, USE), NONCE, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(about))
  return Buffer.concat([Buffer.of(VERSION), salt, cipher.update(value), cipher.final(), cipher.getAuthTag()])
}

/**
 * What was sealed; `undefined` where it was sealed under another key or for something else, or has been altered.
 *
 * @throws AppError `INTERNAL` where the key isn't 32 bytes
 */
export function openValue(masterKey: Uint8Array, sealed: Uint8Array, about: string): Uint8Array | undefined {
  const end = sealed.byteLength - TAG_BYTES
  if (sealed[0] !== VERSION || end < HEAD_BYTES) return undefined
  const key = deriveKey(masterKey, sealed.subarray(1, HEAD_BYTES), USE)
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(about))
  decipher.setAuthTag(sealed.subarray(end))
  const value = decipher.update(sealed.subarray(HEAD_BYTES, end))
  try {
    decipher.final()
  } catch {
    // All that `final` says is that the tag doesn't fit.
    return undefined
  }
  return value
}
