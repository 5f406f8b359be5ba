import { AppError, FormatError } from '../../lib/errors.ts'
import { BoxWriter } from '../../media/isobmff/box-writer.ts'
import type { TrackProtection } from '../cenc/track-protection.ts'
import { drmSystems, uuidBytes } from './drm-systems.ts'

/** What a `pssh` box says (ISO/IEC 23001-7 §8.1). With `kids` it is of version 1. */
export type PsshContent = {
  /** A UUID. */
  readonly systemId: string
  readonly kids?: readonly Uint8Array[]
  readonly data?: Uint8Array
}

const SYSTEM_ID_BYTES = 16

/** A `pssh` box. */
export function psshBox({ systemId, kids, data = new Uint8Array(0) }: PsshContent): Uint8Array {
  const id = uuidBytes(systemId)
  if (id.byteLength !== SYSTEM_ID_BYTES) throw new AppError('INTERNAL', `'${systemId}' is no id of a protection system`)
  const out = new BoxWriter(64 + data.byteLength)
  out.fullBox('pssh', kids === undefined ? 0 : 1, 0, () => {
    out.append(id)
    if (kids !== undefined) {
      out.u32(kids.length)
      for (const kid of kids) out.append(kid)
    }
    out.u32(data.byteLength)
    out.append(data)
  })
  return out.finish().slice()
}

const HEAD_BYTES = 12
const KID_BYTES = 16

/** The system's own data in a `pssh` box of either version. @throws FormatError for what is none, or is cut */
export function psshData(box: Uint8Array): Uint8Array {
  const view = new DataView(box.buffer, box.byteOffset, box.byteLength)
  const lacks = (at: number) => {
    if (at > box.byteLength) throw new FormatError('pssh', box.byteLength, 'the box ends early')
    return at
  }
  lacks(HEAD_BYTES + SYSTEM_ID_BYTES + 4)
  let at = HEAD_BYTES + SYSTEM_ID_BYTES
  if (view.getUint8(8) > 0) at = lacks(at + 4 + view.getUint32(at) * KID_BYTES + 4) - 4
  return box.subarray(at + 4, lacks(at + 4 + view.getUint32(at)))
}

/** The box of the common system (W3C "cenc" Initialization Data Format §4): ClearKey in browsers needs no other. */
export function commonPssh(kids: readonly Uint8Array[]): Uint8Array {
  return psshBox({ systemId: drmSystems.common, kids })
}

/** What Widevine's licence server may want to know besides the keys' ids. */
export type WidevineTerms = { readonly provider?: string; readonly contentId?: Uint8Array }

/** Fields of WidevinePsshData. */
const KEY_ID = 2
const PROVIDER = 3
const CONTENT_ID = 4
const PROTECTION_SCHEME = 9
const LENGTH_DELIMITED = 2

/** Widevine's box: WidevinePsshData in protocol buffers. Browsers need the scheme in it to play `cbcs`. */
export function widevinePssh(
  kids: readonly Uint8Array[],
  scheme: TrackProtection['scheme'],
  { provider, contentId }: WidevineTerms = {},
): Uint8Array {
  const fields = kids.flatMap((kid) => bytesField(KEY_ID, kid))
  if (provider !== undefined) fields.push(...bytesField(PROVIDER, Buffer.from(provider, 'utf8')))
  if (contentId !== undefined) fields.push(...bytesField(CONTENT_ID, contentId))
  fields.push(PROTECTION_SCHEME << 3, ...varint(Buffer.from(scheme, 'latin1').readUInt32BE(0)))
  return psshBox({ systemId: drmSystems.widevine, data: Uint8Array.from(fields) })
}

function bytesField(field: number, bytes: Uint8Array): number[] {
  return [(field << 3) | LENGTH_DELIMITED, ...varint(bytes.byteLength), ...bytes]
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80)
  return [...bytes, left]
}
