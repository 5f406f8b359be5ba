/** A length-delimited field of protocol buffers; numbers up to 15, up to 16,383 bytes. */
export function protoField(number: number, bytes: Uint8Array): Buffer {
  const { byteLength } = bytes
  const length = byteLength < 128 ? [byteLength] : [(byteLength & 0x7f) | 0x80, byteLength >> 7]
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes])
}

/** A field that is a small number. */
export function protoNumber(number: number, value: number): Buffer {
  return Buffer.from([number * 8, value])
}

/** The bytes of a GUID, in the order in which it is written. */
export function guidDigits(kid: string): Buffer {
  return Buffer.from(kid.replaceAll('-', ''), 'hex')
}

/** `WidevinePsshData` that names these keys. */
export function widevinePsshData(...kids: readonly string[]): Buffer {
  return Buffer.concat([protoNumber(1, 1), ...kids.map((kid) => protoField(2, guidDigits(kid)))])
}

/** `SignedMessage` with a `LicenseRequest` whose `content_id` is this; `type`: new, renewal or release. */
export function widevineRequest(contentId: Uint8Array, type = 1): Buffer {
  const request = Buffer.concat([protoField(1, Buffer.from('client')), protoField(2, contentId), protoNumber(3, type)])
  return Buffer.concat([protoNumber(1, 1), protoField(2, request), protoField(3, Buffer.alloc(32, 7))])
}

/** A challenge of Widevine for these keys, as a browser's decryption module sends it. */
export function widevineChallenge(...kids: readonly string[]): Buffer {
  return widevineRequest(protoField(1, protoField(1, widevinePsshData(...kids))))
}

/** A KID as PlayReady writes it: a GUID in memory, in base64. */
export function playReadyKid(kid: string): string {
  const [a = '', b = '', c = '', ...rest] = kid.split('-')
  const reversed = [a, b, c].map((part) => Buffer.from(part, 'hex').reverse().toString('hex'))
  return Buffer.from([...reversed, ...rest].join(''), 'hex').toString('base64')
}
