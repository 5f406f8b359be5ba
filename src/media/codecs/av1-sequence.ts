import { BitReader } from './bit-reader.ts'
import { plausibleFrameRate } from './frame-rate.ts'

/** What Headend wants of a sequence header OBU (AV1 bitstream §5.5). */
export type Av1Sequence = {
  readonly profile: number
  readonly level: number
  readonly highTier: boolean
  readonly bitDepth: number
  readonly monochrome: boolean
  readonly subsamplingX: number
  readonly subsamplingY: number
  /** 0 unknown, 1 vertical, 2 colocated. */
  readonly chromaPosition: number
  /** CICP code points; absent where the header describes no colour. */
  readonly colour: { readonly primaries: number; readonly transfer: number; readonly matrix: number } | undefined
  readonly fullRange: boolean
  readonly reducedStillPicture: boolean
  readonly width: number
  readonly height: number
  readonly frameRate: number | undefined
  readonly frames: Av1FrameTerms
}

/** What frame headers take from their sequence (§5.5.1). */
export type Av1FrameTerms = {
  readonly widthBits: number
  readonly heightBits: number
  /** Of each operating point, its idc, and whether frames may say when its buffers are removed. */
  readonly points: readonly { readonly idc: number; readonly hasModel: boolean }[]
  /** 0: no decoder model. */
  readonly removalTimeBits: number
  /** Of temporal_point_info; 0: frames have none. */
  readonly presentationTimeBits: number
  /** 0: frames are not numbered. */
  readonly frameIdBits: number
  readonly deltaFrameIdBits: number
  readonly uses128: boolean
  readonly warps: boolean
  /** 0: no order hints. */
  readonly orderHintBits: number
  readonly usesReferenceMotion: boolean
  /** 0 or 1 for all frames, 2: each says. */
  readonly screenContent: number
  readonly integerMotion: number
  readonly superResolves: boolean
  readonly hasCdef: boolean
  readonly restores: boolean
  readonly separatesUvQuantizer: boolean
  readonly hasFilmGrain: boolean
}

type Timing = { frameRate: number | undefined; removalTimeBits: number; presentationTimeBits: number }
type Operating = Timing & { level: number; highTier: boolean; points: readonly { idc: number; hasModel: boolean }[] }
type Tools = Omit<
  Av1FrameTerms,
  | 'widthBits'
  | 'heightBits'
  | 'points'
  | 'removalTimeBits'
  | 'presentationTimeBits'
  | 'separatesUvQuantizer'
  | 'hasFilmGrain'
>

/** seq_force_screen_content_tools and seq_force_integer_mv that leave it to each frame. */
const SELECT = 2

const SRGB_TRANSFER = 13

/** Reads the payload of a sequence header OBU (without OBU header and size). */
export function parseAv1Sequence(payload: Uint8Array, path: string): Av1Sequence {
  const bits = new BitReader(payload, path)
  const profile = bits.bits(3)
  if (profile > 2) bits.fail(`seq_profile ${profile}`)
  bits.skip(1)
  const reducedStillPicture = bits.flag()
  const { level, highTier, frameRate, ...model } = reducedStillPicture
    ? { level: bits.bits(5), highTier: false, points: [], ...NO_TIMING }
    : readOperatingPoints(bits)
  const widthBits = bits.bits(4) + 1
  const heightBits = bits.bits(4) + 1
  const width = bits.bits(widthBits) + 1
  const height = bits.bits(heightBits) + 1
  const tools = readTools(bits, reducedStillPicture)
  const { separatesUvQuantizer, ...colour } = readColour(bits, profile)
  const hasFilmGrain = readLast(bits)
  const frames = { widthBits, heightBits, ...model, ...tools, separatesUvQuantizer, hasFilmGrain }
  return { profile, level, highTier, frameRate, ...colour, reducedStillPicture, width, height, frames }
}

const NO_TIMING: Timing = { frameRate: undefined, removalTimeBits: 0, presentationTimeBits: 0 }

function readOperatingPoints(bits: BitReader): Operating {
  let frameRate: number | undefined
  let delayBits = 0
  let removalTimeBits = 0
  let presentationTimeBits = 0
  if (bits.flag()) {
    const unitsInTick = bits.bits(32)
    const timeScale = bits.bits(32)
    const isEven = bits.flag()
    if (isEven) frameRate = plausibleFrameRate(timeScale, unitsInTick * (bits.ue() + 1))
    if (bits.flag()) {
      delayBits = bits.bits(5) + 1
      bits.skip(32)
      removalTimeBits = bits.bits(5) + 1
      const timeBits = bits.bits(5) + 1
      presentationTimeBits = isEven ? 0 : timeBits
    }
  }
  const delayPresent = bits.flag()
  const count = bits.bits(5) + 1
  let level = 0
  let highTier = false
  const points: { idc: number; hasModel: boolean }[] = []
  for (let point = 0; point < count; point++) {
    const idc = bits.bits(12)
    const pointLevel = bits.bits(5)
    const pointTier = pointLevel > 7 && bits.flag()
    if (point === 0) {
      level = pointLevel
      highTier = pointTier
    }
    const hasModel = delayBits > 0 && bits.flag()
    if (hasModel) bits.skip(2 * delayBits + 1)
    if (delayPresent && bits.flag()) bits.skip(4)
    points.push({ idc, hasModel })
  }
  return { level, highTier, frameRate, points, removalTimeBits, presentationTimeBits }
}

