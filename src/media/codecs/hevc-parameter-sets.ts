import { BitReader, removeEmulationPrevention } from './bit-reader.ts'
import { parseHevcRecord } from './hevc.ts'
import { type HevcReferenceSet, readReferenceSet } from './hevc-reference-sets.ts'
import { skipProfileTierLevel, skipScalingLists } from './hevc-sps.ts'
import { bitsForCount } from './slice-start.ts'

/** What slice headers take from their sequence (ITU-T H.265 §7.3.6.1). */
export type HevcSliceSps = {
  readonly separatePlanes: boolean
  /** ChromaArrayType is not 0. */
  readonly hasChroma: boolean
  readonly addressBits: number
  readonly orderBits: number
  readonly hasOffsets: boolean
  readonly sets: readonly HevcReferenceSet[]
  readonly hasLongTerm: boolean
  /** Of each long-term picture that the sequence lists, whether pictures refer to it. */
  readonly longTerm: readonly boolean[]
  readonly hasTemporalMotion: boolean
}

/** What slice headers take from their picture parameter set. */
export type HevcSlicePps = {
  readonly sps: HevcSliceSps
  readonly hasDependent: boolean
  readonly hasOutput: boolean
  readonly extraBits: number
  readonly hasCabacInit: boolean
  readonly references: readonly [number, number]
  readonly hasChromaOffsets: boolean
  readonly hasChromaOffsetLists: boolean
  readonly weighsP: boolean
  readonly weighsB: boolean
  readonly hasEntryPoints: boolean
  readonly filtersAcross: boolean
  readonly overridesDeblocking: boolean
  readonly deblocks: boolean
  readonly modifiesLists: boolean
  readonly hasExtension: boolean
}

/** Picture parameter sets by their id. */
export type HevcSliceForm = { readonly sets: ReadonlyMap<number, HevcSlicePps> }

const SPS = 33
const PPS = 34
/** Screen content coding begins here (§A.3.7): its slices have fields that depend on which pictures they refer to. */
const FIRST_SCREEN_PROFILE = 9
const MAX_SETS = 64
const MAX_LONG_TERM = 32
const MAX_TILES = 512

/** Reads the parameter sets of an `hvcC` payload as slice headers need them. @throws FormatError */
export function hevcSliceForm(record: Uint8Array): HevcSliceForm {
  const { arrays, profile } = parseHevcRecord(record)
  const unitsOf = (type: number) => arrays.filter(({ nalType }) => nalType === type).flatMap(({ units }) => units)
  const sequences = new Map<number, HevcSliceSps>()
  for (const unit of unitsOf(SPS)) {
    const bits = new BitReader(removeEmulationPrevention(unit), 'hvcC/sps')
    if (profile >= FIRST_SCREEN_PROFILE) bits.fail(`profile ${profile}, whose slices are not read`)
    const [id, sps] = readSps(bits)
    sequences.set(id, sps)
  }
  const sets = new Map<number, HevcSlicePps>()
  for (const unit of unitsOf(PPS)) {
    const bits: BitReader = new BitReader(removeEmulationPrevention(unit), 'hvcC/pps')
    bits.skip(16)
    const id = bits.ue()
    const sps = sequences.get(bits.ue())
    if (sps === undefined) bits.fail('a picture parameter set without its sequence')
    sets.set(id, readPps(bits, sps))
  }
  return { sets }
}

