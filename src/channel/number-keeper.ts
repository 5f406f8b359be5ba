import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { NumberStore } from './ports.ts'
import type { SegmenterNumbers } from './record-writer.ts'

/** Numbers set aside at a time, so that a crash skips some instead of repeating any, and a disk write is rare. */
const RESERVED_SEQUENCES = 64
const RESERVED_DISCONTINUITIES = 8
const RESERVED_TRACKS = 8

const FIRST: SegmenterNumbers = { nextSequence: 0, discontinuitySequence: 0, nextTrackNumber: 1, endTicks: 0 }

/** Sets numbers aside on disk ahead of their use. A slow or failing disk is logged and never waited for by media. */
export class NumberKeeper {
  readonly #store: NumberStore
  readonly #logger: Logger
  readonly #initial: SegmenterNumbers
  #reserved: SegmenterNumbers
  #saving: Promise<void> = Promise.resolve()

  constructor(store: NumberStore, logger: Logger) {
    this.#store = store
    this.#logger = logger
    this.#initial = store.load() ?? FIRST
    this.#reserved = this.#initial
    this.#reserve(this.#initial)
  }

  /** Where the last run left off, or past it. Those that come next are being set aside already. */
  get initial(): SegmenterNumbers {
    return this.#initial
  }

  /** Call whenever the numbers have moved. */
  used(numbers: SegmenterNumbers): void {
    const reserved = this.#reserved
    const isNearEnd =
      numbers.nextSequence > reserved.nextSequence - RESERVED_SEQUENCES / 2 ||
      numbers.discontinuitySequence > reserved.discontinuitySequence - RESERVED_DISCONTINUITIES / 2 ||
      numbers.nextTrackNumber > reserved.nextTrackNumber - RESERVED_TRACKS / 2
    if (isNearEnd) this.#reserve(numbers)
  }

  /** Writes the exact numbers: nothing is skipped after an orderly stop. */
  async close(numbers: SegmenterNumbers): Promise<void> {
    this.#save({ ...numbers })
    await this.#saving
  }

  #reserve({ nextSequence, discontinuitySequence, nextTrackNumber, endTicks }: SegmenterNumbers): void {
    this.#save({
      nextSequence: nextSequence + RESERVED_SEQUENCES,
      discontinuitySequence: discontinuitySequence + RESERVED_DISCONTINUITIES,
      nextTrackNumber: nextTrackNumber + RESERVED_TRACKS,
      endTicks,
    })
  }

  #save(numbers: SegmenterNumbers): void {
    this.#reserved = numbers
    this.#saving = this.#saving
      .then(() => this.#store.save(numbers))
      .catch((error: unknown) => this.#logger.error({ error: messageOf(error) }, 'channel numbers could not be saved'))
  }
}
