import { createHash, timingSafeEqual } from 'node:crypto'

/** What no secret has as its hash: compared with where there is no credential, so that this takes as long. */
const NO_HASH = Buffer.alloc(32)

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** What is kept of a secret of 256 random bits: nobody can guess one, so a fast hash is as good as a slow one. */
export function hashSecret(secret: string): string {
  return digest(secret).toString('base64url')
}

/** Whether a secret has this hash, in a time that says nothing of either. Without a hash it never has. */
export function matchesSecret(secret: string, secretHash: string | undefined): boolean {
  const stored = secretHash === undefined ? NO_HASH : Buffer.from(secretHash, 'base64url')
  const given = digest(secret)
  return given.length === stored.length && timingSafeEqual(given, stored) && secretHash !== undefined
}

/** Tells one secret of a credential from the next, without helping to guess either: what was made of an old one dies with it. */
export function secretMark(secretHash: string): string {
  return digest(`mark:${secretHash}`).toString('base64url').slice(0, 22)
}
