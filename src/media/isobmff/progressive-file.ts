import type { ByteRange } from '../../lib/http-conditions.ts'
import { BoxWriter } from './box-writer.ts'
import { writeFileType } from './file-type.ts'
import { boxTreeBytes, boxTreePieces } from './progressive-box.ts'
import { PARAMETER_SETS, SILENCE } from './progressive-chunks.ts'
import { type ChunkOffsets, progressiveMovie } from './progressive-movie.ts'
import type { SampleTable } from './progressive-samples.ts'

/** Bytes of the file that lie in a segment: of which track of the file, in which segment, and where in it. */
export type SourceRange = {
  readonly track: number
  readonly sequence: number
  readonly offset: number
  readonly sizeBytes: number
}

/** The next bytes of a file: at hand, or to be read. */
export type FilePiece = { readonly bytes: Uint8Array } | { readonly source: SourceRange }

const MAX_U32 = 0xffff_ffff
const COMPACT_HEADER_BYTES = 8
const LARGE_HEADER_BYTES = 16
/** What is repeated comes in pieces no larger than this. */
const REPEATED_PIECE_BYTES = 65_536

/**
 * An MP4 file with its index in front (`ftyp`, `moov`, `mdat`) of one track or several, as a plan: the bytes up to the media, and
 * where in the recording's segments each byte behind them lies. The tracks' chunks alternate, segment by segment.
 */
export class ProgressiveFile {
  readonly sizeBytes: number
  readonly headBytes: number
  readonly #tables: readonly SampleTable[]
  readonly #head: readonly Uint8Array[]
  /** In the order of the file: the track, the chunk's number in it, and where it begins behind the head. */
  readonly #track: Uint8Array
  readonly #chunk: Uint32Array
  readonly #start: Float64Array

  /** `tables` share sequence numbers; `createdMs` is ms since the epoch. */
  constructor(tables: readonly SampleTable[], createdMs: number) {
    this.#tables = tables
    const count = tables.reduce((sum, { chunks }) => sum + chunks.sequence.length, 0)
    this.#track = new Uint8Array(count)
    this.#chunk = new Uint32Array(count)
    this.#start = new Float64Array(count)
    const mediaBytes = this.#interleave()
    const fileType = fileTypeOf(tables)
    const isLarge = this.#writesLarge(fileType, mediaBytes, createdMs)
    const header = dataHeader(mediaBytes)
    const offsets = this.#emptyOffsets(isLarge)
    const before = fileType.byteLength + boxTreeBytes(progressiveMovie(tables, offsets, createdMs)) + header.byteLength
    this.#fillOffsets(offsets, before)
    this.#head = [fileType, ...boxTreePieces(progressiveMovie(tables, offsets, createdMs)), header]
    this.headBytes = before
    this.sizeBytes = before + mediaBytes
  }

  /** Memory that the plan takes beyond the tables. */
  get memoryBytes(): number {
    return this.#track.byteLength + this.#chunk.byteLength + this.#start.byteLength + this.#start.byteLength
  }

  /** What is at a range of the file, which lies within it, piece by piece. */
  *pieces({ first, last }: ByteRange): Generator<FilePiece> {
    let start = 0
    for (const bytes of this.#head) {
      const from = Math.max(first - start, 0)
      const to = Math.min(last + 1 - start, bytes.byteLength)
      if (from < to) yield { bytes: bytes.subarray(from, to) }
      start += bytes.byteLength
    }
    const mediaFirst = Math.max(0, first - this.headBytes)
    const mediaEnd = last + 1 - this.headBytes
    for (let at = this.#find(mediaFirst); at < this.#start.length; at++) {
      const chunkStart = this.#start[at] ?? 0
      if (chunkStart >= mediaEnd) return
      yield* this.#chunkPieces(at, mediaFirst - chunkStart, mediaEnd - chunkStart)
    }
  }

