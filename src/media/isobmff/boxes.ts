import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'

/** A box on the caller's memory (ISO/IEC 14496-12 §4.2). Of a `uuid` box the 16-byte user type is the body's beginning. */
export type Box = {
  readonly type: string
  /** Where it stands, as in `moov/trak[1]/mdia`; a first sibling of its type has no index. */
  readonly path: string
  /** Offset of the box's first byte in the bytes that were read. */
  readonly start: number
  /** 8, or 16 where the size takes 64 bits. */
  readonly headerSize: number
  /** Header and body. */
  readonly size: number
  readonly body: Uint8Array
}

/** A box with what stands in it; `children` is empty where the type is no plain container. */
export type BoxNode = Box & { readonly children: readonly BoxNode[] }

/** What a box header says. `size` 0 means: to the end of what holds the box. */
export type BoxHeader = { readonly type: string; readonly headerSize: number; readonly size: number }

/** The bytes that the longest box header takes. */
export const MAX_BOX_HEADER_BYTES = 16

const MAX_SIBLINGS = 65_536
const MAX_DEPTH = 16

const CONTAINERS: ReadonlySet<string> = new Set([
  ...['moov', 'trak', 'edts', 'mdia', 'minf', 'dinf', 'stbl', 'mvex', 'moof', 'traf', 'mfra', 'udta', 'sinf', 'schi'],
])

/**
 * The box header at the start of `bytes`, or `undefined` while there are too few bytes to tell. A size smaller than
 * its own header is a `FormatError` at `path` and `offset`.
 */
export function readBoxHeader(bytes: Uint8Array, path: string, offset: number): BoxHeader | undefined {
  if (bytes.byteLength < 8) return undefined
  const reader = new ByteReader(bytes, path)
  const compactSize = reader.u32()
  const type = reader.ascii(4)
  if (compactSize !== 1) {
    if (compactSize !== 0 && compactSize < 8) throw new FormatError(path, offset, `box size ${compactSize}`)
    return { type, headerSize: 8, size: compactSize }
  }
  if (bytes.byteLength < MAX_BOX_HEADER_BYTES) return undefined
  const size = reader.u64()
  if (size < MAX_BOX_HEADER_BYTES) throw new FormatError(path, offset, `64-bit box size ${size}`)
  return { type, headerSize: MAX_BOX_HEADER_BYTES, size }
}

/**
 * The boxes that fill `bytes`, one after another. Every box lies inside `bytes` and after its predecessor, whatever
 * the sizes claim; anything else, or more than 65,536 boxes, is a `FormatError`. Bodies are views.
 */
export function readBoxes(bytes: Uint8Array, path: string): Box[] {
  const boxes: Box[] = []
  const seen = new Map<string, number>()
  let at = 0
  while (at < bytes.byteLength) {
    const header = readBoxHeader(bytes.subarray(at, at + MAX_BOX_HEADER_BYTES), path, at)
    const left = bytes.byteLength - at
    if (header === undefined) throw new FormatError(path, at, `${left} bytes left, too few for a box`)
    const size = header.size === 0 ? left : header.size
    if (size > left) throw new FormatError(path, at, `box of ${size} bytes, ${left} left`)
    if (boxes.length === MAX_SIBLINGS) throw new FormatError(path, at, `more than ${MAX_SIBLINGS} boxes`)
    const { type, headerSize } = header
    const index = seen.get(type) ?? 0
    seen.set(type, index + 1)
    const name = index === 0 ? type : `${type}[${index}]`
    const body = bytes.subarray(at + headerSize, at + size)
    boxes.push({ type, path: path === '' ? name : `${path}/${name}`, start: at, headerSize, size, body })
    at += size
  }
  return boxes
}

/** Like `readBoxes`, down into the containers that hold nothing but boxes, at most 16 deep. `start` counts from the parent's body. */
export function readBoxTree(bytes: Uint8Array, path: string): BoxNode[] {
  return readLevel(bytes, path, 1)
}

function readLevel(bytes: Uint8Array, path: string, depth: number): BoxNode[] {
  if (depth > MAX_DEPTH && bytes.byteLength > 0) throw new FormatError(path, 0, `boxes nested deeper than ${MAX_DEPTH}`)
  return readBoxes(bytes, path).map((box) => ({
    ...box,
    children: CONTAINERS.has(box.type) ? readLevel(box.body, box.path, depth + 1) : [],
  }))
}

/** The first box of a type. */
export function findBox(boxes: readonly Box[], type: string): Box | undefined {
  return boxes.find((box) => box.type === type)
}

/** The first box of a type; its absence is a `FormatError` at `path`. */
export function requireBox(boxes: readonly Box[], type: string, path: string): Box {
  const box = findBox(boxes, type)
  if (box === undefined) throw new FormatError(path, 0, `no ${type} box`)
  return box
}

/** The child boxes of a plain container. */
export function childrenOf(box: Box): Box[] {
  return readBoxes(box.body, box.path)
}

/** Opens a FullBox (ISO/IEC 14496-12 §4.2): its version, its flags, and a cursor that stands behind them. */
export function openFullBox(box: Box): {
  readonly version: number
  readonly flags: number
  readonly reader: ByteReader
} {
  const reader = new ByteReader(box.body, box.path)
  return { version: reader.u8(), flags: reader.u24(), reader }
}
