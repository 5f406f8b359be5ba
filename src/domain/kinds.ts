import { z } from 'zod'

/** Every kind of entity with the prefix of its ids. Without one ids are GUIDs: a locator's can be chosen in advance, a key's is its KID. */
export const idPrefixes = {
  account: 'ac',
  asset: 'as',
  'asset-file': 'af',
  'audit-record': 'au',
  channel: 'ch',
  'content-key': undefined,
  credential: 'cr',
  'dead-letter': 'dl',
  'delivery-policy': 'dp',
  'event-subscription': 'es',
  filter: 'fi',
  job: 'jo',
  'key-authorization-policy': 'kp',
  locator: undefined,
  'media-processor': 'mp',
  'media-stream': 'ms',
  operation: 'op',
  'period-key': undefined,
  program: 'pr',
  'storage-account': 'st',
  'storage-task': 'sk',
  'streaming-endpoint': 'se',
  task: 'ta',
} as const

/** A kind of entity, as it stands in events, permissions and the store. */
export type Kind = keyof typeof idPrefixes

/** Every kind, in alphabetical order. */
export const kinds = Object.keys(idPrefixes) as Kind[]

/** An id that belongs to one kind; another kind's doesn't pass for it. */
export type Id<K extends Kind> = string & z.core.$brand<K>

/** The account under which the store keeps what belongs to none: accounts themselves and the credentials of `system`. */
export const SYSTEM_ACCOUNT = 'system'

/** Cryptographically strong bytes, as `node:crypto`'s `randomBytes` gives them. */
export type RandomBytes = (count: number) => Uint8Array

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_BYTES = 16
/** What 128 bits take in base 62. */
const ID_DIGITS = 22

function base62(bytes: Uint8Array): string {
  let rest = bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n)
  let text = ''
  for (let digit = 0; digit < ID_DIGITS; digit += 1) {
    text = BASE62.charAt(Number(rest % 62n)) + text
    rest /= 62n
  }
  return text
}

/**
 * A random GUID in lower case: of version 4 (RFC 9562 §5.4), or of version 8 (§5.8), which are Headend's own: nobody can choose
 * one of them in advance.
 */
export function newGuid(random: RandomBytes, version: 4 | 8 = 4): string {
  const bytes = Uint8Array.from(random(ID_BYTES))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4)
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** A new id: `ch_` and 128 random bits in base 62; a GUID where a kind has no prefix. */
export function newId<K extends Kind>(kind: K, random: RandomBytes): Id<K> {
  const prefix = idPrefixes[kind]
  return (prefix === undefined ? newGuid(random) : `${prefix}_${base62(random(ID_BYTES))}`) as Id<K>
}

/** A secret that can stand in a URL: `byteCount` random bytes as base64url. */
export function newSecret(byteCount: number, random: RandomBytes): string {
  return Buffer.from(random(byteCount)).toString('base64url')
}

function idText(kind: Kind): z.ZodType<string, string> {
  const what = kind.replaceAll('-', ' ')
  const article = /^[aeio]/.test(what) ? 'an' : 'a'
  const prefix = idPrefixes[kind]
  if (prefix === undefined) {
    const example = '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'
    return z
      .guid('must be a GUID')
      .toLowerCase()
      .meta({ description: `Id of ${article} ${what}: a GUID.`, example })
  }
  const pattern = new RegExp(`^${prefix}_[0-9A-Za-z]{${ID_DIGITS}}$`)
  return z
    .string()
    .regex(pattern, `must be the id of ${article} ${what}, which begins with ${prefix}_`)
    .meta({ description: `Id of ${article} ${what}.`, example: `${prefix}_4fZ0mTq2LrX8bNcVdKs1Ye` })
}

/** The schema of an id of one kind. */
export function idSchema<K extends Kind>(kind: K): z.ZodType<Id<K>, string> {
  return idText(kind) as z.ZodType as z.ZodType<Id<K>, string>
}
