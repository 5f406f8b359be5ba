import type { Av1Motion } from './av1-frame-state.ts'
import { NO_MOTION } from './av1-frame-state.ts'
import type { BitReader } from './bit-reader.ts'

/** How the picture is quantized, as far as it decides what else a header has (AV1 bitstream §5.9.12). */
export type Av1Quantizer = { readonly base: number; readonly hasDeltas: boolean }

/** A signed number of `count` bits (§4.10.6). */
export function signedBits(bits: BitReader, count: number): number {
  const value = bits.bits(count)
  return value >= 2 ** (count - 1) ? value - 2 ** count : value
}

/** A number below `count`, in as few bits as it takes (§4.10.7). */
export function belowCount(bits: BitReader, count: number): number {
  const width = 32 - Math.clz32(count)
  const short = 2 ** width - count
  const value = bits.bits(width - 1)
  if (value < short) return value
  return value * 2 - short + bits.bits(1)
}

/** quantization_params (§5.9.12). */
export function readQuantizer(bits: BitReader, planes: number, separatesUv: boolean): Av1Quantizer {
  const base = bits.bits(8)
  let hasDeltas = readDelta(bits)
  if (planes > 1) {
    const differs = separatesUv && bits.flag()
    for (let deltas = differs ? 4 : 2; deltas > 0; deltas--) hasDeltas = readDelta(bits) || hasDeltas
  }
  if (bits.flag()) bits.skip(separatesUv ? 12 : 8)
  return { base, hasDeltas }
}

function readDelta(bits: BitReader): boolean {
  return bits.flag() && signedBits(bits, 7) !== 0
}

const SEGMENTS = 8
/** Bits of the value of each feature, and which of them have a sign (§5.9.14). */
const FEATURE_BITS: readonly number[] = [8, 6, 6, 6, 6, 3, 0, 0]
const SIGNED_FEATURES = 5
/** Segments that change no quantizer. */
export const NO_SEGMENTS: readonly (number | undefined)[] = new Array<undefined>(SEGMENTS).fill(undefined)

/** segmentation_params (§5.9.14); `previous` is kept where the frame says nothing new. `isFirst`: there is no frame to go on from. */
export function readSegments(
  bits: BitReader,
  previous: readonly (number | undefined)[],
  isFirst: boolean,
): readonly (number | undefined)[] {
  if (!bits.flag()) return NO_SEGMENTS
  if (!isFirst) {
    if (bits.flag()) bits.skip(1)
    if (!bits.flag()) return previous
  }
  const quantizers: (number | undefined)[] = []
  for (let segment = 0; segment < SEGMENTS; segment++) {
    let quantizer: number | undefined
    for (const [feature, width] of FEATURE_BITS.entries()) {
      if (!bits.flag()) continue
      const value = feature < SIGNED_FEATURES ? signedBits(bits, width + 1) : bits.bits(width)
      if (feature === 0) quantizer = value
    }
    quantizers.push(quantizer)
  }
  return quantizers
}

/** loop_filter_params (§5.9.11), where there is a filter. */
export function skipLoopFilter(bits: BitReader, planes: number): void {
  const first = bits.bits(6)
  const second = bits.bits(6)
  if (planes > 1 && (first > 0 || second > 0)) bits.skip(12)
  bits.skip(3)
  if (!bits.flag() || !bits.flag()) return
  for (let delta = 0; delta < 8 + 2; delta++) if (bits.flag()) bits.skip(7)
}

/** cdef_params (§5.9.19), where there is one. */
export function skipCdef(bits: BitReader, planes: number): void {
  bits.skip(2)
  bits.skip((planes > 1 ? 12 : 6) << bits.bits(2))
}

/** lr_params (§5.9.20), where pictures may be restored. */
export function skipRestoration(bits: BitReader, planes: number, uses128: boolean, isSubsampled: boolean): void {
  const types = Array.from({ length: planes }, () => bits.bits(2))
  if (types.every((type) => type === 0)) return
  if (bits.flag() && !uses128) bits.skip(1)
  if (isSubsampled && types.slice(1).some((type) => type !== 0)) bits.skip(1)
}

