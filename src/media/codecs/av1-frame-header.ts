import {
  NO_SEGMENTS,
  readMotion,
  readQuantizer,
  readSegments,
  skipCdef,
  skipFilmGrain,
  skipLoopFilter,
  skipRestoration,
} from './av1-frame-fields.ts'
import {
  type Av1Motion,
  type Av1Reference,
  type Av1References,
  hintDistance,
  NO_MOTION,
  referenceSlots,
} from './av1-frame-state.ts'
import type { Av1Sequence } from './av1-sequence.ts'
import { type Av1TileInfo, readTileInfo } from './av1-tile-info.ts'
import type { BitReader } from './bit-reader.ts'

/** What a frame header leaves behind: how its tiles lie (`undefined`: it shows a frame again) and the references that follow. */
export type Av1Frame = { readonly tileInfo: Av1TileInfo | undefined; readonly references: Av1References }

/** To what layers a frame belongs (AV1 bitstream §5.3.3). */
export type Av1Layers = { readonly temporal: number; readonly spatial: number }

const KEY = 0
const INTER = 1
const INTRA_ONLY = 2
const SWITCH = 3
const ALL_SLOTS = 0xff
const NO_PRIMARY = 7

type Size = { readonly upscaledWidth: number; readonly width: number; readonly height: number }

type Start = {
  readonly type: number
  readonly isIntra: boolean
  readonly isShowable: boolean
  readonly isResilient: boolean
  readonly disablesUpdate: boolean
  readonly allowsScreen: boolean
  readonly forcesInteger: boolean
  readonly overridesSize: boolean
  readonly orderHint: number
  readonly primary: number
  readonly refresh: number
  readonly hints: readonly number[]
  readonly references: Av1References
}

type Inter = {
  readonly size: Size
  readonly slots: readonly number[]
  readonly isPrecise: boolean
  readonly copiesBlocks: boolean
}

/**
 * Reads uncompressed_header (§5.9.2) from its first bit to its last. @throws FormatError where it refers to a frame that `references`
 * don't have, or is broken
 */
export function readAv1FrameHeader(
  bits: BitReader,
  sequence: Av1Sequence,
  references: Av1References,
  layers: Av1Layers,
): Av1Frame {
  const { frames } = sequence
  if (!sequence.reducedStillPicture && bits.flag()) return showExisting(bits, sequence, references)
  const start = readStart(bits, sequence, references, layers)
  const inter = start.isIntra ? readIntra(bits, sequence, start) : readInter(bits, sequence, start)
  if (!sequence.reducedStillPicture && !start.disablesUpdate) bits.skip(1)
  const primary = start.primary === NO_PRIMARY ? undefined : start.references[inter.slots[start.primary] ?? -1]
  if (start.primary !== NO_PRIMARY && primary === undefined)
    return bits.fail('a frame that goes on from an unknown one')
  const { size } = inter
  const tileInfo = readTileInfo(bits, size.width, size.height, frames.uses128)
  const after = readRest(bits, sequence, start, inter, primary)
  const kept: Av1Reference = {
    isKey: start.type === KEY,
    orderHint: start.orderHint,
    upscaledWidth: size.upscaledWidth,
    height: size.height,
    ...after,
  }
  const next = start.references.map((slot, index) => ((start.refresh >> index) & 1 ? kept : slot))
  return { tileInfo, references: next }
}

function showExisting(bits: BitReader, { frames }: Av1Sequence, references: Av1References): Av1Frame {
  const shown = references[bits.bits(3)]
  if (shown === undefined) return bits.fail('an unknown frame is shown')
  bits.skip(frames.presentationTimeBits + frames.frameIdBits)
  return { tileInfo: undefined, references: shown.isKey ? references.map(() => shown) : references }
}

