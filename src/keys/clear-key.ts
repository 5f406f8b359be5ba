import { CONTENT_KEY_BYTES, keyIdBytes } from '../protection/content-key-derivation.ts'
import { uuidOf } from '../protection/drm/drm-systems.ts'

const MAX_KIDS = 64

/**
 * The KIDs, as GUIDs, of a licence request (W3C Encrypted Media Extensions §9.1.3: `{"kids": [base64url], "type": "temporary"}`);
 * `undefined` for what is none, or asks for more than 64.
 */
export function readClearKeyRequest(body: Uint8Array | undefined): string[] | undefined {
  if (!body) return undefined
  let kids: unknown
  try {
    const request: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    kids = typeof request === 'object' && request !== null && 'kids' in request ? request.kids : undefined
  } catch {
    // No JSON: no licence request.
    return undefined
  }
  if (!Array.isArray(kids) || kids.length === 0 || kids.length > MAX_KIDS) return undefined
  const guids = kids.map(guidOf)
  return guids.every((guid) => guid !== undefined) ? [...new Set(guids)] : undefined
}

function guidOf(kid: unknown): string | undefined {
  if (typeof kid !== 'string' || !/^[A-Za-z0-9_-]{22}$/.test(kid)) return undefined
  const bytes = Buffer.from(kid, 'base64url')
  return bytes.byteLength === CONTENT_KEY_BYTES ? uuidOf(bytes) : undefined
}

/** A licence (§9.1.4): a JSON Web Key Set of octet sequences, to be used once. */
export function clearKeyLicence(keys: readonly { readonly kid: string; readonly value: Uint8Array }[]): Uint8Array {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
  const set = keys.map(({ kid, value }) => ({ kty: 'oct', kid: text(keyIdBytes(kid)), k: text(value) }))
  return Buffer.from(JSON.stringify({ keys: set, type: 'temporary' }))
}
