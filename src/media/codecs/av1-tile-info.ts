import { belowCount } from './av1-frame-fields.ts'
import type { BitReader } from './bit-reader.ts'

/** Into how many tiles a frame is divided, and how their sizes are written (AV1 bitstream §5.9.15). */
export type Av1TileInfo = {
  readonly columnsLog2: number
  readonly rowsLog2: number
  readonly tiles: number
  readonly sizeBytes: number
}

const MAX_TILE_WIDTH = 4096
const MAX_TILE_AREA = 4096 * 2304
const MAX_TILES_A_SIDE = 64

/** Reads tile_info of a frame of `width` (as it is coded) by `height`. */
export function readTileInfo(bits: BitReader, width: number, height: number, uses128: boolean): Av1TileInfo {
  const blockLog2 = uses128 ? 7 : 6
  const inBlocks = (size: number) => Math.ceil((2 * ((size + 7) >> 3)) / 2 ** (blockLog2 - 2))
  const blocksWide = inBlocks(width)
  const blocksHigh = inBlocks(height)
  const widest = MAX_TILE_WIDTH >> blockLog2
  const leastColumnsLog2 = log2Times(widest, blocksWide)
  const leastLog2 = Math.max(leastColumnsLog2, log2Times(MAX_TILE_AREA >> (2 * blockLog2), blocksWide * blocksHigh))
  let columns: number
  let rows: number
  let columnsLog2: number
  let rowsLog2: number
  if (bits.flag()) {
    columnsLog2 = readIncrements(bits, leastColumnsLog2, log2Times(1, Math.min(blocksWide, MAX_TILES_A_SIDE)))
    columns = Math.ceil(blocksWide / Math.ceil(blocksWide / 2 ** columnsLog2))
    const leastRowsLog2 = Math.max(leastLog2 - columnsLog2, 0)
    rowsLog2 = readIncrements(bits, leastRowsLog2, log2Times(1, Math.min(blocksHigh, MAX_TILES_A_SIDE)))
    rows = Math.ceil(blocksHigh / Math.ceil(blocksHigh / 2 ** rowsLog2))
  } else {
    const across = readSizes(bits, blocksWide, widest)
    columns = across.count
    columnsLog2 = log2Times(1, columns)
    const all = blocksWide * blocksHigh
    const area = leastLog2 > 0 ? all >> (leastLog2 + 1) : all
    rows = readSizes(bits, blocksHigh, Math.max(Math.floor(area / across.largest), 1)).count
    rowsLog2 = log2Times(1, rows)
  }
  let sizeBytes = 0
  if (columnsLog2 + rowsLog2 > 0) {
    bits.skip(columnsLog2 + rowsLog2)
    sizeBytes = bits.bits(2) + 1
  }
  return { columnsLog2, rowsLog2, tiles: columns * rows, sizeBytes }
}

/** The least power of two by which `size` reaches `target` (§5.9.16). */
function log2Times(size: number, target: number): number {
  let log2 = 0
  while (size * 2 ** log2 < target) log2++
  return log2
}

function readIncrements(bits: BitReader, least: number, most: number): number {
  let value = least
  while (value < most && bits.flag()) value++
  return value
}

function readSizes(bits: BitReader, blocks: number, limit: number): { count: number; largest: number } {
  let count = 0
  let largest = 0
  for (let start = 0; start < blocks; count++) {
    if (count === MAX_TILES_A_SIDE) bits.fail(`more than ${MAX_TILES_A_SIDE} tiles in a row`)
    const size = belowCount(bits, Math.min(blocks - start, limit)) + 1
    largest = Math.max(largest, size)
    start += size
  }
  return { count, largest }
}
