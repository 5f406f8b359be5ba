import { createHash, hkdfSync } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import { uuidBytes } from './drm/drm-systems.ts'
import { guidBytes } from './drm/playready-object.ts'

/** The length of a content key, and of a KID. */
export const CONTENT_KEY_BYTES = 16
const SEED_BYTES = 30

/**
 * What is kept of a content key: its value, or a PlayReady key seed. Of one whose periods' keys come from a provider: the value of the KID that
 * it was asked for with, and of no other.
 */
export type KeyMaterial = { readonly source: 'value' | 'playready-seed' | 'provider'; readonly bytes: Uint8Array }

/** A KID as MP4 has it: the GUID's digits in the order in which they are written. */
export function keyIdBytes(keyId: string): Uint8Array {
  const bytes = uuidBytes(keyId)
  if (bytes.byteLength === CONTENT_KEY_BYTES) return bytes
  throw new AppError('INTERNAL', `A KID is a GUID, and ${keyId} is none.`)
}

/**
 * The key of a KID by PlayReady's key seed algorithm (Microsoft, *PlayReady Key Seed*), as Azure Media Services and PlayReady's
 * test server have it: three SHA-256 over the seed's first 30 bytes and the KID, folded to 16 bytes.
 *
 * @throws AppError `INTERNAL` for a seed of fewer than 30 bytes
 */
export function playReadyContentKey(seed: Uint8Array, keyId: string): Uint8Array {
  if (seed.byteLength < SEED_BYTES) throw new AppError('INTERNAL', `A PlayReady key seed has ${SEED_BYTES} bytes.`)
  const cut = seed.subarray(0, SEED_BYTES)
  const id = guidBytes(keyIdBytes(keyId))
  const hash = (...parts: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const hashes = [hash(cut, id), hash(cut, id, cut), hash(cut, id, cut, id)]
  return Uint8Array.from({ length: CONTENT_KEY_BYTES }, (_, at) =>
    hashes.reduce((value, digest) => value ^ (digest[at] ?? 0) ^ (digest[at + CONTENT_KEY_BYTES] ?? 0), 0),
  )
}

/**
 * The key of a KID: for `keyId` itself what was given, or what follows from the seed; for the KID of a period what only follows
 * from it, by HKDF-SHA-256 (RFC 5869) or from the seed, so that whoever has one period's key has no other's. The same on every node.
 */
export function contentKeyValue({ source, bytes }: KeyMaterial, keyId: string, kid: string): Uint8Array {
  if (source === 'playready-seed') return playReadyContentKey(bytes, kid)
  if (kid === keyId || source === 'provider') return bytes
  return new Uint8Array(hkdfSync('sha256', bytes, keyIdBytes(kid), 'headend period key 1', CONTENT_KEY_BYTES))
}

/** How long before a period begins its key may be had: players load it while they play what comes before. */
export const KEY_AHEAD_MS = 120_000
