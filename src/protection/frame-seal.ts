import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import { deriveKey, TAG_BYTES } from './derived-key.ts'
import { moveInto } from './scratch.ts'

const USE = 'headend journal frame 1'
const NONCE_BYTES = 12

/** Seals the frames of one file, each under its place in it. */
export type FrameSeal = {
  /** How much longer a sealed frame is. */
  readonly overheadBytes: number
  /**
   * A frame, sealed. Indexes only ever go up, with or without gaps.
   *
   * @throws AppError `INTERNAL` for an index that is not above the last one: one nonce for two frames would give both away
   */
  seal(index: number, plain: Uint8Array): Uint8Array
  /** What was sealed as this frame of this file; `undefined` for anything else: damaged, cut short, moved, of another file. */
  open(index: number, sealed: Uint8Array): Uint8Array | undefined
}

/** 32 zero bits, then the index: the key is one file's own, so no nonce comes twice under it. */
function nonceOf(index: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  new DataView(nonce.buffer).setBigUint64(4, BigInt(index))
  return nonce
}

/**
 * Seals the frames of one append-only file with AES-256-GCM under a key of the file's own. `fileSalt` is 32 random bytes, drawn
 * for every new file and kept at its head, in the clear.
 *
 * Who comes back after a crash opens what is there, and writes on in a **new file** with a new salt: a frame that was torn off has
 * been on the disk, and its index must not be sealed again. That frames are missing at the end is not noticed: a journal may be torn.
 *
 * @throws AppError `INTERNAL` where the key or the salt isn't 32 bytes
 */
export function createFrameSeal(assetKey: Uint8Array, fileSalt: Uint8Array): FrameSeal {
  const key = deriveKey(assetKey, fileSalt, USE)
  let lastSealed = -1
  return {
    overheadBytes: TAG_BYTES,
    seal(index, plain) {
      if (!Number.isSafeInteger(index) || index <= lastSealed) {
        throw new AppError('INTERNAL', `Frame ${index} can't be sealed after frame ${lastSealed}: each is sealed once.`)
      }
      lastSealed = index
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index), { authTagLength: TAG_BYTES })
      const sealed = Buffer.allocUnsafe(plain.byteLength + TAG_BYTES)
      moveInto(sealed, cipher.update(plain), 0)
      // GCM has nothing left to give at the end.
      cipher.final()
      sealed.set(cipher.getAuthTag(), plain.byteLength)
      return sealed
    },
    open(index, sealed) {
      const plainBytes = sealed.byteLength - TAG_BYTES
      if (plainBytes < 0 || !Number.isSafeInteger(index) || index < 0) return undefined
      const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(index), { authTagLength: TAG_BYTES })
      decipher.setAuthTag(sealed.subarray(plainBytes))
      const plain = decipher.update(sealed.subarray(0, plainBytes))
      try {
        decipher.final()
      } catch {
        // All that `final` says is that the tag doesn't fit.
        return undefined
      }
      return plain
    },
  }
}
