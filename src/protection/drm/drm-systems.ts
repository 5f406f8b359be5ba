/** The registered ids of protection systems (DASH-IF, https://dashif.org/identifiers/content_protection/), lower case. */
export const drmSystems = {
  /** "W3C Common PSSH box": names keys and no system. */
  common: '1077efec-c0b2-4d02-ace3-3c1e52e2fb4b',
  widevine: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed',
  playready: '9a04f079-9840-4286-ab92-e65be0885f95',
  fairplay: '94ce86fb-07ff-4f43-adb8-93d2fa968ca2',
  clearkey: 'e2719d58-a985-b3c9-781a-b030af78d30e',
} as const

/** A protection system that is known by name. */
export type DrmSystem = keyof typeof drmSystems

/** A key id as a UUID, lower case. */
export function uuidOf(kid: Uint8Array): string {
  const hex = Buffer.from(kid).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** The 16 bytes of a UUID, in the order in which it is written. */
export function uuidBytes(uuid: string): Uint8Array {
  return new Uint8Array(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
}