function readStart(bits: BitReader, sequence: Av1Sequence, references: Av1References, layers: Av1Layers): Start {
  const { reducedStillPicture: isStill, frames } = sequence
  const type = isStill ? KEY : bits.bits(2)
  const isShown = isStill || bits.flag()
  if (!isStill && isShown) bits.skip(frames.presentationTimeBits)
  const isShowable = isShown || bits.flag()
  const beginsAnew = type === KEY && isShown
  const isIntra = type === KEY || type === INTRA_ONLY
  const isResilient = type === SWITCH || beginsAnew || bits.flag()
  const disablesUpdate = bits.flag()
  const allowsScreen = frames.screenContent === 2 ? bits.flag() : frames.screenContent === 1
  const asksInteger = allowsScreen && (frames.integerMotion === 2 ? bits.flag() : frames.integerMotion === 1)
  bits.skip(frames.frameIdBits)
  const overridesSize = type === SWITCH || (!isStill && bits.flag())
  const orderHint = bits.bits(frames.orderHintBits)
  const primary = isIntra || isResilient ? NO_PRIMARY : bits.bits(3)
  if (frames.removalTimeBits > 0 && bits.flag()) skipRemovalTimes(bits, sequence, layers)
  const refresh = type === SWITCH || beginsAnew ? ALL_SLOTS : bits.bits(8)
  const known: Av1References = beginsAnew ? references.map(() => undefined) : references
  const hints = known.map((reference) => reference?.orderHint ?? 0)
  if ((!isIntra || refresh !== ALL_SLOTS) && isResilient && frames.orderHintBits > 0) {
    for (let slot = 0; slot < hints.length; slot++) hints[slot] = bits.bits(frames.orderHintBits)
  }
  const forcesInteger = isIntra || asksInteger
  const said = { type, isIntra, isShowable, isResilient, disablesUpdate, allowsScreen, forcesInteger, overridesSize }
  return { ...said, orderHint, primary, refresh, hints, references: known }
}

function skipRemovalTimes(bits: BitReader, { frames }: Av1Sequence, { temporal, spatial }: Av1Layers): void {
  for (const { idc, hasModel } of frames.points) {
    if (!hasModel) continue
    if (idc === 0 || ((idc >> temporal) & 1 && (idc >> (spatial + 8)) & 1)) bits.skip(frames.removalTimeBits)
  }
}

function readIntra(bits: BitReader, sequence: Av1Sequence, start: Start): Inter {
  const size = readSize(bits, sequence, start)
  skipRenderSize(bits)
  const copiesBlocks = start.allowsScreen && size.upscaledWidth === size.width && bits.flag()
  return { size, slots: [], isPrecise: false, copiesBlocks }
}

function readInter(bits: BitReader, sequence: Av1Sequence, start: Start): Inter {
  const { frames } = sequence
  const isShort = frames.orderHintBits > 0 && bits.flag()
  const named = isShort
    ? referenceSlots(start.hints, start.orderHint, frames.orderHintBits, bits.bits(3), bits.bits(3))
    : undefined
  const slots: number[] = []
  for (let reference = 0; reference < 7; reference++) {
    slots.push(named?.[reference] ?? bits.bits(3))
    bits.skip(frames.deltaFrameIdBits)
  }
  const size =
    start.overridesSize && !start.isResilient
      ? readReferredSize(bits, sequence, start, slots)
      : readOwnSize(bits, sequence, start)
  const isPrecise = !start.forcesInteger && bits.flag()
  if (!bits.flag()) bits.skip(2)
  bits.skip(1)
  if (!start.isResilient && frames.usesReferenceMotion) bits.skip(1)
  return { size, slots, isPrecise, copiesBlocks: false }
}

/** frame_size and superres_params (§5.9.5, §5.9.8). */
function readSize(bits: BitReader, sequence: Av1Sequence, { overridesSize }: Start): Size {
  const { widthBits, heightBits } = sequence.frames
  const upscaledWidth = overridesSize ? bits.bits(widthBits) + 1 : sequence.width
  const height = overridesSize ? bits.bits(heightBits) + 1 : sequence.height
  return withSuperResolution(bits, sequence, upscaledWidth, height)
}

