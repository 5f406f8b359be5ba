import { z } from 'zod'
import type { NumberStore } from '../channel/ports.ts'
import type { SegmenterNumbers } from '../channel/record-writer.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { DataDir } from './data-dir.ts'

const counter = z.int().min(0).max(0xffff_ffff)
const storedSchema = z.object({
  numbers: z
    .object({
      nextSequence: counter,
      discontinuitySequence: counter,
      nextTrackNumber: counter.min(1),
      endTicks: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
    })
    .optional(),
})

type Stored = z.output<typeof storedSchema>

const NUMBERS_SINCE_MS = Date.UTC(2026, 0, 1)
/** A channel that cuts as fast as it may makes two segments a second. */
const SEQUENCES_PER_SECOND = 4

/** What the numbers need of the node. */
export type ChannelNumbersPorts = {
  readonly dataDir: DataDir
  readonly clock: Clock
  readonly logger: Logger
  /** Where the media of the channel's recordings ends, 90 kHz. */
  readonly floorTicks?: () => number
}

/**
 * What a channel must never give twice, in `channels/{channelId}.json`: segment, discontinuity and track numbers. What is asked for was last set here, also while the disk can't be written.
 */
export class ChannelNumbers implements NumberStore {
  readonly #ports: ChannelNumbersPorts
  readonly #file: string
  #stored: Stored
  #written: Promise<void> = Promise.resolve()

  /** @throws AppError `STATE_UNWRITABLE` where the file is there and can't be read. */
  constructor(channelId: string, ports: ChannelNumbersPorts) {
    this.#ports = ports
    this.#file = numbersFile(channelId)
    this.#stored = this.#read()
  }

  load(): SegmenterNumbers | undefined {
    const { numbers } = this.#stored
    const floorTicks = this.#ports.floorTicks?.() ?? 0
    if (numbers === undefined || numbers.endTicks >= floorTicks) return numbers
    // They are set down now and then; what was recorded since says where time may go on.
    return { ...numbers, endTicks: floorTicks }
  }

  save(numbers: SegmenterNumbers): Promise<void> {
    this.#stored = { ...this.#stored, numbers: { ...numbers } }
    return this.#write()
  }

  /** One after the other, each time as everything stands then. */
  #write(): Promise<void> {
    const written = this.#written.then(() => this.#ports.dataDir.writeJson(this.#file, this.#stored))
    this.#written = written.catch(() => undefined)
    return written
  }

  #read(): Stored {
    const { dataDir, logger } = this.#ports
    let problem: string
    try {
      const found = storedSchema.safeParse(dataDir.readJson(this.#file) ?? {})
      if (found.success) return found.data
      problem = z.prettifyError(found.error)
    } catch (error) {
      // Text that is no JSON was damaged; a disk that can't be read may have the right numbers.
      if (!(error instanceof AppError && error.cause instanceof SyntaxError)) throw error
      problem = messageOf(error.cause)
    }
    logger.error(
      { file: this.#file, problem },
      'the numbers of the channel are damaged: it goes on with numbers that it can not have come to yet',
    )
    return { numbers: this.#unused() }
  }

  /** Larger than any that could have been given since numbers have been given at all. */
  #unused(): SegmenterNumbers {
    const nowMs = this.#ports.clock.now()
    const seconds = Math.max(1, Math.floor((nowMs - NUMBERS_SINCE_MS) / 1_000))
    return {
      nextSequence: seconds * SEQUENCES_PER_SECOND,
      discontinuitySequence: seconds,
      nextTrackNumber: seconds,
      endTicks: nowMs * 90,
    }
  }
}

/** Where a channel's numbers are kept, to be removed with the channel. */
export function numbersFile(channelId: string): string {
  return `channels/${channelId}.json`
}
