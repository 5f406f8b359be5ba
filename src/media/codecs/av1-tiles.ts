import { obuBody, readAv1Unit } from './av1.ts'
import { readAv1FrameHeader } from './av1-frame-header.ts'
import { type Av1References, NO_REFERENCES } from './av1-frame-state.ts'
import { type Av1Sequence, parseAv1Sequence } from './av1-sequence.ts'
import type { Av1TileInfo } from './av1-tile-info.ts'
import { BitReader } from './bit-reader.ts'

/** A tile of a temporal unit: `from` ≤ offset < `to`. */
export type Av1Tile = { readonly from: number; readonly to: number }

const SEQUENCE_HEADER = 1
const FRAME_HEADER = 3
const TILE_GROUP = 4
const FRAME = 6
const RECORD_HEADER_BYTES = 4

/**
 * Finds the tiles of a stream's temporal units, one after another from a key frame on: what a frame header holds depends on the frames
 * before it (AV1 bitstream §5.9, §5.11).
 */
export class Av1TileFinder {
  #sequence: Av1Sequence | undefined
  #references: Av1References = NO_REFERENCES
  /** Of the frame whose tile groups are being read. */
  #tileInfo: Av1TileInfo | undefined
  #tilesLeft = 0

  /** `record`: the payload of `av1C`. */
  constructor(record: Uint8Array) {
    const { sequence } = readAv1Unit(record.subarray(RECORD_HEADER_BYTES), 'av1C/configOBUs')
    if (sequence !== undefined) this.#sequence = parseAv1Sequence(sequence, 'av1C/sequence_header')
  }

  /**
   * The tiles of the next temporal unit, in their order. @throws FormatError where it is broken, or refers to a frame that was not
   * read before
   */
  tilesOf(unit: Uint8Array): Av1Tile[] {
    const tiles: Av1Tile[] = []
    for (let at = 0; at < unit.byteLength; ) {
      const { start, end } = obuBody(unit, at, 'av1')
      const header = unit[at] ?? 0
      const type = (header >>> 3) & 0xf
      if (type === SEQUENCE_HEADER) {
        this.#sequence = parseAv1Sequence(unit.subarray(start, end), 'av1/sequence_header')
      } else if (type === FRAME || (type === FRAME_HEADER && this.#tilesLeft === 0)) {
        const layers = (header & 4) === 0 ? 0 : (unit[at + 1] ?? 0)
        const dataStart = start + this.#readHeader(unit.subarray(start, end), layers)
        if (type === FRAME) this.#readTiles(unit, dataStart, end, tiles)
      } else if (type === TILE_GROUP) {
        this.#readTiles(unit, start, end, tiles)
      }
      at = end
    }
    return tiles
  }

  /** Gives the bytes that the header takes. */
  #readHeader(payload: Uint8Array, layers: number): number {
    const bits = new BitReader(payload, 'av1/frame_header')
    if (this.#sequence === undefined) return bits.fail('a frame before any sequence header')
    const where = { temporal: layers >>> 5, spatial: (layers >>> 3) & 3 }
    const { tileInfo, references } = readAv1FrameHeader(bits, this.#sequence, this.#references, where)
    this.#references = references
    this.#tileInfo = tileInfo
    this.#tilesLeft = tileInfo?.tiles ?? 0
    return payload.byteLength - Math.floor(bits.remaining / 8)
  }

  /** tile_group_obu (§5.11.1). */
  #readTiles(unit: Uint8Array, from: number, end: number, tiles: Av1Tile[]): void {
    const bits: BitReader = new BitReader(unit.subarray(from, end), 'av1/tile_group')
    const info = this.#tileInfo
    if (info === undefined) bits.fail('tiles without a frame header')
    let count = info.tiles
    if (count > 1 && bits.flag()) {
      const width = info.columnsLog2 + info.rowsLog2
      count = 1 - bits.bits(width) + bits.bits(width)
    }
    if (count < 1 || count > this.#tilesLeft) bits.fail(`${count} tiles where ${this.#tilesLeft} are left`)
    this.#tilesLeft -= count
    bits.align()
    let at = end - Math.floor(bits.remaining / 8)
    for (; count > 1; count--) {
      let size = 1
      for (let byte = 0; byte < info.sizeBytes; byte++) size += (unit[at + byte] ?? 0) * 256 ** byte
      at += info.sizeBytes
      if (at + size >= end) bits.fail('a tile runs past its group')
      tiles.push({ from: at, to: at + size })
      at += size
    }
    if (at >= end) bits.fail('an empty tile')
    tiles.push({ from: at, to: end })
  }
}
