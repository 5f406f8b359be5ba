import { parseAvcRecord } from './avc.ts'
import { type AvcSliceTerms, parseAvcSps } from './avc-sps.ts'
import { BitReader, removeEmulationPrevention } from './bit-reader.ts'
import { bitsForCount, sliceDataStart } from './slice-start.ts'

/** What slice headers are read by: the parameter sets of a track. */
export type AvcSliceForm = { readonly sets: ReadonlyMap<number, AvcSlicePps> }

type AvcSlicePps = {
  readonly sps: AvcSliceTerms
  readonly isCabac: boolean
  readonly hasBottomOrder: boolean
  readonly groupChangeBits: number
  readonly references: readonly [number, number]
  readonly weighsP: boolean
  readonly weighsB: boolean
  readonly hasDeblocking: boolean
  readonly hasRedundant: boolean
}

const IDR = 5
const P = 0
const B = 1
const I = 2
const SP = 3
const SI = 4
const MAX_GROUPS = 8
const MAX_REFERENCES = 32
/** Of list modifications and of markings: more than any picture has. */
const MAX_COMMANDS = 66

/** Reads the parameter sets of an `avcC` payload as slice headers need them. @throws FormatError */
export function avcSliceForm(record: Uint8Array): AvcSliceForm {
  const { sps, pps } = parseAvcRecord(record)
  const sequences = new Map<number, AvcSliceTerms>()
  for (const unit of sps) {
    const { slices } = parseAvcSps(unit, 'avcC/sps')
    sequences.set(slices.id, slices)
  }
  const sets = new Map<number, AvcSlicePps>()
  for (const unit of pps) {
    const bits: BitReader = new BitReader(removeEmulationPrevention(unit), 'avcC/pps')
    bits.skip(8)
    const id = bits.ue()
    const sequence = sequences.get(bits.ue())
    if (sequence === undefined) bits.fail('a picture parameter set without its sequence')
    sets.set(id, readPps(bits, sequence))
  }
  return { sets }
}

/** ITU-T H.264 §7.3.2.2, up to the last field that slices ask for. */
function readPps(bits: BitReader, sps: AvcSliceTerms): AvcSlicePps {
  const isCabac = bits.flag()
  const hasBottomOrder = bits.flag()
  const groupChangeBits = readSliceGroups(bits, sps)
  const references = [bits.ue() + 1, bits.ue() + 1] as const
  const weighsP = bits.flag()
  const weighsB = bits.bits(2) === 1
  for (let offsets = 0; offsets < 3; offsets++) bits.se()
  const hasDeblocking = bits.flag()
  bits.skip(1)
  const hasRedundant = bits.flag()
  const tools = { isCabac, hasBottomOrder, groupChangeBits, references, weighsP, weighsB }
  return { sps, ...tools, hasDeblocking, hasRedundant }
}

/** Gives the bits of slice_group_change_cycle, 0 where slices have none (§7.3.3). */
function readSliceGroups(bits: BitReader, { mapUnits }: AvcSliceTerms): number {
  const groups = bits.ue() + 1
  if (groups > MAX_GROUPS) bits.fail(`${groups} slice groups`)
  if (groups === 1) return 0
  const type = bits.ue()
  if (type === 0) for (let group = 0; group < groups; group++) bits.ue()
  if (type === 2) for (let corner = 0; corner < 2 * (groups - 1); corner++) bits.ue()
  if (type === 6) bits.skip((bits.ue() + 1) * bitsForCount(groups))
  if (type < 3 || type > 5) return 0
  bits.skip(1)
  const rate = bits.ue() + 1
  return bitsForCount(Math.ceil(mapUnits / rate) + 1)
}

/**
 * Where the data of a slice begins: the bytes of the NAL unit up to the end of its header (§7.3.3), the last one whole.
 * @throws FormatError where its parameter sets aren't those of the track, or it is broken
 */
