import type { ChangeSet } from '../domain/change-set.ts'
import type { Channel } from '../domain/channel.ts'
import type { Operation } from '../domain/operation.ts'
import { explain } from '../domain/problem.ts'
import { dueOperation, type Program, startProgram } from '../domain/program.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { isLostRace, type Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'
import { type Outcome, putOutcome, unchanged } from './outcome.ts'
import type { RunningChannel } from './ports.ts'
import { type ProgramParts, putDeleted, putStarted, putStopped } from './program-outcome.ts'
import { ProgramPicture } from './program-picture.ts'
import { ProgramRuns } from './program-runs.ts'
import { type Next, sooner } from './rounds.ts'
import { untilScheduled } from './schedule.ts'

/** What the state of a channel means for its programs: they run, wait for it to run, or end. */
export type ProgramCourse = 'run' | 'wait' | 'end'

/** The channel that programs are on, and how it is here. */
export type ProgramPlace = {
  readonly channel: Channel
  readonly running: RunningChannel | undefined
  readonly course: ProgramCourse
}

/** What is damaged is looked at again then. */
const REPAIR_MS = 60_000

type ProgramPorts = {
  readonly ledger: Ledger
  readonly clock: Clock
  /** Something went wrong with a program. */
  readonly complain: (program: Program, error: unknown) => void
}

/** Takes the programs of one channel to where they are wanted, a step at a time; never at the same time as the channel itself. */
export class ProgramSteps {
  readonly picture: ProgramPicture
  readonly #ports: ProgramPorts
  readonly #runs: ProgramRuns

  constructor(channelId: string, owners: Map<string, string>, ports: ProgramPorts) {
    this.#ports = ports
    this.#runs = new ProgramRuns(ports.clock)
    this.picture = new ProgramPicture(channelId, ports.ledger, owners)
  }

  /** One step for each program; `again` where any was taken. @throws AppError as the store */
  async step(place: ProgramPlace): Promise<Next> {
    let next: Next = 'woken'
    const { programs } = this.picture
    const known = new Set<string>(programs.map(({ id }) => id))
    if (place.running) await this.#endUnknown(place.running, known)
    this.#runs.retain(known)
    for (const program of programs) next = sooner(next, await this.#tryStep(program, place))
    return next
  }

  /** Ends whatever runs, on the node alone: the store is told by later steps. */
  async stopAll(running: RunningChannel | undefined): Promise<void> {
    if (!running) return
    await Promise.all(this.#runs.liveOn(running).map((id) => this.#runs.stop(id, running)))
  }

  /** Deletes every program of the channel, which run no more. Says whether there were any. @throws AppError as the store */
  async deleteAll(channel: Channel): Promise<boolean> {
    let some = false
    for await (const page of this.picture.pages(channel.accountId)) {
      for (const program of page) {
        await this.#delete(program)
        some = true
      }
    }
    return some
  }

  /** What runs though the store knows nothing of it: a store that was put back to an older state. */
  async #endUnknown(running: RunningChannel, known: ReadonlySet<string>): Promise<void> {
    const unknown = this.#runs.liveOn(running).filter((id) => !known.has(id))
    for (const id of unknown) await this.#runs.stop(id, running)
  }

  /** What is wrong with one program hinders no other. */
  async #tryStep(program: Program, place: ProgramPlace): Promise<Next> {
    try {
      return await this.#stepOf(program, place)
    } catch (error) {
      if (isStoreDown(error)) throw error
      if (isLostRace(error)) return 'again'
      this.#ports.complain(program, error)
      return { afterMs: REPAIR_MS }
    }
  }

