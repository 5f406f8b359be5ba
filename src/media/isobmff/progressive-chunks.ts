import { type TableColumn, WordColumn } from './progressive-columns.ts'

/** Stand for an offset in a segment where a run is of bytes that no segment has. */
export const SILENCE = 0xffff_ffff
export const PARAMETER_SETS = 0xffff_fffe

/** Where the samples of a track lie, in columns; a chunk is what one segment has of the track, a run is unbroken bytes of it. */
export type ChunkColumns = {
  readonly sequence: Float64Array
  readonly samples: Uint32Array
  /** From 1, as `stsc` counts sample descriptions. */
  readonly description: Uint16Array
  readonly sizeBytes: Float64Array
  /** The first run of the next chunk. */
  readonly runsEnd: Uint32Array
  /** Of a run, in its segment; or `SILENCE`, or `PARAMETER_SETS`. */
  readonly runOffset: Uint32Array
  readonly runBytes: Uint32Array
}

/** Collects the chunks of a track, in the order of its segments. */
export class ChunkCollector {
  readonly #sequence: number[] = []
  readonly #samples: number[] = []
  readonly #description: number[] = []
  readonly #sizeBytes: number[] = []
  readonly #runsEnd: number[] = []
  readonly #runOffset: number[] = []
  readonly #runBytes: number[] = []
  #mediaBytes = 0

  /** Bytes of all chunks so far. */
  get mediaBytes(): number {
    return this.#mediaBytes
  }

  /** The sample description of the newest chunk, from 1. */
  get description(): number {
    return this.#description.at(-1) ?? 1
  }

  /** What follows is of this segment, and of this sample description (from 1). */
  begin(sequence: number, description: number): void {
    this.#dropEmpty()
    this.#sequence.push(sequence)
    this.#samples.push(0)
    this.#description.push(description)
    this.#sizeBytes.push(0)
    this.#runsEnd.push(this.#runOffset.length)
  }

  /** Bytes that no segment has; `kind` stands for their offset. */
  insert(kind: typeof SILENCE | typeof PARAMETER_SETS, sizeBytes: number): void {
    this.#runOffset.push(kind)
    this.#runBytes.push(sizeBytes)
  }

  /** Bytes at an offset in the segment: they go on with the run before where they touch it. */
  extend(offset: number, sizeBytes: number): void {
    const run = this.#runOffset.length - 1
    const isOfChunk = run >= (this.#runsEnd.at(-2) ?? 0)
    // What is inserted has an offset that no other goes on from.
    if (isOfChunk && (this.#runOffset[run] ?? 0) + (this.#runBytes[run] ?? 0) === offset) {
      this.#runBytes[run] = (this.#runBytes[run] ?? 0) + sizeBytes
    } else {
      this.#runOffset.push(offset)
      this.#runBytes.push(sizeBytes)
    }
  }

  /** So many samples of the newest chunk are in the runs now. */
  count(samples: number, sizeBytes: number): void {
    const chunk = this.#sequence.length - 1
    this.#samples[chunk] = (this.#samples[chunk] ?? 0) + samples
    this.#sizeBytes[chunk] = (this.#sizeBytes[chunk] ?? 0) + sizeBytes
    this.#runsEnd[chunk] = this.#runOffset.length
    this.#mediaBytes += sizeBytes
  }

  /** All of them. */
  finish(): ChunkColumns {
    this.#dropEmpty()
    return {
      sequence: Float64Array.from(this.#sequence),
      samples: Uint32Array.from(this.#samples),
      description: Uint16Array.from(this.#description),
      sizeBytes: Float64Array.from(this.#sizeBytes),
      runsEnd: Uint32Array.from(this.#runsEnd),
      runOffset: Uint32Array.from(this.#runOffset),
      runBytes: Uint32Array.from(this.#runBytes),
    }
  }

  /** A chunk of no samples can't be written. */
  #dropEmpty(): void {
    if (this.#samples.at(-1) !== 0) return
    for (const column of [this.#sequence, this.#samples, this.#description, this.#sizeBytes, this.#runsEnd])
      column.pop()
  }
}

/** `stsc`: the first chunk of a run of chunks with as many samples of the same description (ISO/IEC 14496-12 §8.7.4). */
export function samplesToChunks({ samples, description }: ChunkColumns): TableColumn {
  const column = new WordColumn()
  for (let chunk = 0; chunk < samples.length; chunk++) {
    const isLike = samples[chunk] === samples[chunk - 1] && description[chunk] === description[chunk - 1]
    if (isLike) continue
    column.push(chunk + 1)
    column.push(samples[chunk] ?? 0)
    column.push(description[chunk] ?? 1)
  }
  return { entries: column.words / 3, pieces: column.pieces() }
}
