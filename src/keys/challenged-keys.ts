import type { LicenceDelivery } from '../domain/key-refusal.ts'

const KID_BYTES = 16
const LENGTH_DELIMITED = 2

/**
 * The KIDs, as GUIDs, that a challenge asks licences for, as far as challenges say so in the clear: Widevine's in the initialisation
 * data that the request repeats, PlayReady's in the header that it encloses. FairPlay's are encrypted. What can't be read names none, and is for
 * the licence server to judge.
 */
export function challengedKeyIds(delivery: LicenceDelivery, challenge: Uint8Array): string[] {
  if (delivery === 'widevine') return [...new Set(widevineKeyIds(challenge))]
  return delivery === 'playready' ? [...new Set(playReadyKeyIds(challenge))] : []
}

/**
 * `SignedMessage.msg` (2) is a `LicenseRequest`, its `content_id` (2) holds `widevine_pssh_data` (1), whose `pssh_data` (1) are
 * `WidevinePsshData` with `key_ids` (2). (Field numbers as in Widevine's published protocol definitions.)
 */
function widevineKeyIds(challenge: Uint8Array): string[] {
  let level = [challenge]
  for (const number of [2, 2, 1, 1, 2]) level = level.flatMap((message) => fieldsOf(message, number))
  return level.filter(({ byteLength }) => byteLength === KID_BYTES).map(guidOf)
}

/** The length-delimited fields of this number in a protocol buffers message; of what is none, what there is before it isn't. */
function fieldsOf(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; at < message.byteLength && factor < 2 ** 49; factor *= 128) {
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    return Number.NaN
  }
  while (at < message.byteLength) {
    const tag = varint()
    const [field, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) {
      if (Number.isNaN(varint())) return found
    } else if (type === 1 || type === 5) at += type === 1 ? 8 : 4
    else {
      const length = type === LENGTH_DELIMITED ? varint() : Number.NaN
      if (!(at + length <= message.byteLength)) return found
      if (field === wanted) found.push(message.subarray(at, at + length))
      at += length
    }
  }
  return found
}

/** `<KID>` of headers up to 4.0, `<KID VALUE="…">` after that; GUIDs as Windows has them in memory, in base64. */
function playReadyKeyIds(challenge: Uint8Array): string[] {
  // Some players wrap it in UTF-16.
  const text = Buffer.from(challenge).toString('latin1').replaceAll('\0', '')
  const found = text.matchAll(/<KID(?:\s[^<>]{0,256}?VALUE="([A-Za-z0-9+/]{22}==)"|>\s*([A-Za-z0-9+/]{22}==)\s*<)/g)
  return [...found].map(([, attribute, content]) => {
    const bytes = Buffer.from(attribute ?? content ?? '', 'base64')
    bytes.subarray(0, 4).reverse()
    bytes.subarray(4, 6).reverse()
    bytes.subarray(6, 8).reverse()
    return guidOf(bytes)
  })
}

function guidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
