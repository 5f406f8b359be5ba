import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PresentationLog } from './ports.ts'
import type { RecordingPorts } from './recording-ports.ts'

/** What the finish asks of its recording. */
export type Finishing = {
  /** Resolves when all that is complete is in storage. */
  readonly committed: () => Promise<void>
  /** It goes on, or is stopped: there is nothing to finish. */
  readonly isCalledOff: () => boolean
  /** Something of it is on this node's disk alone. */
  readonly isPending: () => boolean
  /** Memory keeps only what it has to. */
  readonly cool: () => void
}

/** What the finish works on. */
export type ArchiveFinishPorts = {
  readonly log: PresentationLog
  readonly folder: Pick<RecordingPorts['folder'], 'destroy'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Three target durations after its end nobody plays the live window any more (HLS2 §6.2.2). */
const TARGETS_UNTIL_ARCHIVED = 3
/** What is not in storage by then is looked for again. */
const FINISH_RETRY_MS = 10_000

/** The last of a recording that has ended: when nobody plays its live window any more, and storage has all of it, this node's disk need not. */
export class ArchiveFinish {
  readonly #ports: ArchiveFinishPorts
  readonly #finishing: Finishing
  #timer: Timer | undefined
  readonly #done = Promise.withResolvers<void>()

  constructor(ports: ArchiveFinishPorts, finishing: Finishing) {
    this.#ports = ports
    this.#finishing = finishing
  }

  /** Resolves when all is in storage, and nobody plays the live window any more. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  /** Begins to wait for it where the log shows that the recording has ended. */
  review(): void {
    const { view } = this.#ports.log
    if (!view.ended || view.archived || this.#timer || this.#finishing.isCalledOff()) return
    this.#in(TARGETS_UNTIL_ARCHIVED * view.header.targetDurationMs)
  }

  /** The recording goes on: it ends another time. */
  callOff(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #in(delayMs: number): void {
    this.#timer = this.#ports.clock.after(delayMs, () => void this.#finish())
  }

  async #finish(): Promise<void> {
    const { log, folder, logger } = this.#ports
    const { committed, isCalledOff, isPending, cool } = this.#finishing
    await committed()
    if (isCalledOff()) return
    if (isPending()) {
      this.#in(FINISH_RETRY_MS)
      return
    }
    if (!log.view.archived) log.append({ type: 'archived' })
    cool()
    await folder.destroy().catch((error: unknown) => {
      logger.warn({ error: messageOf(error) }, 'the spool of an archived recording is left behind')
    })
    // Whoever goes on with it makes the folder anew.
    this.#done.resolve()
  }
}
