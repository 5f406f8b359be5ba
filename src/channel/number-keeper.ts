import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { NumberStore } from './ports.ts'
import type { SegmenterNumbers } from './segmenter.ts'

/** Numbers set aside at a time, so that a crash skips some instead of repeating any, and a disk write is rare. */
const RESERVED_SEQUENCES = 64
const RESERVED_TRACKS = 8

const FIRST: SegmenterNumbers = { nextSequence: 0, discontinuitySequence: 0, nextTrackNumber: 1, endTicks: 0 }

/** Sets numbers aside on disk ahead of their use. A slow or failing disk is logged and never waited for by media. */
export class NumberKeeper {
  readonly #store: NumberStore
  readonly #logger: Logger
  #reserved: SegmenterNumbers
  #saving: Promise<void> = Promise.resolve()

  constructor(store: NumberStore, logger: Logger) {
    this.#store = store
    this.#logger = logger
    this.#reserved = store.load() ?? FIRST
  }

  /** Where the last run left off, or past it. */
  get initial(): SegmenterNumbers {
    return this.#reserved
  }

  /** Call whenever the numbers have moved. */
  used(numbers: SegmenterNumbers): void {
    const { nextSequence, discontinuitySequence, nextTrackNumber } = this.#reserved
    const isNearEnd = numbers.nextSequence > nextSequence - RESERVED_SEQUENCES / 2
    const isPast = numbers.discontinuitySequence > discontinuitySequence || numbers.nextTrackNumber > nextTrackNumber
    if (isNearEnd || isPast) {
      this.#save({
        nextSequence: numbers.nextSequence + RESERVED_SEQUENCES,
        discontinuitySequence: numbers.discontinuitySequence,
        nextTrackNumber: numbers.nextTrackNumber + RESERVED_TRACKS,
        endTicks: numbers.endTicks,
      })
    }
  }

  /** Writes the exact numbers: nothing is skipped after an orderly stop. */
  async close(numbers: SegmenterNumbers): Promise<void> {
    this.#save(numbers)
    await this.#saving
  }

  #save(numbers: SegmenterNumbers): void {
    this.#reserved = numbers
    this.#saving = this.#saving
      .then(() => this.#store.save(numbers))
      .catch((error: unknown) => this.#logger.error({ error: messageOf(error) }, 'channel numbers could not be saved'))
  }
}