export function avcSliceDataStart(nal: Uint8Array, form: AvcSliceForm): number {
  return sliceDataStart(nal, 'slice', (bits) => skipHeader(bits, form))
}

function skipHeader(bits: BitReader, { sets }: AvcSliceForm): void {
  bits.skip(1)
  const isReference = bits.bits(2) !== 0
  const isIdr = bits.bits(5) === IDR
  bits.ue()
  const type = bits.ue() % 5
  const pps = sets.get(bits.ue())
  if (pps === undefined) bits.fail('a slice of an unknown picture parameter set')
  const { sps } = pps
  if (sps.separatePlanes) bits.skip(2)
  bits.skip(sps.frameNumberBits)
  const isField = !sps.framesOnly && bits.flag()
  if (isField) bits.skip(1)
  if (isIdr) bits.ue()
  skipPictureOrder(bits, pps, isField)
  if (pps.hasRedundant) bits.ue()
  if (type === B) bits.skip(1)
  const references = readReferences(bits, pps, type)
  if (type !== I && type !== SI) skipModification(bits)
  if (type === B) skipModification(bits)
  if ((pps.weighsP && (type === P || type === SP)) || (pps.weighsB && type === B)) {
    skipWeights(bits, references, type, sps.hasChroma)
  }
  if (isReference) skipMarking(bits, isIdr)
  if (pps.isCabac && type !== I && type !== SI) bits.ue()
  bits.se()
  if (type === SP) bits.skip(1)
  if (type === SP || type === SI) bits.se()
  if (pps.hasDeblocking && bits.ue() !== 1) {
    bits.se()
    bits.se()
  }
  bits.skip(pps.groupChangeBits)
}

function skipPictureOrder(bits: BitReader, { sps, hasBottomOrder }: AvcSlicePps, isField: boolean): void {
  const hasBottom = hasBottomOrder && !isField
  if (sps.orderType === 0) {
    bits.skip(sps.orderBits)
    if (hasBottom) bits.se()
  } else if (sps.orderType === 1 && !sps.orderIsFixed) {
    bits.se()
    if (hasBottom) bits.se()
  }
}

function readReferences(bits: BitReader, pps: AvcSlicePps, type: number): readonly [number, number] {
  if (type === I || type === SI || !bits.flag()) return pps.references
  const first = bits.ue() + 1
  const second = type === B ? bits.ue() + 1 : 0
  if (first > MAX_REFERENCES || second > MAX_REFERENCES) bits.fail(`${first} and ${second} references`)
  return [first, second]
}

/** §7.3.3.1 */
function skipModification(bits: BitReader): void {
  if (!bits.flag()) return
  for (let command = 0; command <= MAX_COMMANDS; command++) {
    if (bits.ue() === 3) return
    bits.ue()
  }
  bits.fail('a list modification without an end')
}

/** §7.3.3.2 */
function skipWeights(bits: BitReader, references: readonly [number, number], type: number, hasChroma: boolean): void {
  bits.ue()
  if (hasChroma) bits.ue()
  for (let list = 0; list < (type === B ? 2 : 1); list++) {
    for (let left = references[list] ?? 0; left > 0; left--) {
      if (bits.flag()) skipSigned(bits, 2)
      if (hasChroma && bits.flag()) skipSigned(bits, 4)
    }
  }
}

function skipSigned(bits: BitReader, count: number): void {
  for (let field = 0; field < count; field++) bits.se()
}

/** §7.3.3.3 */
function skipMarking(bits: BitReader, isIdr: boolean): void {
  if (isIdr) {
    bits.skip(2)
    return
  }
  if (!bits.flag()) return
  for (let command = 0; command <= MAX_COMMANDS; command++) {
    const operation = bits.ue()
    if (operation === 0) return
    if (operation !== 5) bits.ue()
    if (operation === 3) bits.ue()
  }
  bits.fail('a reference marking without an end')
}
