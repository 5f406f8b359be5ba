import type { RandomBytes } from '../../domain/kinds.ts'
import { AppError } from '../../lib/errors.ts'
import type { SecretFile } from './ports.ts'

const KEY_BYTES = 32

/**
 * The key that tokens and sessions are signed with: the one that was given, else the one in the file, which is made at first
 * start. Many nodes have to be given the same.
 *
 * @throws AppError `STATE_UNWRITABLE` for a file that holds no key
 */
export async function signingKey(
  given: string | undefined,
  file: SecretFile,
  random: RandomBytes,
): Promise<Uint8Array> {
  if (given !== undefined) return new TextEncoder().encode(given)
  const kept = await file.read()
  if (kept === undefined) {
    const made = Buffer.from(random(KEY_BYTES))
    await file.write(made.toString('base64url'))
    return made
  }
  const key = Buffer.from(kept.trim(), 'base64url')
  if (key.length >= KEY_BYTES) return key
  throw new AppError(
    'STATE_UNWRITABLE',
    'The file with the key for tokens is damaged: remove it, and a new one is made.',
  )
}
