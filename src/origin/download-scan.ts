import { FormatError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { type BoxHeader, MAX_BOX_HEADER_BYTES, readBoxHeader } from '../media/isobmff/boxes.ts'
import type { SampleDefaults } from '../media/isobmff/movie.ts'
import { readMovieFragment, type TrackFragment } from '../media/isobmff/movie-fragment.ts'

/** How a segment is read. */
export type ScanOptions = {
  /** What the first read takes; more reads follow as they are needed. */
  readonly readBytes: number
  /** As many fragments as it probably has, each of which may take a read of its own. */
  readonly fragments: number
  readonly defaults: ReadonlyMap<number, SampleDefaults>
}

/** The fragments of a segment, their samples' offsets from its first byte; `headBytes`: from there to the end of the first `moof`. */
export type SegmentScan = { readonly fragments: readonly TrackFragment[]; readonly headBytes: number }

/** Where there are no more bytes to a fragment all are read at once: another read costs more than they do. */
const SMALL_BYTES = 65_536
/** What is held in memory of a segment at most, but for a larger `moof`. */
const WHOLE_BYTES = 4_194_304
const MAX_MOOF_BYTES = 16_777_216

/** Reads the `moof`s of a segment and passes over its media. `read` gives exactly the range. @throws FormatError */
export async function scanSegment(
  sizeBytes: number,
  { readBytes, fragments: expected, defaults }: ScanOptions,
  read: (range: ByteRange) => Promise<Uint8Array>,
): Promise<SegmentScan> {
  const isWhole = sizeBytes <= Math.min(WHOLE_BYTES, SMALL_BYTES * expected)
  const window = new SegmentWindow(sizeBytes, isWhole ? sizeBytes : readBytes, read)
  const fragments: TrackFragment[] = []
  let headBytes = 0
  for (let at = 0; at < sizeBytes; ) {
    const header = await boxAt(window, at, sizeBytes)
    if (header.type === 'moof') {
      const { type, headerSize, size } = header
      if (size > MAX_MOOF_BYTES) throw new FormatError('moof', at, `${size} bytes`)
      const body = (await window.bytes(at, size)).subarray(headerSize)
      for (const fragment of readMovieFragment({ type, path: type, start: at, headerSize, size, body }, at, defaults)) {
        assertWithin(fragment, sizeBytes)
        fragments.push(fragment)
      }
      if (headBytes === 0) headBytes = at + size
    }
    at += header.size
  }
  if (fragments.every(({ samples }) => samples.length === 0)) throw new FormatError('segment', 0, 'no samples in it')
  return { fragments, headBytes }
}

async function boxAt(window: SegmentWindow, at: number, sizeBytes: number): Promise<BoxHeader> {
  const left = sizeBytes - at
  const header = readBoxHeader(await window.bytes(at, Math.min(MAX_BOX_HEADER_BYTES, left)), 'segment', at)
  if (!header) throw new FormatError('segment', at, `${left} bytes left, too few for a box`)
  const size = header.size === 0 ? left : header.size
  if (size > left) throw new FormatError('segment', at, `box of ${size} bytes, ${left} left`)
  return { ...header, size }
}

function assertWithin({ samples }: TrackFragment, sizeBytes: number): void {
  for (const sample of samples) {
    if (sample.offset < 0 || sample.offset + sample.sizeBytes > sizeBytes) {
      throw new FormatError('moof/traf/trun', sample.offset, `${sample.sizeBytes} bytes aren't in the segment`)
    }
  }
}

/** The part of a segment that was read last. */
class SegmentWindow {
  readonly #sizeBytes: number
  readonly #readBytes: number
  readonly #read: (range: ByteRange) => Promise<Uint8Array>
  #start = 0
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(sizeBytes: number, readBytes: number, read: (range: ByteRange) => Promise<Uint8Array>) {
    this.#sizeBytes = sizeBytes
    this.#readBytes = readBytes
    this.#read = read
  }

  async bytes(at: number, count: number): Promise<Uint8Array> {
    if (at < this.#start || at + count > this.#start + this.#bytes.byteLength) {
      const end = Math.min(this.#sizeBytes, at + Math.max(count, this.#readBytes))
      this.#bytes = await this.#read({ first: at, last: end - 1 })
      this.#start = at
    }
    return this.#bytes.subarray(at - this.#start, at - this.#start + count)
  }
}
