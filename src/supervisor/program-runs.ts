import type { Program } from '../domain/program.ts'
import type { Clock } from '../lib/clock.ts'
import { BackOff } from './back-off.ts'
import type { Recorded, RunningChannel } from './ports.ts'

/** A program that runs on this node, on one run of its channel. */
export type LiveProgram = { readonly startedAtMs: number }

/** A program that has ended here: what it leaves, and what went wrong with that. */
export type EndedProgram = { readonly recorded: Recorded; readonly error?: unknown }

/** Why a program doesn't run though it should. */
export type ProgramFailure = {
  readonly error: unknown
  /** By the monotonic clock: not tried again before. */
  readonly retryAtMs: number
  /** Whose start it was; undefined where nobody waits for it. */
  readonly operationId: string | undefined
  /** Whether the store knows. */
  told: boolean
}

type Live = LiveProgram & { readonly on: RunningChannel; appliedEtag: string }

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

/** The programs of a channel as they are on this node. What has been found out of one stays until the store knows. */
export class ProgramRuns {
  readonly #clock: Clock
  readonly #live = new Map<string, Live>()
  readonly #ended = new Map<string, EndedProgram>()
  readonly #failures = new Map<string, ProgramFailure>()
  readonly #backOffs = new Map<string, BackOff>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Of a program that runs on this run of the channel; with another run, or none, nothing of it is left. */
  live(programId: string, on: RunningChannel | undefined): LiveProgram | undefined {
    const live = this.#live.get(programId)
    return live && live.on === on ? live : undefined
  }

  /** What runs on this run of the channel. */
  liveOn(running: RunningChannel): string[] {
    return [...this.#live].flatMap(([id, { on }]) => (on === running ? [id] : []))
  }

  ended(programId: string): EndedProgram | undefined {
    return this.#ended.get(programId)
  }

  failure(programId: string): ProgramFailure | undefined {
    return this.#failures.get(programId)
  }

  /** How long until it may be tried again; 0: now. */
  untilRetryMs(programId: string): number {
    return Math.max(0, (this.#failures.get(programId)?.retryAtMs ?? 0) - this.#clock.monotonicMs())
  }

  /** Starts it; never rejects: afterwards it is live or has failed. */
  async start(program: Program, on: RunningChannel, operationId: string | undefined): Promise<void> {
    this.#failures.delete(program.id)
    try {
      await on.startProgram(program)
      this.#live.set(program.id, { startedAtMs: this.#clock.now(), on, appliedEtag: program.etag })
      this.#backOffs.delete(program.id)
      this.#ended.delete(program.id)
    } catch (error) {
      this.fail(program.id, error, operationId)
    }
  }

  /** It can't be as it should; tried again later. */
  fail(programId: string, error: unknown, operationId?: string): void {
    const backOff = this.#backOffs.get(programId) ?? new BackOff(FIRST_RETRY_MS, LONGEST_RETRY_MS)
    this.#backOffs.set(programId, backOff)
    const retryAtMs = this.#clock.monotonicMs() + backOff.next()
    this.#failures.set(programId, { error, retryAtMs, operationId, told: false })
  }

  /** Hands over what has changed of it since it was started. @throws what the channel throws */
  update(program: Program, on: RunningChannel): void {
    const live = this.#live.get(program.id)
    if (!live || live.on !== on || live.appliedEtag === program.etag) return
    live.appliedEtag = program.etag
    on.updateProgram(program)
  }

  /** Ends it, where it is live; never rejects. What it leaves is kept until it is forgotten. */
  async stop(programId: string, on: RunningChannel | undefined): Promise<void> {
    const live = this.live(programId, on)
    this.#live.delete(programId)
    if (!live || !on) return
    try {
      this.#ended.set(programId, { recorded: await on.stopProgram(programId) })
    } catch (error) {
      this.#ended.set(programId, { recorded: { tracks: [], durationMs: 0 }, error })
    }
  }

  /** What it failed with counts no more. */
  forgetFailure(programId: string): void {
    this.#failures.delete(programId)
    this.#backOffs.delete(programId)
  }

  /** Forgets all but these programs: of the others the store knows all there is to know. */
  retain(programIds: ReadonlySet<string>): void {
    const known = [this.#live, this.#ended, this.#failures, this.#backOffs].flatMap((facts) => [...facts.keys()])
    for (const id of known) if (!programIds.has(id)) this.forget(id)
  }

  /** The store knows all there is to know, or the program is gone. */
  forget(programId: string): void {
    this.#live.delete(programId)
    this.#ended.delete(programId)
    this.#failures.delete(programId)
    this.#backOffs.delete(programId)
  }
}
