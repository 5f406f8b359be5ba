import type { ChangeSet } from '../domain/change-set.ts'
import type { Channel } from '../domain/channel.ts'
import { announce } from '../domain/lifecycle.ts'
import type { Operation } from '../domain/operation.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Turns } from '../lib/turns.ts'
import { BackOff } from './back-off.ts'
import { ChannelReset, putResetByStart } from './channel-reset.ts'
import { ChannelRun } from './channel-run.ts'
import { isLostRace, type Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'
import { endOperation, type Outcome, putOutcome, unchanged } from './outcome.ts'
import type { ChannelRunner, RunningChannel, SupervisorObserver } from './ports.ts'
import { type ProgramCourse, ProgramSteps } from './program-steps.ts'
import { type Next, Rounds, sooner } from './rounds.ts'
import { startWatched } from './start-watch.ts'

/** What the workers of channels share. */
export type ChannelPorts = {
  readonly ledger: Ledger
  readonly runner: ChannelRunner
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: SupervisorObserver
  /** How many channels may be in the middle of their start. */
  readonly starts: Turns
  /** Which program belongs to which channel, of all that are minded. */
  readonly owners: Map<string, string>
  /** Told of the channel as it was read; `undefined`: there is none. */
  readonly seen: (channelId: string, channel: Channel | undefined) => void
}

const REMOVING_STOP = 'channel.stop-and-remove-programs'
const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000

/**
 * Takes one channel with its programs to where the store wants them, one step at a time: reads what is wanted, does it or
 * writes what has come of it, and reads again. See `DESIGN.md` for what each state leads to.
 */
export class ChannelWorker {
  readonly #id: string
  readonly #ports: ChannelPorts
  readonly #logger: Logger
  readonly #run: ChannelRun
  readonly #programs: ProgramSteps
  readonly #rounds: Rounds
  readonly #backOff = new BackOff(FIRST_RETRY_MS, LONGEST_RETRY_MS)
  readonly #reset = new ChannelReset()
  /** That a stop went wrong, until the store knows. */
  #stopError: unknown
  #ending: Promise<void> | undefined

  constructor(channelId: string, ports: ChannelPorts) {
    this.#id = channelId
    this.#ports = ports
    this.#logger = ports.logger.child({ channelId })
    this.#rounds = new Rounds(
      { round: (signal) => this.#round(signal), failed: (error) => this.#failed(error) },
      ports.clock,
    )
    this.#run = new ChannelRun(ports.runner, ports.starts, ports.clock, () => this.#rounds.wake())
    this.#programs = new ProgramSteps(channelId, ports.owners, {
      ledger: ports.ledger,
      clock: ports.clock,
      complain: (program, error) => this.#complain('program', error, { program: program.name, programId: program.id }),
    })
  }

  /** Something of the channel was written. */
  wake(): void {
    this.#rounds.wake()
  }

  /** A program of the channel was written. */
  wakeFor(programId: string): void {
    this.#programs.picture.changed(programId)
    this.#rounds.wake()
  }

  /** Everything may have been written. */
  startOver(): void {
    this.#programs.picture.forget()
    this.#rounds.wake()
  }

  /** Ends what runs on this node and leaves the store as it is: it goes on at the next start. */
  stop(): Promise<void> {
    this.#ending ??= this.#stopNow()
    return this.#ending
  }

  async #stopNow(): Promise<void> {
    await this.#rounds.stop()
    const error = await this.#run.stop()
    if (error !== undefined) throw error
  }

  async #round(signal: AbortSignal): Promise<Next> {
    const { ledger, clock } = this.#ports
    try {
      const channel = await ledger.find('channel', this.#id)
      if (!channel) return await this.#gone()
      this.#ports.seen(this.#id, channel)
      await this.#programs.picture.refresh(channel, clock.now())
      const operation = await ledger.underWay(channel.operationId)
      if (operation?.state === 'pending') return await this.#takeUp(operation)
      const next = await this.#stepOf(channel, operation, signal)
      this.#backOff.reset()
      return next
    } catch (error) {
      if (isLostRace(error)) return 'again'
      throw error
    }
  }

  /** The store is waited for in silence: it tells of its outage itself. */
  #failed(error: unknown): number {
    if (!isStoreDown(error)) this.#complain('channel', error)
    return this.#backOff.next()
  }

  #stepOf(channel: Channel, operation: Operation | undefined, signal: AbortSignal): Promise<Next> {
    switch (channel.state) {
      case 'Starting':
        return this.#starting(channel, operation, signal)
      case 'Running':
        return this.#running(channel, operation)
      case 'Stopping':
        return this.#stopping(channel, operation)
      case 'Deleting':
        return this.#deleting(channel, operation)
      case 'Stopped':
        return this.#stopped(channel, operation)
    }
  }

  async #starting(channel: Channel, operation: Operation | undefined, signal: AbortSignal): Promise<Next> {
    if (this.#run.running) {
      if (operation?.action === 'channel.reset') {
        return this.#write((changes) => putResetByStart(changes, channel, operation, this.#ports.clock.now()))
      }
      return this.#move(channel, { state: 'Running', reason: 'completed', ends: operation })
    }
    const isAsked = operation?.action === 'channel.start'
    // What an earlier start has failed with is no answer to who asks now.
    if (isAsked && this.#run.failure?.operationId !== operation.id) this.#run.forgetFailure()
    const { failure } = this.#run
    if (failure && !failure.told) return this.#writeFailure(channel, operation, failure)
    const waitMs = this.#run.untilRetryMs()
    if (waitMs > 0) return sooner({ afterMs: waitMs }, await this.#stepPrograms(channel, 'wait'))
    await this.#start(channel, operation, signal)
    return 'again'
  }

  async #running(channel: Channel, operation: Operation | undefined): Promise<Next> {
    const { running, failure } = this.#run
    if (!running) {
      if (!failure) return this.#move(channel, { state: 'Starting', reason: 'recovery', error: unchanged })
      failure.told = true
      await this.#move(channel, { state: 'Starting', reason: 'failed', error: failure.error })
      return 'again'
    }
    this.#run.update(channel)
    if (operation?.action === 'channel.reset') return this.#resetting(channel, operation, running)
    if (operation) return this.#move(channel, { state: 'Running', reason: 'completed', ends: operation })
    const next = await this.#stepPrograms(channel, 'run')
    return next !== 'again' && this.#run.takeIdle() ? this.#idle(channel, next) : next
  }

  async #stopping(channel: Channel, operation: Operation | undefined): Promise<Next> {
    await this.#endHere()
    if (operation?.action === REMOVING_STOP) await this.#programs.deleteAll(channel)
    else if ((await this.#stepPrograms(channel, 'end')) === 'again') return 'again'
    const error = this.#stopError
    const outcome = { state: 'Stopped', desiredState: 'Stopped', ends: operation } as const
    await this.#move(channel, { ...outcome, reason: error === undefined ? 'completed' : 'failed', error })
    this.#stopError = undefined
    this.#logger.info({ channel: channel.name }, 'channel is stopped')
    return 'again'
  }

  async #deleting(channel: Channel, operation: Operation | undefined): Promise<Next> {
    await this.#endHere()
    await this.#programs.deleteAll(channel)
    const nowMs = this.#ports.clock.now()
    return this.#write((changes) => {
      changes.delete('channel', channel)
      announce(changes, 'channel.deleted', channel, nowMs)
      if (operation) endOperation(changes, operation, nowMs)
    })
  }

  async #stopped(channel: Channel, operation: Operation | undefined): Promise<Next> {
    await this.#endHere()
    this.#stopError = undefined
    const next = await this.#stepPrograms(channel, 'end')
    if (operation) {
      const refusal = operation.action.startsWith('channel.stop')
        ? undefined
        : new AppError('STATE_CONFLICT', 'Given up: the channel was stopped.')
      return this.#move(channel, { state: 'Stopped', reason: 'completed', error: unchanged, ends: operation, refusal })
    }
    if (channel.desiredState === 'Stopped') return next
    return this.#move(channel, { state: 'Starting', reason: 'requested', error: unchanged })
  }

  async #gone(): Promise<Next> {
    await this.#endHere()
    this.#programs.picture.clear()
    this.#ports.seen(this.#id, undefined)
    return 'woken'
  }

  /** Ends the channel and its programs on this node; what the programs leave is written by later steps. */
  async #endHere(): Promise<void> {
    this.#run.forgetFailure()
    const { running } = this.#run
    if (!running) return
    await this.#programs.stopAll(running)
    const error = await this.#run.stop()
    if (error === undefined) return
    this.#stopError = error
    this.#complain('channel', error)
  }

  /** In its turn. Who wants it stopped meanwhile aborts the start, or has it stopped when it is through. */
  async #start(channel: Channel, operation: Operation | undefined, signal: AbortSignal): Promise<void> {
    const { ledger, clock } = this.#ports
    const failed = (error: unknown) => this.#complain('channel', error)
    await startWatched({ ledger, clock, bell: this.#rounds.bell, failed }, channel.id, (unwanted) =>
      this.#run.start(channel, { signal: AbortSignal.any([signal, unwanted]), operationId: operation?.id }),
    )
    if (this.#run.failure) this.#complain('channel', this.#run.failure.error)
    else if (this.#run.running) this.#logger.info({ channel: channel.name }, 'channel runs')
  }

  /** Who asked for the start is told that it failed; a channel that is meant to run is started again, later and later. */
  async #writeFailure(
    channel: Channel,
    operation: Operation | undefined,
    failure: { readonly error: unknown; told: boolean },
  ): Promise<Next> {
    const { error } = failure
    const isAsked = operation?.action === 'channel.start'
    const outcome: Outcome<'channel'> = isAsked
      ? { state: 'Stopped', desiredState: 'Stopped', reason: 'failed', error, ends: operation }
      : { state: 'Starting', reason: 'failed', error, ends: operation }
    await this.#move(channel, outcome)
    failure.told = true
    return 'again'
  }

  async #resetting(channel: Channel, operation: Operation, running: RunningChannel): Promise<Next> {
    if (!this.#reset.isDone(operation)) {
      const error = await this.#reset.carryOut(operation, running)
      if (error !== undefined) this.#complain('channel', error)
    }
    return this.#write((changes) => this.#reset.put(changes, channel, operation, this.#ports.clock.now()))
  }

  /** Nobody has published for long. While a program records nothing is stopped: it would be cut short. */
  #idle(channel: Channel, next: Next): Promise<Next> | Next {
    const isUsed = this.#programs.picture.programs.some(({ state }) => state !== 'Stopped')
    if (isUsed || channel.idleStopAfter === undefined) return next
    return this.#move(channel, { state: 'Stopping', desiredState: 'Stopped', reason: 'idle', error: unchanged })
  }

  #stepPrograms(channel: Channel, course: ProgramCourse): Promise<Next> {
    return this.#programs.step({ channel, running: this.#run.running, course })
  }

  async #takeUp(operation: Operation): Promise<Next> {
    return this.#write((changes) => changes.update('operation', { ...operation, state: 'running' }))
  }

  #move(channel: Channel, outcome: Outcome<'channel'>): Promise<Next> {
    return this.#write((changes) => putOutcome(changes, 'channel', channel, outcome, this.#ports.clock.now()))
  }

  async #write(fill: (changes: ChangeSet) => void): Promise<Next> {
    await this.#ports.ledger.commit(fill)
    return 'again'
  }

  #complain(kind: 'channel' | 'program', error: unknown, fields: Record<string, unknown> = {}): void {
    this.#ports.observer.failed(kind, error instanceof AppError ? error.code : 'INTERNAL')
    const retryMs = Math.round(this.#run.untilRetryMs())
    const again = retryMs > 0 ? { retryMs } : {}
    this.#logger.error({ err: error, ...fields, ...again }, `the ${kind} is not as it should be: ${messageOf(error)}`)
  }
}