/** §7.3.2.2, up to the last field that slices ask for. */
function readSps(bits: BitReader): [id: number, sps: HevcSliceSps] {
  bits.skip(16 + 4)
  const maxSubLayers = bits.bits(3) + 1
  bits.skip(1)
  skipProfileTierLevel(bits, maxSubLayers)
  const id = bits.ue()
  const chromaFormat = bits.ue()
  const separatePlanes = chromaFormat === 3 && bits.flag()
  const width = bits.ue()
  const height = bits.ue()
  if (bits.flag()) for (let side = 0; side < 4; side++) bits.ue()
  bits.ue()
  bits.ue()
  const orderBits = bits.ue() + 4
  const orderingLayers = bits.flag() ? maxSubLayers : 1
  for (let i = 0; i < orderingLayers * 3; i++) bits.ue()
  const treeBlockLog2 = bits.ue() + 3 + bits.ue()
  if (treeBlockLog2 > 6) bits.fail(`coding tree blocks of 2^${treeBlockLog2}`)
  const treeBlocks = Math.ceil(width / 2 ** treeBlockLog2) * Math.ceil(height / 2 ** treeBlockLog2)
  for (let i = 0; i < 4; i++) bits.ue()
  if (bits.flag() && bits.flag()) skipScalingLists(bits)
  bits.skip(1)
  const hasOffsets = bits.flag()
  if (bits.flag()) {
    bits.skip(8)
    bits.ue()
    bits.ue()
    bits.skip(1)
  }
  const sets = readReferenceSets(bits)
  const hasLongTerm = bits.flag()
  const longTerm = hasLongTerm ? readLongTerm(bits, orderBits) : []
  const hasTemporalMotion = bits.flag()
  const hasChroma = chromaFormat !== 0 && !separatePlanes
  const pictures = { separatePlanes, hasChroma, addressBits: bitsForCount(treeBlocks), orderBits, hasOffsets }
  return [id, { ...pictures, sets, hasLongTerm, longTerm, hasTemporalMotion }]
}

function readReferenceSets(bits: BitReader): HevcReferenceSet[] {
  const count = bits.ue()
  if (count > MAX_SETS) bits.fail(`${count} short-term reference picture sets`)
  const sets: HevcReferenceSet[] = []
  for (let index = 0; index < count; index++) sets.push(readReferenceSet(bits, index, sets, false))
  return sets
}

function readLongTerm(bits: BitReader, orderBits: number): boolean[] {
  const count = bits.ue()
  if (count > MAX_LONG_TERM) bits.fail(`${count} long-term reference pictures`)
  return Array.from({ length: count }, () => {
    bits.skip(orderBits)
    return bits.flag()
  })
}

/** §7.3.2.3 */
function readPps(bits: BitReader, sps: HevcSliceSps): HevcSlicePps {
  const hasDependent = bits.flag()
  const hasOutput = bits.flag()
  const extraBits = bits.bits(3)
  bits.skip(1)
  const hasCabacInit = bits.flag()
  const references = [bits.ue() + 1, bits.ue() + 1] as const
  bits.se()
  bits.skip(1)
  const skipsTransform = bits.flag()
  if (bits.flag()) bits.ue()
  bits.se()
  bits.se()
  const hasChromaOffsets = bits.flag()
  const weighsP = bits.flag()
  const weighsB = bits.flag()
  bits.skip(1)
  const hasTiles = bits.flag()
  const hasEntryPoints = bits.flag() || hasTiles
  if (hasTiles) skipTiles(bits)
  const filtersAcross = bits.flag()
  const hasDeblocking = bits.flag()
  const overridesDeblocking = hasDeblocking && bits.flag()
  const deblocks = !(hasDeblocking && bits.flag())
  if (hasDeblocking && deblocks) {
    bits.se()
    bits.se()
  }
  if (bits.flag()) skipScalingLists(bits)
  const modifiesLists = bits.flag()
  bits.ue()
  const hasExtension = bits.flag()
  const hasChromaOffsetLists = bits.flag() && readRangeExtension(bits, skipsTransform)
  const fields = { hasDependent, hasOutput, extraBits, hasCabacInit, references, hasChromaOffsets, weighsP, weighsB }
  const filters = { filtersAcross, overridesDeblocking, deblocks }
  return { sps, ...fields, hasChromaOffsetLists, hasEntryPoints, ...filters, modifiesLists, hasExtension }
}

function skipTiles(bits: BitReader): void {
  const columns = bits.ue() + 1
  const rows = bits.ue() + 1
  if (columns * rows > MAX_TILES) bits.fail(`${columns}x${rows} tiles`)
  if (!bits.flag()) for (let side = 0; side < columns - 1 + rows - 1; side++) bits.ue()
  bits.skip(1)
}

/** §7.3.2.3.2: whether slices say that their blocks choose among chroma offsets. */
function readRangeExtension(bits: BitReader, skipsTransform: boolean): boolean {
  const hasRange = bits.flag()
  bits.skip(7)
  if (!hasRange) return false
  if (skipsTransform) bits.ue()
  bits.skip(1)
  return bits.flag()
}
