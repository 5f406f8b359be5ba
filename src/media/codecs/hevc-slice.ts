import type { BitReader } from './bit-reader.ts'
import type { HevcSliceForm, HevcSlicePps } from './hevc-parameter-sets.ts'
import { readReferenceSet, usedReferences } from './hevc-reference-sets.ts'
import { bitsForCount, sliceDataStart } from './slice-start.ts'

const IDR_W_RADL = 19
const IDR_N_LP = 20
const FIRST_IRAP = 16
const LAST_IRAP = 23
const B = 0
const P = 1
const MAX_REFERENCES = 16
const MAX_LONG_TERM = 33
const MAX_ENTRY_POINTS = 65_536

/**
 * Where the data of a slice segment begins: the bytes of the NAL unit up to the end of its header (ITU-T H.265 §7.3.6.1), with the bits
 * that fill its last byte. @throws FormatError where its parameter sets aren't those of the track, or it is broken
 */
export function hevcSliceDataStart(nal: Uint8Array, form: HevcSliceForm): number {
  return sliceDataStart(nal, 'slice', (bits) => skipHeader(bits, form))
}

function skipHeader(bits: BitReader, { sets }: HevcSliceForm): void {
  bits.skip(1)
  const nalType = bits.bits(6)
  bits.skip(9)
  const isFirst = bits.flag()
  if (nalType >= FIRST_IRAP && nalType <= LAST_IRAP) bits.skip(1)
  const pps = sets.get(bits.ue())
  if (pps === undefined) bits.fail('a slice of an unknown picture parameter set')
  const isDependent = !isFirst && pps.hasDependent && bits.flag()
  if (!isFirst) bits.skip(pps.sps.addressBits)
  if (!isDependent) skipIndependent(bits, pps, nalType)
  if (pps.hasEntryPoints) skipEntryPoints(bits)
  if (pps.hasExtension) bits.skip(8 * bits.ue())
  // byte_alignment() has one bit at least.
  bits.skip(1)
}

function skipIndependent(bits: BitReader, pps: HevcSlicePps, nalType: number): void {
  const { sps } = pps
  bits.skip(pps.extraBits)
  const type = bits.ue()
  if (type > 2) bits.fail(`slice type ${type}`)
  if (pps.hasOutput) bits.skip(1)
  if (sps.separatePlanes) bits.skip(2)
  const isIdr = nalType === IDR_W_RADL || nalType === IDR_N_LP
  const { references, usesMotion } = isIdr ? { references: 0, usesMotion: false } : readPictures(bits, pps)
  const offsetsLuma = sps.hasOffsets && bits.flag()
  const offsetsChroma = sps.hasOffsets && sps.hasChroma && bits.flag()
  if (type === P || type === B) skipPrediction(bits, pps, { type, references, usesMotion })
  bits.se()
  if (pps.hasChromaOffsets) {
    bits.se()
    bits.se()
  }
  if (pps.hasChromaOffsetLists) bits.skip(1)
  const deblocks = readDeblocking(bits, pps)
  if (pps.filtersAcross && (offsetsLuma || offsetsChroma || deblocks)) bits.skip(1)
}

/** Which pictures a slice may refer to: how many the list is made of, and whether motion is taken from one of them. */
function readPictures(bits: BitReader, { sps }: HevcSlicePps): { references: number; usesMotion: boolean } {
  const { sets, longTerm, orderBits } = sps
  bits.skip(orderBits)
  const isListed = bits.flag()
  const own = isListed ? sets[bits.bits(bitsForCount(sets.length))] : readReferenceSet(bits, sets.length, sets, true)
  if (own === undefined) bits.fail('an unknown reference picture set')
  let references = usedReferences(own)
  if (sps.hasLongTerm) {
    const listed = longTerm.length > 0 ? bits.ue() : 0
    const count = listed + bits.ue()
    if (count > MAX_LONG_TERM) bits.fail(`${count} long-term reference pictures`)
    for (let i = 0; i < count; i++) {
      if (i < listed) {
        if (longTerm[bits.bits(bitsForCount(longTerm.length))]) references++
      } else {
        bits.skip(orderBits)
        if (bits.flag()) references++
      }
      if (bits.flag()) bits.ue()
    }
  }
  return { references, usesMotion: sps.hasTemporalMotion && bits.flag() }
}

type Prediction = { readonly type: number; readonly references: number; readonly usesMotion: boolean }

function skipPrediction(bits: BitReader, pps: HevcSlicePps, { type, references, usesMotion }: Prediction): void {
  const isB = type === B
  let [first, second] = pps.references
  if (bits.flag()) {
    first = bits.ue() + 1
    if (isB) second = bits.ue() + 1
  }
  if (first > MAX_REFERENCES || second > MAX_REFERENCES) bits.fail(`${first} and ${second} references`)
  if (pps.modifiesLists && references > 1) {
    const entryBits = bitsForCount(references)
    if (bits.flag()) bits.skip(first * entryBits)
    if (isB && bits.flag()) bits.skip(second * entryBits)
  }
  if (isB) bits.skip(1)
  if (pps.hasCabacInit) bits.skip(1)
  if (usesMotion) {
    const isFromFirst = !isB || bits.flag()
    if ((isFromFirst ? first : second) > 1) bits.ue()
  }
  if ((pps.weighsP && type === P) || (pps.weighsB && isB)) {
    skipWeights(bits, isB ? [first, second] : [first], pps.sps.hasChroma)
  }
  bits.ue()
}

/** §7.3.6.3 */
function skipWeights(bits: BitReader, lists: readonly number[], hasChroma: boolean): void {
  bits.ue()
  if (hasChroma) bits.se()
  for (const count of lists) {
    const luma = Array.from({ length: count }, () => bits.flag())
    const chroma = luma.map(() => hasChroma && bits.flag())
    for (const [index, hasLuma] of luma.entries()) {
      for (let fields = (hasLuma ? 2 : 0) + (chroma[index] ? 4 : 0); fields > 0; fields--) bits.se()
    }
  }
}

function readDeblocking(bits: BitReader, pps: HevcSlicePps): boolean {
  if (!pps.overridesDeblocking || !bits.flag()) return pps.deblocks
  if (bits.flag()) return false
  bits.se()
  bits.se()
  return true
}

function skipEntryPoints(bits: BitReader): void {
  const count = bits.ue()
  if (count > MAX_ENTRY_POINTS) bits.fail(`${count} entry points`)
  if (count > 0) bits.skip((bits.ue() + 1) * count)
}
