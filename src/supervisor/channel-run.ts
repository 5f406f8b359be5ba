import type { Channel } from '../domain/channel.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Turns } from '../lib/turns.ts'
import { BackOff } from './back-off.ts'
import type { ChannelRunner, RunningChannel } from './ports.ts'

/** Why a channel doesn't run here though it should. */
export type RunFailure = {
  readonly error: unknown
  /** By the monotonic clock: not tried again before. */
  readonly retryAtMs: number
  /** Whose start it was; undefined where the node started it by itself, or it fell over later. */
  readonly operationId: string | undefined
  /** Whether the store knows. */
  told: boolean
}

/** `operationId`: of who asked for the start and waits for it; such a start goes before those of a node that comes up. */
type StartOptions = { readonly signal: AbortSignal; readonly operationId: string | undefined }

/** What one start has come to; an earlier one's has no say in a later one. */
type Fate = { lost?: { readonly error: unknown } }

type Run = { readonly running: RunningChannel; readonly startedMs: number; readonly fate: Fate }

const START_LIMIT_MS = 60_000
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000
/** One that ran for so long was well: its next failure is a first one. */
const WELL_MS = 60_000

/** A channel as it is on this node: running, failed or not there. What it has found out stays until the store knows. */
export class ChannelRun {
  readonly #runner: ChannelRunner
  readonly #starts: Turns
  readonly #clock: Clock
  readonly #wake: () => void
  readonly #backOff = new BackOff(FIRST_RETRY_MS, LONGEST_RETRY_MS)
  #run: Run | undefined
  #appliedEtag: string | undefined
  #failure: RunFailure | undefined
  #idle = false

  /** `wake` is called when something has happened to the channel by itself. */
  constructor(runner: ChannelRunner, starts: Turns, clock: Clock, wake: () => void) {
    this.#runner = runner
    this.#starts = starts
    this.#clock = clock
    this.#wake = wake
  }

  get running(): RunningChannel | undefined {
    return this.#run?.running
  }

  get failure(): RunFailure | undefined {
    return this.#failure
  }

  /** Whether nobody has published for as long as the channel is meant to wait; asking for it forgets it. */
  takeIdle(): boolean {
    const was = this.#idle
    this.#idle = false
    return was
  }

  /** How long until it may be started again; 0: now. */
  untilRetryMs(): number {
    return Math.max(0, (this.#failure?.retryAtMs ?? 0) - this.#clock.monotonicMs())
  }

  /** Nobody wants it to run any more, or it shall be tried afresh. */
  forgetFailure(): void {
    this.#failure = undefined
    this.#backOff.reset()
  }

  /** Starts it in its turn; never rejects. Afterwards it runs, or has failed, or the signal has aborted and it is not there. */
  async start(channel: Channel, options: StartOptions): Promise<void> {
    this.#failure = undefined
    const fate: Fate = {}
    try {
      const { signal, operationId } = options
      const turn = { signal, urgent: operationId !== undefined }
      const running = await this.#starts.run(() => this.#startNow(channel, fate, signal), turn)
      this.#run = { running, startedMs: this.#clock.monotonicMs(), fate }
      this.#appliedEtag = channel.etag
      this.#idle = false
      if (fate.lost) this.#lose(fate.lost.error)
    } catch (error) {
      if (!options.signal.aborted) this.#fail(error, options.operationId)
    }
  }

  /** Hands over what has changed of it since it was started. @throws what the channel throws */
  update(channel: Channel): void {
    if (!this.#run || this.#appliedEtag === channel.etag) return
    this.#appliedEtag = channel.etag
    this.#run.running.update(channel)
  }

  /** Resolves when it is gone; where it complained about that, with the error. */
  async stop(): Promise<unknown> {
    const run = this.#run
    this.#run = undefined
    this.#idle = false
    try {
      await run?.running.stop()
      return undefined
    } catch (error) {
      return error
    }
  }

  async #startNow(channel: Channel, fate: Fate, signal: AbortSignal): Promise<RunningChannel> {
    // Its own: a signal that aborts once the channel runs is no business of its start any more.
    const limit = new AbortController()
    const onAbort = () => limit.abort(signal.reason)
    const late = new AppError('PART_UNRESPONSIVE', `The channel did not start within ${START_LIMIT_MS / 1_000} s.`)
    const timer = this.#clock.after(START_LIMIT_MS, () => limit.abort(late))
    signal.addEventListener('abort', onAbort, { once: true })
    const onFailed = (error: unknown) => {
      fate.lost ??= { error }
      if (this.#run?.fate === fate) this.#lose(error)
    }
    const onIdle = () => {
      if (this.#run?.fate !== fate) return
      this.#idle = true
      this.#wake()
    }
    try {
      return await this.#runner.start(channel, onFailed, onIdle, limit.signal)
    } catch (error) {
      throw limit.signal.reason === late ? late : error
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
    }
  }

  #lose(error: unknown): void {
    if (this.#run && this.#clock.monotonicMs() - this.#run.startedMs >= WELL_MS) this.#backOff.reset()
    this.#run = undefined
    this.#fail(error)
    this.#wake()
  }

  #fail(error: unknown, operationId?: string): void {
    const retryAtMs = this.#clock.monotonicMs() + this.#backOff.next()
    this.#failure = { error, retryAtMs, operationId, told: false }
  }
}
