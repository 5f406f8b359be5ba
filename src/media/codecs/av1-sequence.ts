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
}

type Operating = { level: number; highTier: boolean; frameRate: number | undefined }

const SRGB_TRANSFER = 13

/** Reads the payload of a sequence header OBU (without OBU header and size). */
export function parseAv1Sequence(payload: Uint8Array, path: string): Av1Sequence {
  const bits = new BitReader(payload, path)
  const profile = bits.bits(3)
  if (profile > 2) bits.fail(`seq_profile ${profile}`)
  bits.skip(1)
  const reducedStillPicture = bits.flag()
  const operating = reducedStillPicture
    ? { level: bits.bits(5), highTier: false, frameRate: undefined }
    : readOperatingPoints(bits)
  const widthBits = bits.bits(4) + 1
  const heightBits = bits.bits(4) + 1
  const width = bits.bits(widthBits) + 1
  const height = bits.bits(heightBits) + 1
  skipTools(bits, reducedStillPicture)
  return { profile, ...operating, ...readColour(bits, profile), reducedStillPicture, width, height }
}

function readOperatingPoints(bits: BitReader): Operating {
  let frameRate: number | undefined
  let delayBits = 0
  if (bits.flag()) {
    const unitsInTick = bits.bits(32)
    const timeScale = bits.bits(32)
    if (bits.flag()) frameRate = plausibleFrameRate(timeScale, unitsInTick * (bits.ue() + 1))
    if (bits.flag()) {
      delayBits = bits.bits(5) + 1
      bits.skip(32 + 5 + 5)
    }
  }
  const delayPresent = bits.flag()
  const points = bits.bits(5) + 1
  let level = 0
  let highTier = false
  for (let point = 0; point < points; point++) {
    bits.skip(12)
    const pointLevel = bits.bits(5)
    const pointTier = pointLevel > 7 && bits.flag()
    if (point === 0) {
      level = pointLevel
      highTier = pointTier
    }
    if (delayBits > 0 && bits.flag()) bits.skip(2 * delayBits + 1)
    if (delayPresent && bits.flag()) bits.skip(4)
  }
  return { level, highTier, frameRate }
}

function skipTools(bits: BitReader, reducedStillPicture: boolean): void {
  if (!reducedStillPicture && bits.flag()) bits.skip(4 + 3)
  bits.skip(3)
  if (!reducedStillPicture) {
    bits.skip(4)
    const orderHint = bits.flag()
    if (orderHint) bits.skip(2)
    const screenContent = bits.flag() || bits.flag()
    if (screenContent && !bits.flag()) bits.skip(1)
    if (orderHint) bits.skip(3)
  }
  bits.skip(3)
}

type Colour = Pick<
  Av1Sequence,
  'bitDepth' | 'monochrome' | 'subsamplingX' | 'subsamplingY' | 'chromaPosition' | 'colour' | 'fullRange'
>

/** §5.5.2 */
function readColour(bits: BitReader, profile: number): Colour {
  const highDepth = bits.flag()
  const bitDepth = profile === 2 && highDepth ? (bits.flag() ? 12 : 10) : highDepth ? 10 : 8
  const monochrome = profile !== 1 && bits.flag()
  const colour = bits.flag() ? { primaries: bits.bits(8), transfer: bits.bits(8), matrix: bits.bits(8) } : undefined
  if (monochrome) {
    return { bitDepth, monochrome, subsamplingX: 1, subsamplingY: 1, chromaPosition: 0, colour, fullRange: bits.flag() }
  }
  if (colour?.primaries === 1 && colour.transfer === SRGB_TRANSFER && colour.matrix === 0) {
    return { bitDepth, monochrome, subsamplingX: 0, subsamplingY: 0, chromaPosition: 0, colour, fullRange: true }
  }
  const fullRange = bits.flag()
  const { subsamplingX, subsamplingY } = readSubsampling(bits, profile, bitDepth)
  const chromaPosition = subsamplingX === 1 && subsamplingY === 1 ? bits.bits(2) : 0
  return { bitDepth, monochrome, subsamplingX, subsamplingY, chromaPosition, colour, fullRange }
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
