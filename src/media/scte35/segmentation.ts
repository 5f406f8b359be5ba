import { BitReader } from '../codecs/bit-reader.ts'
import type { BitWriter } from './bit-writer.ts'
import { bits33 } from './splice-command.ts'

/** `segmentation_descriptor` (SCTE 35 §10.3.3). */
export type SegmentationDescriptor = {
  readonly type: 'segmentation'
  readonly eventId: number
  readonly eventIdCompliance: boolean
} & ({ readonly isCancelled: true } | ({ readonly isCancelled: false } & Segmentation))

/** What begins or ends. */
export type Segmentation = {
  /** Of single components rather than of the program; offsets at 90 kHz. */
  readonly components?: readonly { readonly tag: number; readonly ptsOffset: number }[]
  /** 90 kHz, 40 bits. */
  readonly durationTicks?: number
  /** Absent: delivery is not restricted. */
  readonly restrictions?: DeliveryRestrictions
  readonly upid: Upid
  /** `segmentation_type_id`, Table 23. */
  readonly typeId: number
  readonly segmentNum: number
  readonly segmentsExpected: number
  readonly subSegments?: { readonly num: number; readonly expected: number }
}

/** To whom it may be delivered. `deviceRestrictions`: group 0, 1 or 2, or 3 for none. */
export type DeliveryRestrictions = {
  readonly webDeliveryAllowed: boolean
  readonly noRegionalBlackout: boolean
  readonly archiveAllowed: boolean
  readonly deviceRestrictions: number
}

/** `segmentation_upid`: whose content it is. `type` of Table 22; `0x0d` holds several. */
export type Upid = { readonly type: number; readonly value: Uint8Array }

/** Types with `sub_segment_num`, which older encoders leave out. */
const SUB_SEGMENTED: ReadonlySet<number> = new Set([0x30, 0x32, 0x34, 0x36, 0x38, 0x3a, 0x44, 0x46])
const MULTIPLE_UPIDS = 0x0d
const TEXT_UPIDS: ReadonlySet<number> = new Set([0x01, 0x02, 0x03, 0x07, 0x09, 0x0e, 0x0f, 0x11])

/** What follows a descriptor's identifier. @throws FormatError */
export function readSegmentation(bytes: Uint8Array, path: string): SegmentationDescriptor {
  const reader = new BitReader(bytes, `${path}/segmentation`)
  const eventId = reader.bits(32)
  const isCancelled = reader.flag()
  const eventIdCompliance = reader.flag()
  reader.skip(6)
  const head = { type: 'segmentation', eventId, eventIdCompliance } as const
  if (isCancelled) return { ...head, isCancelled }
  const isProgram = reader.flag()
  const hasDuration = reader.flag()
  const restrictions = readRestrictions(reader)
  const components = isProgram ? undefined : readComponents(reader)
  const durationTicks = hasDuration ? reader.bits(8) * 2 ** 32 + reader.bits(32) : undefined
  const upidType = reader.bits(8)
  const upid = { type: upidType, value: readBytes(reader, reader.bits(8)) }
  const [typeId, segmentNum, segmentsExpected] = [reader.bits(8), reader.bits(8), reader.bits(8)]
  const hasSub = SUB_SEGMENTED.has(typeId) && reader.remaining >= 16
  const subSegments = hasSub ? { num: reader.bits(8), expected: reader.bits(8) } : undefined
  if (reader.remaining > 0) reader.fail(`${reader.remaining / 8} bytes too many`)
  return {
    ...head,
    isCancelled,
    ...(components && { components }),
    ...(durationTicks !== undefined && { durationTicks }),
    ...(restrictions && { restrictions }),
    upid,
    typeId,
    segmentNum,
    segmentsExpected,
    ...(subSegments && { subSegments }),
  }
}

function readRestrictions(reader: BitReader): DeliveryRestrictions | undefined {
  if (reader.flag()) {
    reader.skip(5)
    return undefined
  }
  const [webDeliveryAllowed, noRegionalBlackout, archiveAllowed] = [reader.flag(), reader.flag(), reader.flag()]
  return { webDeliveryAllowed, noRegionalBlackout, archiveAllowed, deviceRestrictions: reader.bits(2) }
}

function readComponents(reader: BitReader): { tag: number; ptsOffset: number }[] {
  const count = reader.bits(8)
  return Array.from({ length: count }, () => {
    const tag = reader.bits(8)
    reader.skip(7)
    return { tag, ptsOffset: bits33(reader) }
  })
}

function readBytes(reader: BitReader, count: number): Uint8Array {
  if (count * 8 > reader.remaining) reader.fail(`${count} bytes wanted, ${reader.remaining / 8} left`)
  return Uint8Array.from({ length: count }, () => reader.bits(8))
}

/** Writes what follows a descriptor's identifier. */
export function writeSegmentation(out: BitWriter, descriptor: SegmentationDescriptor): void {
  out.bits(descriptor.eventId, 32)
  out.flag(descriptor.isCancelled)
  out.flag(descriptor.eventIdCompliance)
  out.reserved(6)
  if (descriptor.isCancelled) return
  const { components, durationTicks, restrictions, upid, subSegments } = descriptor
  out.flag(components === undefined)
  out.flag(durationTicks !== undefined)
  out.flag(restrictions === undefined)
  if (restrictions) {
    out.flag(restrictions.webDeliveryAllowed)
    out.flag(restrictions.noRegionalBlackout)
    out.flag(restrictions.archiveAllowed)
    out.bits(restrictions.deviceRestrictions, 2)
  } else {
    out.reserved(5)
  }
  if (components) out.bits(components.length, 8)
  for (const { tag, ptsOffset } of components ?? []) {
    out.bits(tag, 8)
    out.reserved(7)
    out.bits(ptsOffset, 33)
  }
  if (durationTicks !== undefined) out.bits(durationTicks, 40)
  out.bits(upid.type, 8)
  out.bits(upid.value.byteLength, 8)
  out.bytes(upid.value)
  out.bits(descriptor.typeId, 8)
  out.bits(descriptor.segmentNum, 8)
  out.bits(descriptor.segmentsExpected, 8)
  if (subSegments) {
    out.bits(subSegments.num, 8)
    out.bits(subSegments.expected, 8)
  }
}

/** The single ids of a UPID, which may hold several (MID, §10.3.3.4). @throws FormatError */
export function singleUpids({ type, value }: Upid): Upid[] {
  if (type !== MULTIPLE_UPIDS) return value.byteLength === 0 ? [] : [{ type, value }]
  const reader = new BitReader(value, 'segmentation_upid')
  const upids: Upid[] = []
  while (reader.remaining > 0) upids.push({ type: reader.bits(8), value: readBytes(reader, reader.bits(8)) })
  return upids
}

/** A UPID as text: what is text by its type, else hexadecimal. */
export function upidText({ type, value }: Upid): string {
  const text = Buffer.from(value)
  const isText = TEXT_UPIDS.has(type) && value.every((byte) => byte >= 0x20 && byte < 0x7f)
  return isText ? text.toString('latin1') : `0x${text.toString('hex')}`
}
