import type { Logger } from '../lib/logger.ts'
import type { ExitReport } from './ffmpeg-child.ts'
import type { LadderRun } from './ladder-run.ts'
import type { RestartReason, RestartReport, TranscodeStats } from './transcode-sink.ts'

/** What outlives the children: how many there were, what they used, and how the last one ended until that is announced. */
export class RestartLedger {
  readonly #logger: Logger
  #restarts = 0
  #pastCpuSeconds = 0
  #unannounced: { readonly reason: RestartReason; readonly exit: ExitReport } | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** A child was replaced, and its successor's output hasn't begun. */
  get isAnnouncementDue(): boolean {
    return this.#unannounced !== undefined
  }

  /** A child is gone. */
  ended(run: LadderRun, exit: ExitReport): void {
    this.#pastCpuSeconds += run.cpuSeconds()
    this.#logger.debug({ outcome: exit.outcome, code: exit.code, signal: exit.signal }, 'ffmpeg is gone')
  }

  /** A child is gone and another is to follow. */
  replaced(run: LadderRun, reason: RestartReason, exit: ExitReport): void {
    this.ended(run, exit)
    this.#restarts++
    this.#unannounced = { reason, exit }
    this.#logger.warn({ reason, exit }, 'ffmpeg has ended and is to be replaced')
  }

  /** What to announce before the first output of `run`; nothing for the first child of an input. */
  announce(run: LadderRun, savings: number): RestartReport | undefined {
    const due = this.#unannounced
    this.#unannounced = undefined
    return due && { ...due, restarts: this.#restarts, preset: run.preset, savings }
  }

  /** The input ended: its children's ends no longer concern what follows. */
  forget(): void {
    this.#unannounced = undefined
  }

  /** How the child is, with what it and all before it have used. */
  stats(run: LadderRun, savings: number): TranscodeStats {
    const { pid, lagMs, queuedBytes, progress } = run
    return {
      ...{ pid, lagMs, queuedBytes, savings },
      speed: progress?.speed,
      fps: progress?.fps,
      cpuSeconds: this.#pastCpuSeconds + run.cpuSeconds(),
      restarts: this.#restarts,
    }
  }
}
