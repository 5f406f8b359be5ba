/** Where a token has to name the key that it is for, it does so in this claim. */
export const CONTENT_KEY_CLAIM = 'urn:microsoft:azure:mediaservices:contentkeyidentifier'

const PERIOD_DIGITS = 12

/** Whether a GUID is one that Headend has kept for itself. */
export function isReservedGuid(guid: string): boolean {
  return guid.charAt(14) === '8'
}

/**
 * The KID of a key's period, which begins at `startMs`: for a key that rotates the begin, in ms since the epoch, stands in the last
 * 48 bits. KIDs are no secret, so this is all it takes to find the key of a period anywhere.
 */
export function periodKeyId(keyId: string, startMs: number): string {
  return keyId.slice(0, -PERIOD_DIGITS) + startMs.toString(16).padStart(PERIOD_DIGITS, '0')
}

/** The key that a KID leads to, and for that of a period its begin. Those that rotate are told by the version of their GUIDs. */
export function keyOfKeyId(kid: string): { readonly keyId: string; readonly startMs?: number } {
  const keyId = kid.toLowerCase()
  if (!isReservedGuid(keyId)) return { keyId }
  return { keyId: periodKeyId(keyId, 0), startMs: Number.parseInt(keyId.slice(-PERIOD_DIGITS), 16) }
}