function readTools(bits: BitReader, reducedStillPicture: boolean): Tools {
  const hasIds = !reducedStillPicture && bits.flag()
  const deltaFrameIdBits = hasIds ? bits.bits(4) + 2 : 0
  const frameIdBits = hasIds ? bits.bits(3) + deltaFrameIdBits + 1 : 0
  const uses128 = bits.flag()
  bits.skip(2)
  const motion = reducedStillPicture ? STILL : readMotion(bits)
  const filters = { superResolves: bits.flag(), hasCdef: bits.flag(), restores: bits.flag() }
  return { deltaFrameIdBits, frameIdBits, uses128, ...motion, ...filters }
}

type Motion = Pick<Tools, 'warps' | 'orderHintBits' | 'usesReferenceMotion' | 'screenContent' | 'integerMotion'>

const STILL: Motion = {
  warps: false,
  orderHintBits: 0,
  usesReferenceMotion: false,
  screenContent: SELECT,
  integerMotion: SELECT,
}

function readMotion(bits: BitReader): Motion {
  bits.skip(2)
  const warps = bits.flag()
  bits.skip(1)
  const hasOrderHint = bits.flag()
  if (hasOrderHint) bits.skip(1)
  const usesReferenceMotion = hasOrderHint && bits.flag()
  const screenContent = bits.flag() ? SELECT : bits.bits(1)
  const integerMotion = screenContent === 0 || bits.flag() ? SELECT : bits.bits(1)
  const orderHintBits = hasOrderHint ? bits.bits(3) + 1 : 0
  return { warps, orderHintBits, usesReferenceMotion, screenContent, integerMotion }
}

type Colour = Pick<
  Av1Sequence,
  'bitDepth' | 'monochrome' | 'subsamplingX' | 'subsamplingY' | 'chromaPosition' | 'colour' | 'fullRange'
> & { readonly separatesUvQuantizer: boolean }

/** §5.5.2 */
function readColour(bits: BitReader, profile: number): Colour {
  const highDepth = bits.flag()
  const bitDepth = profile === 2 && highDepth ? (bits.flag() ? 12 : 10) : highDepth ? 10 : 8
  const monochrome = profile !== 1 && bits.flag()
  const colour = bits.flag() ? { primaries: bits.bits(8), transfer: bits.bits(8), matrix: bits.bits(8) } : undefined
  const depth = { bitDepth, monochrome, colour }
  if (monochrome) {
    const grey = { subsamplingX: 1, subsamplingY: 1, chromaPosition: 0, separatesUvQuantizer: false }
    return { ...depth, ...grey, fullRange: bits.flag() }
  }
  if (colour?.primaries === 1 && colour.transfer === SRGB_TRANSFER && colour.matrix === 0) {
    const full = { subsamplingX: 0, subsamplingY: 0, chromaPosition: 0, fullRange: true }
    return { ...depth, ...full, separatesUvQuantizer: readLast(bits) }
  }
  const fullRange = bits.flag()
  const { subsamplingX, subsamplingY } = readSubsampling(bits, profile, bitDepth)
  const chromaPosition = subsamplingX === 1 && subsamplingY === 1 ? bits.bits(2) : 0
  return { ...depth, subsamplingX, subsamplingY, chromaPosition, fullRange, separatesUvQuantizer: readLast(bits) }
}

/** A flag that only frame headers need: where the sequence is cut short before it, it is taken for 0. */
function readLast(bits: BitReader): boolean {
  return bits.remaining > 0 && bits.flag()
}

function readSubsampling(
  bits: BitReader,
  profile: number,
  bitDepth: number,
): { subsamplingX: number; subsamplingY: number } {
  if (profile === 0) return { subsamplingX: 1, subsamplingY: 1 }
  if (profile === 1) return { subsamplingX: 0, subsamplingY: 0 }
  if (bitDepth < 12) return { subsamplingX: 1, subsamplingY: 0 }
  const subsamplingX = bits.bits(1)
  return { subsamplingX, subsamplingY: subsamplingX === 1 ? bits.bits(1) : 0 }
}
