import { FormatError } from '../../lib/errors.ts'
import { BitReader } from './bit-reader.ts'

/** A frame of a sample, `from` ≤ offset < `to`, and the bytes of its uncompressed header. */
export type Vp9Frame = { readonly from: number; readonly to: number; readonly headerBytes: number }

type Size = { readonly width: number; readonly height: number }

const FRAME_MARKER = 2
const SYNC_CODE = 0x498342
const COLOR_SPACE_RGB = 7
const SUPERFRAME_MARKER = 6
const ALL_SLOTS = 0xff
const MIN_TILE_BLOCKS = 4
const MAX_TILE_BLOCKS = 64
/** Bits of the value of each segment feature, and which have a sign (VP9 bitstream §6.2.11). */
const FEATURES: readonly (readonly [bits: number, isSigned: boolean])[] = [
  [8, true],
  [6, true],
  [2, false],
  [0, false],
]

/**
 * Finds the frames of a stream's samples and the ends of their uncompressed headers (VP9 bitstream §6.2), one sample after another from
 * a key frame on: how a frame is divided depends on its size, which it may take from those before it.
 */
export class Vp9FrameFinder {
  #sizes: (Size | undefined)[] = new Array<undefined>(8).fill(undefined)

  /** The frames of the next sample, hidden ones too; what lies behind the last is a superframe's index. @throws FormatError */
  framesOf(sample: Uint8Array): Vp9Frame[] {
    let at = 0
    return superframeSizes(sample).map((size) => {
      const from = at
      at += size
      return { from, to: at, headerBytes: this.#headerBytes(sample.subarray(from, at)) }
    })
  }

  #headerBytes(frame: Uint8Array): number {
    const bits: BitReader = new BitReader(frame, 'vp9')
    if (bits.bits(2) !== FRAME_MARKER) return bits.fail('no VP9 frame marker')
    const profile = bits.bits(1) + 2 * bits.bits(1)
    if (profile === 3) bits.skip(1)
    if (bits.flag()) {
      // A frame is shown again: there is nothing else of it, and nothing of that is worth a secret.
      return frame.byteLength
    }
    this.#skipHeader(bits, profile)
    return frame.byteLength - Math.floor(bits.remaining / 8)
  }

  #skipHeader(bits: BitReader, profile: number): void {
    const isKey = !bits.flag()
    const isShown = bits.flag()
    const isResilient = bits.flag()
    let refresh = ALL_SLOTS
    let size: Size
    if (isKey) {
      skipSync(bits)
      skipColour(bits, profile)
      size = readSizes(bits)
    } else {
      const isIntra = !isShown && bits.flag()
      if (!isResilient) bits.skip(2)
      if (isIntra) {
        skipSync(bits)
        if (profile > 0) skipColour(bits, profile)
        refresh = bits.bits(8)
        size = readSizes(bits)
      } else {
        refresh = bits.bits(8)
        size = this.#readReferredSize(bits)
        bits.skip(1)
        if (!bits.flag()) bits.skip(2)
      }
    }
    if (!isResilient) bits.skip(2)
    bits.skip(2)
    this.#sizes = this.#sizes.map((known, slot) => ((refresh >> slot) & 1 ? size : known))
    skipLoopFilter(bits)
    bits.skip(8)
    for (let delta = 0; delta < 3; delta++) if (bits.flag()) bits.skip(5)
    if (bits.flag()) skipSegmentation(bits)
    skipTiles(bits, size.width)
    bits.skip(16)
  }

  /** The three references with their signs, and frame_size_with_refs (§6.2.5). */
  #readReferredSize(bits: BitReader): Size {
    const slots = [0, 1, 2].map(() => {
      const slot = bits.bits(3)
      bits.skip(1)
      return slot
    })
    for (const slot of slots) {
      if (!bits.flag()) continue
      const size = this.#sizes[slot]
      if (size === undefined) return bits.fail('a frame of the size of an unknown one')
      if (bits.flag()) bits.skip(32)
      return size
    }
    return readSizes(bits)
  }
}

/** The sizes of a superframe's frames (annex B), or the sample's own where it is none. */
function superframeSizes(sample: Uint8Array): number[] {
  const last = sample.at(-1) ?? 0
  const count = (last & 7) + 1
  const width = ((last >>> 3) & 3) + 1
  const indexBytes = 2 + width * count
  const indexAt = sample.byteLength - indexBytes
  if (last >>> 5 !== SUPERFRAME_MARKER || indexAt < 0 || sample[indexAt] !== last) return [sample.byteLength]
  const sizes: number[] = []
  let left = indexAt
  for (let frame = 0; frame < count; frame++) {
    let size = 0
    for (let byte = 0; byte < width; byte++) size += (sample[indexAt + 1 + frame * width + byte] ?? 0) * 256 ** byte
    left -= size
    if (left < 0) throw new FormatError('vp9', indexAt, 'a frame runs into the index of its superframe')
    if (size > 0) sizes.push(size)
  }
  return sizes
}

function skipSync(bits: BitReader): void {
  if (bits.bits(24) !== SYNC_CODE) bits.fail('no sync code')
}

/** color_config (§6.2.2). */
function skipColour(bits: BitReader, profile: number): void {
  if (profile >= 2) bits.skip(1)
  const hasLayout = profile === 1 || profile === 3
  if (bits.bits(3) !== COLOR_SPACE_RGB) bits.skip(hasLayout ? 4 : 1)
  else if (hasLayout) bits.skip(1)
}

/** frame_size and render_size (§6.2.3, §6.2.4). */
function readSizes(bits: BitReader): Size {
  const width = bits.bits(16) + 1
  const height = bits.bits(16) + 1
  if (bits.flag()) bits.skip(32)
  return { width, height }
}

/** §6.2.8 */
function skipLoopFilter(bits: BitReader): void {
  bits.skip(9)
  if (!bits.flag() || !bits.flag()) return
  for (let delta = 0; delta < 4 + 2; delta++) if (bits.flag()) bits.skip(7)
}

/** §6.2.11, of a frame that has segments. */
function skipSegmentation(bits: BitReader): void {
  if (bits.flag()) {
    skipProbabilities(bits, 7)
    if (bits.flag()) skipProbabilities(bits, 3)
  }
  if (!bits.flag()) return
  bits.skip(1)
  for (let segment = 0; segment < 8; segment++) {
    for (const [width, isSigned] of FEATURES) if (bits.flag()) bits.skip(width + (isSigned ? 1 : 0))
  }
}

function skipProbabilities(bits: BitReader, count: number): void {
  for (let node = 0; node < count; node++) if (bits.flag()) bits.skip(8)
}

/** tile_info (§6.2.13). */
function skipTiles(bits: BitReader, width: number): void {
  const blocks = Math.ceil(Math.ceil(width / 8) / 8)
  let least = 0
  while (MAX_TILE_BLOCKS << least < blocks) least++
  let most = 1
  while (blocks >> most >= MIN_TILE_BLOCKS) most++
  most--
  let log2 = least
  while (log2 < most && bits.flag()) log2++
  if (bits.flag()) bits.skip(1)
}