  async #stepOf(program: Program, place: ProgramPlace): Promise<Next> {
    const { running, course } = place
    const operation = await this.#ports.ledger.underWay(program.operationId)
    if (operation?.state === 'pending') return this.#takeUp(program, operation)
    if (program.state === 'Deleting') {
      await this.#runs.stop(program.id, running)
      return this.#delete(program)
    }
    if (program.state === 'Stopped') return this.#stopped(program, place, operation)
    if (program.state === 'Stopping' || course === 'end') {
      await this.#runs.stop(program.id, running)
      return this.#writeStopped(program, operation)
    }
    // One that somebody starts now counts as started from when that was asked for, not as when it last ran.
    const asked = operation?.action === 'program.start' ? { startedAt: operation.created } : {}
    if (dueOperation({ ...program, ...asked }, this.#ports.clock.now()) === 'stop')
      return this.#scheduledStop(program, operation)
    const next = await this.#started(program, place, operation)
    const waitMs = untilScheduled(program, this.#ports.clock.now())
    return waitMs === undefined ? next : sooner(next, { afterMs: waitMs })
  }

  /** Starting or Running, and meant to be. */
  async #started(program: Program, { running, course }: ProgramPlace, operation: Operation | undefined): Promise<Next> {
    const live = this.#runs.live(program.id, running)
    if (live && running) {
      if (program.state === 'Starting' || operation) return this.#writeStarted(program, operation, live.startedAtMs)
      this.#runs.update(program, running)
      return 'woken'
    }
    if (program.state === 'Running') {
      return this.#move(program, { state: 'Starting', reason: 'recovery', error: unchanged })
    }
    // What an earlier start has failed with is no answer to who asks now.
    if (operation && this.#runs.failure(program.id)?.operationId !== operation.id) this.#runs.forgetFailure(program.id)
    const failure = this.#runs.failure(program.id)
    if (failure && !failure.told) return this.#writeFailure(program, operation, failure)
    if (course !== 'run' || !running) return 'woken'
    const waitMs = this.#runs.untilRetryMs(program.id)
    if (waitMs > 0) return { afterMs: waitMs }
    await this.#runs.start(program, running, operation?.id)
    const failed = this.#runs.failure(program.id)
    if (failed) this.#ports.complain(program, failed.error)
    return 'again'
  }

  async #stopped(program: Program, place: ProgramPlace, operation: Operation | undefined): Promise<Next> {
    const nowMs = this.#ports.clock.now()
    if (this.#runs.live(program.id, place.running)) await this.#runs.stop(program.id, place.running)
    const isDue = dueOperation(program, nowMs) === 'start'
    if (operation) return this.#writeStopped(program, operation)
    if (place.course === 'run' && (isDue || program.desiredState === 'Running')) {
      const waitMs = this.#runs.untilRetryMs(program.id)
      return waitMs > 0 ? { afterMs: waitMs } : this.#startByItself(program, place.channel, isDue)
    }
    this.#runs.forget(program.id)
    const waitMs = untilScheduled(program, nowMs)
    return waitMs === undefined ? 'woken' : { afterMs: waitMs }
  }

  /** By its schedule, or because it was made to run: as if somebody had asked for it now. */
  async #startByItself(program: Program, channel: Channel, isDue: boolean): Promise<Next> {
    const account = await this.#ports.ledger.find('account', program.accountId)
    if (!account) throw new AppError('INTERNAL', `The account ${program.accountId} of ${program.id} is gone.`)
    const active = this.picture.programs.filter(({ state }) => state !== 'Stopped').length
    try {
      startProgram(program, channel, active, account)
    } catch (error) {
      this.#runs.fail(program.id, error)
      this.#ports.complain(program, error)
      const isKnown = program.lastError?.detail === explain(error).detail
      return isKnown ? 'again' : this.#move(program, { state: 'Stopped', reason: 'failed', error })
    }
    // Counts as started from here on: who stops it by hand now finds it stay stopped.
    const fields = isDue ? { startedAt: formatTimestamp(this.#ports.clock.now()) } : {}
    const reason = isDue ? 'schedule' : 'requested'
    return this.#move(program, { state: 'Starting', desiredState: 'Running', reason, error: unchanged, fields })
  }

  #scheduledStop(program: Program, operation: Operation | undefined): Promise<Next> {
    const refusal = new AppError('STATE_CONFLICT', 'Given up: the program’s stopAt has come.')
    const outcome = { state: 'Stopping', desiredState: 'Stopped', reason: 'schedule', error: unchanged } as const
    return this.#move(program, { ...outcome, ends: operation, refusal })
  }

  /** Who asked for the start is told that it failed; what nobody asked for, or goes on after a restart, is tried again. */
  async #writeFailure(
    program: Program,
    operation: Operation | undefined,
    failure: { readonly error: unknown; told: boolean },
  ): Promise<Next> {
    const { error } = failure
    const outcome: Outcome<'program'> = operation
      ? { state: 'Stopped', desiredState: 'Stopped', reason: 'failed', error, ends: operation }
      : { state: 'Starting', reason: 'failed', error }
    await this.#move(program, outcome)
    failure.told = true
    if (operation) this.#runs.forget(program.id)
    return 'again'
  }

  async #takeUp(program: Program, operation: Operation): Promise<Next> {
    await this.#write(program, (changes) => changes.update('operation', { ...operation, state: 'running' }))
    return 'again'
  }

  #move(program: Program, outcome: Outcome<'program'>): Promise<Next> {
    return this.#write(program, (changes) => {
      putOutcome(changes, 'program', program, outcome, this.#ports.clock.now())
    })
  }

  async #writeStarted(program: Program, operation: Operation | undefined, startedAtMs: number): Promise<Next> {
    const parts = await this.#parts(program, operation)
    return this.#write(program, (changes) => putStarted(changes, parts, startedAtMs, this.#ports.clock.now()))
  }

  async #writeStopped(program: Program, operation: Operation | undefined): Promise<Next> {
    const parts = await this.#parts(program, operation)
    const ended = this.#runs.ended(program.id)
    if (ended?.error !== undefined) this.#ports.complain(program, ended.error)
    await this.#write(program, (changes) => putStopped(changes, parts, ended, this.#ports.clock.now()))
    this.#runs.forget(program.id)
    return 'again'
  }

  async #delete(program: Program): Promise<Next> {
    const parts = await this.#parts(program, await this.#ports.ledger.underWay(program.operationId))
    const ended = this.#runs.ended(program.id)
    await this.#write(program, (changes) => putDeleted(changes, parts, ended, this.#ports.clock.now()))
    this.#runs.forget(program.id)
    return 'again'
  }

  async #parts(program: Program, operation: Operation | undefined): Promise<ProgramParts> {
    return { program, operation, asset: await this.#ports.ledger.find('asset', program.assetId) }
  }

  /** Whether it works or somebody else was first: what is known of the program has to be read again. */
  async #write(program: Program, fill: (changes: ChangeSet) => void): Promise<Next> {
    try {
      await this.#ports.ledger.commit(fill)
      return 'again'
    } finally {
      this.picture.changed(program.id)
    }
  }
}
