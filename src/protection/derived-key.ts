import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { AppError } from '../lib/errors.ts'

/** The length of an asset's key, of the keys derived from it, and of the salts they are derived with. */
export const KEY_BYTES = 32
/** The length of what authenticates a sealed piece: GCM's longest. */
export const TAG_BYTES = 16

/**
 * The key of one file or blob: HKDF-SHA-256 (RFC 5869) of the asset's key and a salt drawn for that file alone, so that no two
 * files share a key and nonces within one may count from 0. `use` keeps keys for different formats apart.
 *
 * @throws AppError `INTERNAL` where the key or the salt isn't 32 bytes
 */
export function deriveKey(assetKey: Uint8Array, salt: Uint8Array, use: string): KeyObject {
  if (assetKey.byteLength !== KEY_BYTES) throw new AppError('INTERNAL', `An asset's key is ${KEY_BYTES} bytes.`)
  if (salt.byteLength !== KEY_BYTES) throw new AppError('INTERNAL', `The salt of a sealed file is ${KEY_BYTES} bytes.`)
  return createSecretKey(new Uint8Array(hkdfSync('sha256', assetKey, salt, use, KEY_BYTES)))
}