/** global_motion_params (§5.9.24) of a frame that refers to others. */
export function readMotion(bits: BitReader, previous: Av1Motion, isPrecise: boolean): Av1Motion {
  return previous.map((before, reference) => {
    if (!bits.flag()) return NO_MOTION[reference] ?? before
    const isRotation = bits.flag()
    const isTranslation = !isRotation && bits.flag()
    const after = [...(NO_MOTION[reference] ?? before)]
    const read = (index: number) => {
      after[index] = readMotionParameter(bits, index, before[index] ?? 0, isTranslation, isPrecise)
    }
    if (!isTranslation) {
      read(2)
      read(3)
      if (isRotation) {
        after[4] = -(after[3] ?? 0)
        after[5] = after[2] ?? 0
      } else {
        read(4)
        read(5)
      }
    }
    read(0)
    read(1)
    return after
  })
}

/** §5.9.25 */
function readMotionParameter(
  bits: BitReader,
  index: number,
  before: number,
  isTranslation: boolean,
  isPrecise: boolean,
): number {
  const coarser = isPrecise ? 0 : 1
  const absolute = index >= 2 ? 12 : isTranslation ? 9 - coarser : 12
  const precision = index >= 2 ? 15 : isTranslation ? 3 - coarser : 6
  const shift = 16 - precision
  const isScale = index % 3 === 2
  const limit = 1 << absolute
  const near = (before >> shift) - (isScale ? 1 << precision : 0)
  const value = readNear(bits, 2 * limit + 1, near + limit) - limit
  return value * 2 ** shift + (isScale ? 1 << 16 : 0)
}

/** decode_unsigned_subexp_with_ref (§5.9.27). */
function readNear(bits: BitReader, count: number, near: number): number {
  const value = readSubexponential(bits, count)
  return near * 2 <= count ? recentred(near, value) : count - 1 - recentred(count - 1 - near, value)
}

function recentred(near: number, value: number): number {
  if (value > 2 * near) return value
  return value % 2 === 1 ? near - (value + 1) / 2 : near + value / 2
}

/** decode_subexp (§5.9.28). */
function readSubexponential(bits: BitReader, count: number): number {
  for (let step = 0, base = 0; ; step++) {
    const width = step > 0 ? step + 2 : 3
    if (count <= base + 3 * 2 ** width) return belowCount(bits, count - base) + base
    if (!bits.flag()) return bits.bits(width) + base
    base += 2 ** width
  }
}

/** film_grain_params (§5.9.30) of a picture that may be shown. */
export function skipFilmGrain(bits: BitReader, isInter: boolean, monochrome: boolean, isSubsampled: boolean): void {
  if (!bits.flag()) return
  bits.skip(16)
  if (isInter && !bits.flag()) {
    bits.skip(3)
    return
  }
  const lumaPoints = bits.bits(4)
  bits.skip(16 * lumaPoints)
  const fromLuma = !monochrome && bits.flag()
  const hasChroma = !monochrome && !fromLuma && !(isSubsampled && lumaPoints === 0)
  const bluePoints = hasChroma ? bits.bits(4) : 0
  bits.skip(16 * bluePoints)
  const redPoints = hasChroma ? bits.bits(4) : 0
  bits.skip(16 * redPoints)
  bits.skip(2)
  const lag = bits.bits(2)
  const luma = 2 * lag * (lag + 1)
  const chroma = luma + (lumaPoints > 0 ? 1 : 0)
  if (lumaPoints > 0) bits.skip(8 * luma)
  if (fromLuma || bluePoints > 0) bits.skip(8 * chroma)
  if (fromLuma || redPoints > 0) bits.skip(8 * chroma)
  bits.skip(4)
  if (bluePoints > 0) bits.skip(25)
  if (redPoints > 0) bits.skip(25)
  bits.skip(2)
}
