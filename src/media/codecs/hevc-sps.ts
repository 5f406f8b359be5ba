import { FormatError } from '../../lib/errors.ts'
import { BitReader, removeEmulationPrevention } from './bit-reader.ts'
import { plausibleFrameRate } from './frame-rate.ts'

/** What Headend wants of a sequence parameter set (ITU-T H.265 §7.3.2.2). Width and height are after the conformance window. */
export type HevcSps = {
  readonly width: number
  readonly height: number
  readonly frameRate: number | undefined
}

const EXTENDED_SAR = 255
/** Level 6.2 allows 35,651,584 luma samples and no side beyond sqrt(8 × that) (§A.4.1). */
const MAX_SIDE = 16_888
/** §7.4.3.2.1: num_short_term_ref_pic_sets and num_long_term_ref_pics_sps. */
const MAX_SHORT_TERM_SETS = 64
const MAX_LONG_TERM_PICTURES = 32
const MAX_DPB_PICTURES = 16

/** Reads an SPS NAL unit, header included. A broken one is a `FormatError`; what breaks after the size only costs the frame rate. */
export function parseHevcSps(nal: Uint8Array, path: string): HevcSps {
  const bits = new BitReader(removeEmulationPrevention(nal), path)
  bits.skip(16 + 4)
  const maxSubLayers = bits.bits(3) + 1
  bits.skip(1)
  skipProfileTierLevel(bits, maxSubLayers)
  bits.ue()
  const chromaFormat = bits.ue()
  if (chromaFormat > 3) bits.fail(`chroma_format_idc ${chromaFormat}`)
  const separatePlanes = chromaFormat === 3 && bits.flag()
  const codedWidth = bits.ue()
  const codedHeight = bits.ue()
  if (codedWidth > MAX_SIDE || codedHeight > MAX_SIDE) bits.fail('the picture is larger than any level')
  const subWidth = !separatePlanes && (chromaFormat === 1 || chromaFormat === 2) ? 2 : 1
  const subHeight = !separatePlanes && chromaFormat === 1 ? 2 : 1
  const window = bits.flag() ? { left: bits.ue(), right: bits.ue(), top: bits.ue(), bottom: bits.ue() } : undefined
  const width = codedWidth - (window === undefined ? 0 : (window.left + window.right) * subWidth)
  const height = codedHeight - (window === undefined ? 0 : (window.top + window.bottom) * subHeight)
  if (width < 1 || height < 1) bits.fail('the conformance window leaves no picture')
  return { width, height, frameRate: readFrameRate(bits, maxSubLayers) }
}

/** Passes over profile_tier_level (§7.3.3); the record holds the general part, which the codec string is made of. */
export function skipProfileTierLevel(bits: BitReader, maxSubLayers: number): void {
  bits.skip(88 + 8)
  if (maxSubLayers === 1) return
  let subLayerBits = 0
  for (let layer = 0; layer < 8; layer++) {
    const profilePresent = bits.flag()
    const levelPresent = bits.flag()
    if (layer < maxSubLayers - 1) subLayerBits += (profilePresent ? 88 : 0) + (levelPresent ? 8 : 0)
  }
  bits.skip(subLayerBits)
}

function readFrameRate(bits: BitReader, maxSubLayers: number): number | undefined {
  try {
    skipToVui(bits, maxSubLayers)
    return bits.flag() ? readVuiFrameRate(bits) : undefined
  } catch (thrown) {
    // The size is known by now and decoders live with a broken tail, so a stream isn't refused for it.
    if (thrown instanceof FormatError) return undefined
    throw thrown
  }
}

function skipToVui(bits: BitReader, maxSubLayers: number): void {
  bits.ue()
  bits.ue()
  const pictureOrderBits = bits.ue() + 4
  const orderingLayers = bits.flag() ? maxSubLayers : 1
  for (let i = 0; i < orderingLayers * 3; i++) bits.ue()
  for (let i = 0; i < 6; i++) bits.ue()
  if (bits.flag() && bits.flag()) skipScalingLists(bits)
  bits.skip(2)
  if (bits.flag()) {
    bits.skip(8)
    bits.ue()
    bits.ue()
    bits.skip(1)
  }
  skipShortTermSets(bits)
  if (bits.flag()) {
    const count = bits.ue()
    if (count > MAX_LONG_TERM_PICTURES) bits.fail(`${count} long-term reference pictures`)
    bits.skip(count * (pictureOrderBits + 1))
  }
  bits.skip(2)
}

/** Passes over scaling_list_data (§7.3.4). */
export function skipScalingLists(bits: BitReader): void {
  for (let sizeId = 0; sizeId < 4; sizeId++) {
    for (let matrixId = 0; matrixId < 6; matrixId += sizeId === 3 ? 3 : 1) {
      if (!bits.flag()) {
        bits.ue()
        continue
      }
      if (sizeId > 1) bits.se()
      const coefficients = Math.min(64, 1 << (4 + (sizeId << 1)))
      for (let i = 0; i < coefficients; i++) bits.se()
    }
  }
}

/** §7.3.7: a set may be coded as a difference to the one before it, so each one's number of pictures is kept. */
function skipShortTermSets(bits: BitReader): void {
  const sets = bits.ue()
  if (sets > MAX_SHORT_TERM_SETS) bits.fail(`${sets} short-term reference picture sets`)
  let pictures = 0
  for (let set = 0; set < sets; set++) {
    if (set > 0 && bits.flag()) {
      bits.skip(1)
      bits.ue()
      let kept = 0
      for (let i = 0; i <= pictures; i++) {
        const used = bits.flag()
        if (used || bits.flag()) kept++
      }
      pictures = kept
    } else {
      const negative = bits.ue()
      const positive = bits.ue()
      pictures = negative + positive
      if (pictures > MAX_DPB_PICTURES) bits.fail(`${pictures} reference pictures in a set`)
      for (let i = 0; i < pictures; i++) {
        bits.ue()
        bits.skip(1)
      }
    }
  }
}

/** §E.2.1: unlike AVC, a tick is a frame. */
function readVuiFrameRate(bits: BitReader): number | undefined {
  if (bits.flag() && bits.bits(8) === EXTENDED_SAR) bits.skip(32)
  if (bits.flag()) bits.skip(1)
  if (bits.flag()) {
    bits.skip(4)
    if (bits.flag()) bits.skip(24)
  }
  if (bits.flag()) {
    bits.ue()
    bits.ue()
  }
  bits.skip(3)
  if (bits.flag()) for (let i = 0; i < 4; i++) bits.ue()
  if (!bits.flag()) return undefined
  const unitsInTick = bits.bits(32)
  return plausibleFrameRate(bits.bits(32), unitsInTick)
}
