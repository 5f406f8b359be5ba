import { AppError } from '../lib/errors.ts'
import type { RecordOf } from './records.ts'
import type { MediaCell } from './segment-index.ts'

/** A fragment (a part, or a whole segment) of one track. */
export type FragmentRecord = RecordOf<'fragment'>

/** Widest value that the index's columns hold. */
const MAX_COLUMN = 0xffff_ffff
/** A minute of per-frame fragments in 18 renditions; a segment that takes more is never going to be closed. */
export const MAX_FRAGMENTS = 65_536

type OpenCell = { -readonly [K in keyof MediaCell]: MediaCell[K] } & { readonly track: number }

/** The segment that is being written: its fragments so far, and what they fold into when it is closed. */
export class OpenSegment {
  readonly sequence: number
  readonly discontinuitySequence: number
  /** 90 kHz. */
  readonly startTicks: number
  readonly wallMs: number
  readonly #fragments: FragmentRecord[] = []
  readonly #cells: (OpenCell | undefined)[] = []

  constructor(record: RecordOf<'segment-opened'>) {
    this.sequence = record.sequence
    this.discontinuitySequence = record.discontinuitySequence
    this.startTicks = record.startTicks
    this.wallMs = record.wallMs
  }

  /** The record that began it. */
  get head(): RecordOf<'segment-opened'> {
    const { sequence, discontinuitySequence, startTicks, wallMs } = this
    return { type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs }
  }

  /** In the order they came, of all renditions; grows with every fragment. */
  get fragments(): readonly FragmentRecord[] {
    return this.#fragments
  }

  /** By rendition index; a hole where a rendition has no media yet. */
  get cells(): readonly (MediaCell | undefined)[] {
    return this.#cells
  }

  /** Throws `INTERNAL` and changes nothing if the fragment does not go with those before it. */
  add(fragment: FragmentRecord, rendition: number, trackOrdinal: number): void {
    const cell = this.#cells[rendition]
    const durationTicks = (cell?.durationTicks ?? 0) + fragment.durationTicks
    const sizeBytes = (cell?.sizeBytes ?? 0) + fragment.sizeBytes
    if (cell && cell.track !== fragment.track) this.#refuse('a segment has one track of a rendition', fragment)
    if (this.#fragments.length >= MAX_FRAGMENTS) this.#refuse(`a segment has at most ${MAX_FRAGMENTS}`, fragment)
    if (!isCount(durationTicks) || !isCount(sizeBytes) || !isCount(fragment.leadingBytes)) {
      this.#refuse('a duration or a size is out of range', fragment)
    }
    this.#fragments.push(fragment)
    if (cell) {
      cell.startTicks = Math.min(cell.startTicks, fragment.startTicks)
      cell.durationTicks = durationTicks
      cell.sizeBytes = sizeBytes
      return
    }
    const { track, startTicks, leadingBytes, independent } = fragment
    this.#cells[rendition] = { track, trackOrdinal, startTicks, durationTicks, sizeBytes, leadingBytes, independent }
  }

  #refuse(rule: string, { sequence, track }: FragmentRecord): never {
    throw new AppError('INTERNAL', `Fragment of segment ${sequence}, track ${track}: ${rule}.`)
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_COLUMN
}
