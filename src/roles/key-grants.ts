import type { KeyGrant } from '../keys/grant-cache.ts'

/** A grant as it goes to an origin thread: what is said of the key, and the key. */
export function encodeGrant({ material, ...about }: KeyGrant): readonly Uint8Array[] {
  return [Buffer.from(JSON.stringify({ ...about, source: material.source })), material.bytes]
}

/** What `encodeGrant` made. */
export function decodeGrant([about, bytes]: readonly Uint8Array[]): KeyGrant | undefined {
  if (!about || !bytes) return undefined
  const { source, ...rest } = JSON.parse(Buffer.from(about).toString())
  return { ...rest, material: { source, bytes: new Uint8Array(bytes) } }
}