function withSuperResolution(bits: BitReader, sequence: Av1Sequence, upscaledWidth: number, height: number): Size {
  const isScaled = sequence.frames.superResolves && bits.flag()
  const divisor = isScaled ? bits.bits(3) + 9 : 8
  return { upscaledWidth, width: Math.floor((upscaledWidth * 8 + (divisor >> 1)) / divisor), height }
}

function skipRenderSize(bits: BitReader): void {
  if (bits.flag()) bits.skip(32)
}

function readOwnSize(bits: BitReader, sequence: Av1Sequence, start: Start): Size {
  const size = readSize(bits, sequence, start)
  skipRenderSize(bits)
  return size
}

/** frame_size_with_refs (§5.9.7). */
function readReferredSize(bits: BitReader, sequence: Av1Sequence, start: Start, slots: readonly number[]): Size {
  for (const slot of slots) {
    if (!bits.flag()) continue
    const found = start.references[slot]
    if (found === undefined) return bits.fail('a frame of the size of an unknown one')
    return withSuperResolution(bits, sequence, found.upscaledWidth, found.height)
  }
  return readOwnSize(bits, sequence, start)
}

/** What comes behind tile_info; gives what later frames go on from. */
function readRest(
  bits: BitReader,
  sequence: Av1Sequence,
  start: Start,
  inter: Inter,
  primary: Av1Reference | undefined,
): Pick<Av1Reference, 'motion' | 'segmentQuantizers'> {
  const { frames, monochrome, subsamplingX, subsamplingY } = sequence
  const { copiesBlocks, size } = inter
  const planes = monochrome ? 1 : 3
  const quantizer = readQuantizer(bits, planes, frames.separatesUvQuantizer)
  const segmentQuantizers = readSegments(bits, primary?.segmentQuantizers ?? NO_SEGMENTS, primary === undefined)
  if (quantizer.base > 0 && bits.flag()) {
    bits.skip(2)
    if (!copiesBlocks && bits.flag()) bits.skip(3)
  }
  const isLossless =
    !quantizer.hasDeltas && segmentQuantizers.every((change) => Math.max(0, quantizer.base + (change ?? 0)) === 0)
  const isSubsampled = subsamplingX === 1 && subsamplingY === 1
  if (!copiesBlocks && !isLossless) {
    skipLoopFilter(bits, planes)
    if (frames.hasCdef) skipCdef(bits, planes)
  }
  const isWhollyLossless = isLossless && size.width === size.upscaledWidth
  if (!copiesBlocks && !isWhollyLossless && frames.restores) {
    skipRestoration(bits, planes, frames.uses128, isSubsampled)
  }
  if (!isLossless) bits.skip(1)
  if (!start.isIntra && bits.flag() && maySkip(bits, sequence, start, inter.slots)) bits.skip(1)
  if (!start.isIntra && !start.isResilient && frames.warps) bits.skip(1)
  bits.skip(1)
  const before: Av1Motion = primary?.motion ?? NO_MOTION
  const motion = start.isIntra ? NO_MOTION : readMotion(bits, before, inter.isPrecise)
  if (frames.hasFilmGrain && start.isShowable) skipFilmGrain(bits, start.type === INTER, monochrome, isSubsampled)
  return { motion, segmentQuantizers }
}

/** skipModeAllowed (§5.9.22): whether there are references on both sides, or two different ones before. */
function maySkip(bits: BitReader, { frames }: Av1Sequence, start: Start, slots: readonly number[]): boolean {
  const width = frames.orderHintBits
  if (width === 0) return false
  const distances = slots.map((slot) => {
    if (start.references[slot] === undefined && !start.isResilient) bits.fail('a frame that refers to an unknown one')
    return hintDistance(start.hints[slot] ?? 0, start.orderHint, width)
  })
  const before = distances.filter((distance) => distance < 0)
  if (before.length === 0) return false
  return distances.some((distance) => distance > 0) || new Set(before).size > 1
}