  /** Of one chunk, the bytes from `from` to before `end`, both counted from its start and possibly outside. */
  *#chunkPieces(at: number, from: number, end: number): Generator<FilePiece> {
    const track = this.#track[at] ?? 0
    const table = this.#tables[track] as SampleTable
    const { sequence, runsEnd, runOffset, runBytes, description } = table.chunks
    const chunk = this.#chunk[at] ?? 0
    let runStart = 0
    for (let run = runsEnd[chunk - 1] ?? 0; run < (runsEnd[chunk] ?? 0); run++) {
      const sizeBytes = runBytes[run] ?? 0
      const low = Math.max(from - runStart, 0)
      const high = Math.min(end - runStart, sizeBytes)
      runStart += sizeBytes
      if (low >= high) continue
      const offset = runOffset[run] ?? 0
      const inserted = table.inserted[(description[chunk] ?? 1) - 1]
      if (offset === SILENCE) {
        yield* repeatedPieces(inserted?.silence?.frame, low, high)
      } else if (offset === PARAMETER_SETS) {
        yield* repeatedPieces(inserted?.parameterSets, low, high)
      } else {
        yield { source: { track, sequence: sequence[chunk] ?? 0, offset: offset + low, sizeBytes: high - low } }
      }
    }
  }

  /** Fixes the order of all chunks; gives the bytes of all together. */
  #interleave(): number {
    const columns = this.#tables.map(({ chunks }) => chunks)
    const next = columns.map(() => 0)
    let mediaBytes = 0
    for (let at = 0; at < this.#track.length; at++) {
      let chosen = -1
      let lowest = Number.POSITIVE_INFINITY
      for (let track = 0; track < columns.length; track++) {
        const sequence = columns[track]?.sequence[next[track] ?? 0] ?? Number.POSITIVE_INFINITY
        if (sequence >= lowest) continue
        lowest = sequence
        chosen = track
      }
      const chunk = next[chosen] ?? 0
      next[chosen] = chunk + 1
      this.#track[at] = chosen
      this.#chunk[at] = chunk
      this.#start[at] = mediaBytes
      mediaBytes += columns[chosen]?.sizeBytes[chunk] ?? 0
    }
    return mediaBytes
  }

  /** Whether chunks begin past what 32 bits can say. */
  #writesLarge(fileType: Uint8Array, mediaBytes: number, createdMs: number): boolean {
    const movieBytes = boxTreeBytes(progressiveMovie(this.#tables, this.#emptyOffsets(false), createdMs))
    return fileType.byteLength + movieBytes + LARGE_HEADER_BYTES + mediaBytes > MAX_U32
  }

  #emptyOffsets(isLarge: boolean): ChunkOffsets[] {
    return this.#tables.map(({ chunks }) => ({
      type: isLarge ? 'co64' : 'stco',
      bytes: new Uint8Array(chunks.sequence.length * (isLarge ? 8 : 4)),
    }))
  }

  #fillOffsets(offsets: readonly ChunkOffsets[], before: number): void {
    const views = offsets.map(({ bytes }) => new DataView(bytes.buffer))
    for (let at = 0; at < this.#start.length; at++) {
      const track = this.#track[at] ?? 0
      const chunk = this.#chunk[at] ?? 0
      const position = before + (this.#start[at] ?? 0)
      const view = views[track]
      if (offsets[track]?.type === 'stco') {
        view?.setUint32(chunk * 4, position)
      } else {
        view?.setUint32(chunk * 8, Math.floor(position / 2 ** 32))
        view?.setUint32(chunk * 8 + 4, position >>> 0)
      }
    }
  }

  /** The chunk that holds a byte behind the head. */
  #find(position: number): number {
    let low = 0
    let high = this.#start.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#start[middle] ?? 0) <= position) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

/** From `low` to before `high` of what is repeated without an end. */
function* repeatedPieces(frame: Uint8Array = new Uint8Array(1), low: number, high: number): Generator<FilePiece> {
  for (let at = low; at < high; ) {
    const sizeBytes = Math.min(REPEATED_PIECE_BYTES, high - at)
    const bytes = new Uint8Array(sizeBytes)
    for (let i = 0; i < sizeBytes; i++) bytes[i] = frame[(at + i) % frame.byteLength] ?? 0
    yield { bytes }
    at += sizeBytes
  }
}

/** The base brands, and those that the codecs' own bindings ask for. */
function fileTypeOf(tables: readonly SampleTable[]): Uint8Array {
  const compatibleBrands = ['isom', 'iso2', 'mp41']
  const codecs = new Set(tables.flatMap(({ descriptions }) => descriptions.map(({ codec }) => codec)))
  if (codecs.has('avc')) compatibleBrands.push('avc1')
  if (codecs.has('av1')) compatibleBrands.push('av01')
  const out = new BoxWriter(64)
  writeFileType(out, 'ftyp', { majorBrand: 'isom', minorVersion: 0x200, compatibleBrands })
  return out.finish().slice()
}

/** The header of the `mdat`, with a 64-bit size where it takes one (ISO/IEC 14496-12 §4.2). */
function dataHeader(mediaBytes: number): Uint8Array {
  const isLarge = COMPACT_HEADER_BYTES + mediaBytes > MAX_U32
  const out = new BoxWriter(LARGE_HEADER_BYTES)
  out.u32(isLarge ? 1 : COMPACT_HEADER_BYTES + mediaBytes)
  out.ascii('mdat')
  if (isLarge) out.u64(LARGE_HEADER_BYTES + mediaBytes)
  return out.finish().slice()
}
