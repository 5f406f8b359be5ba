import { FormatError } from '../../lib/errors.ts'
import { BitReader, removeEmulationPrevention } from './bit-reader.ts'
import { plausibleFrameRate } from './frame-rate.ts'

/** What Headend wants of a sequence parameter set (ITU-T H.264 §7.3.2.1.1). Width and height are after cropping. */
export type AvcSps = {
  readonly profile: number
  readonly constraints: number
  readonly level: number
  readonly width: number
  readonly height: number
  readonly frameRate: number | undefined
  /** chroma_format_idc: 1 is 4:2:0. */
  readonly chromaFormat: number
  readonly lumaBits: number
  readonly chromaBits: number
  readonly slices: AvcSliceTerms
}

/** What slice headers take from their sequence (§7.3.3). */
export type AvcSliceTerms = {
  readonly id: number
  readonly separatePlanes: boolean
  /** Whether pictures have chroma of their own slice data (ChromaArrayType is not 0). */
  readonly hasChroma: boolean
  readonly frameNumberBits: number
  readonly framesOnly: boolean
  readonly orderType: number
  readonly orderBits: number
  /** delta_pic_order_always_zero_flag */
  readonly orderIsFixed: boolean
  readonly mapUnits: number
}

/** The profiles whose SPS carries the chroma format and scaling lists (§7.3.2.1.1). */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135])
/** The aspect_ratio_idc that is followed by an explicit ratio (table E-1). */
const EXTENDED_SAR = 255
/** Level 6.2 allows 139,264 macroblocks and no side beyond sqrt(8 × that) (§A.3.1). */
const MAX_SIDE_MACROBLOCKS = 1056

/** Reads an SPS NAL unit, header byte included. A broken one is a `FormatError`; a broken VUI only costs the frame rate. */
export function parseAvcSps(nal: Uint8Array, path: string): AvcSps {
  const bits = new BitReader(removeEmulationPrevention(nal), path)
  bits.skip(8)
  const profile = bits.bits(8)
  const constraints = bits.bits(8)
  const level = bits.bits(8)
  const id = bits.ue()
  const chroma = HIGH_PROFILES.has(profile) ? readChroma(bits) : { format: 1, arrayType: 1, lumaBits: 8, chromaBits: 8 }
  const frameNumberBits = bits.ue() + 4
  const order = readPictureOrder(bits)
  bits.ue()
  bits.skip(1)
  const widthMbs = bits.ue() + 1
  const heightMapUnits = bits.ue() + 1
  const frameMbsOnly = bits.flag()
  if (!frameMbsOnly) bits.skip(1)
  bits.skip(1)
  const heightMbs = heightMapUnits * (frameMbsOnly ? 1 : 2)
  if (widthMbs > MAX_SIDE_MACROBLOCKS || heightMbs > MAX_SIDE_MACROBLOCKS)
    bits.fail('the picture is larger than any level')
  const cropUnitX = chroma.arrayType === 1 || chroma.arrayType === 2 ? 2 : 1
  const cropUnitY = (chroma.arrayType === 1 ? 2 : 1) * (frameMbsOnly ? 1 : 2)
  const crop = bits.flag() ? { left: bits.ue(), right: bits.ue(), top: bits.ue(), bottom: bits.ue() } : undefined
  const width = widthMbs * 16 - (crop === undefined ? 0 : (crop.left + crop.right) * cropUnitX)
  const height = heightMbs * 16 - (crop === undefined ? 0 : (crop.top + crop.bottom) * cropUnitY)
  if (width < 1 || height < 1) bits.fail('cropping leaves no picture')
  const slices = {
    id,
    separatePlanes: chroma.format === 3 && chroma.arrayType === 0,
    hasChroma: chroma.arrayType !== 0,
    frameNumberBits,
    framesOnly: frameMbsOnly,
    ...order,
    mapUnits: widthMbs * heightMapUnits,
  }
  return {
    profile,
    constraints,
    level,
    width,
    height,
    frameRate: bits.flag() ? readFrameRate(bits) : undefined,
    ...{ chromaFormat: chroma.format, lumaBits: chroma.lumaBits, chromaBits: chroma.chromaBits },
    slices,
  }
}

function readChroma(bits: BitReader): { format: number; arrayType: number; lumaBits: number; chromaBits: number } {
  const format = bits.ue()
  if (format > 3) bits.fail(`chroma_format_idc ${format}`)
  const separatePlanes = format === 3 && bits.flag()
  const lumaBits = bits.ue() + 8
  const chromaBits = bits.ue() + 8
  bits.skip(1)
  if (bits.flag()) {
    for (let list = 0; list < (format === 3 ? 12 : 8); list++) {
      if (bits.flag()) skipScalingList(bits, list < 6 ? 16 : 64)
    }
  }
  return { format, arrayType: separatePlanes ? 0 : format, lumaBits, chromaBits }
}

/** §7.3.2.1.1.1 */
function skipScalingList(bits: BitReader, size: number): void {
  let last = 8
  let next = 8
  for (let i = 0; i < size; i++) {
    if (next !== 0) next = (last + bits.se() + 256) & 0xff
    if (next !== 0) last = next
  }
}

function readPictureOrder(bits: BitReader): Pick<AvcSliceTerms, 'orderType' | 'orderBits' | 'orderIsFixed'> {
  const orderType = bits.ue()
  if (orderType === 0) return { orderType, orderBits: bits.ue() + 4, orderIsFixed: false }
  if (orderType !== 1) return { orderType, orderBits: 0, orderIsFixed: false }
  const orderIsFixed = bits.flag()
  bits.se()
  bits.se()
  const cycle = bits.ue()
  if (cycle > 255) bits.fail(`num_ref_frames_in_pic_order_cnt_cycle ${cycle}`)
  for (let i = 0; i < cycle; i++) bits.se()
  return { orderType, orderBits: 0, orderIsFixed }
}

/** The frame rate of the VUI's timing (§E.1.1): two ticks make a frame. */
function readFrameRate(bits: BitReader): number | undefined {
  try {
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
    if (!bits.flag()) return undefined
    const unitsInTick = bits.bits(32)
    return plausibleFrameRate(bits.bits(32), unitsInTick * 2)
  } catch (thrown) {
    // Decoders live with a VUI that is cut short, so a stream isn't refused for it.
    if (thrown instanceof FormatError) return undefined
    throw thrown
  }
}
