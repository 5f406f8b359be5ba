import type { Channel } from '../domain/channel.ts'
import type { Change } from '../domain/entity-store.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Turns } from '../lib/turns.ts'
import { BackOff } from './back-off.ts'
import { type ChannelPorts, ChannelWorker } from './channel-worker.ts'
import { type EndpointPorts, EndpointWorker } from './endpoint-worker.ts'
import { KnownChannels } from './known-channels.ts'
import { Ledger } from './ledger.ts'
import { OperationSweep } from './operation-sweep.ts'
import { isStoreDown } from './outage.ts'
import type { ChangeSource, ChannelIndex, ChannelRunner, EndpointRunner, SupervisorObserver } from './ports.ts'
import { type Next, Rounds } from './rounds.ts'

/** What the supervisor is wired to. */
export type SupervisorPorts = {
  readonly repository: Repository
  readonly changes: ChangeSource
  readonly runner: ChannelRunner
  readonly endpoints: EndpointRunner
  readonly index: ChannelIndex
  readonly observer: SupervisorObserver
  readonly clock: Clock
  readonly logger: Logger
}

const STARTS_AT_ONCE = 8
const PAGE = 200
/** More than this many entities that wait to be looked at: listing all is less work, and bounds what is kept. */
const MAX_PENDING = 20_000
const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000
/** Of the ten seconds that the process has. */
const STOP_LIMIT_MS = 8_000

/**
 * Takes every channel, program and streaming endpoint to where the store wants them, and keeps them there. What is wanted
 * is in the store; what is, is here. See `DESIGN.md`.
 */
export class Supervisor {
  readonly #ports: SupervisorPorts
  readonly #ledger: Ledger
  readonly #channelPorts: ChannelPorts
  readonly #endpointPorts: EndpointPorts
  readonly #channels = new Map<string, ChannelWorker>()
  readonly #endpoints = new Map<string, EndpointWorker>()
  readonly #known: KnownChannels
  readonly #owners = new Map<string, string>()
  /** What was written and has not been looked at, each entity once. */
  readonly #pending = new Map<string, Pick<Change, 'kind' | 'id'>>()
  readonly #intake: Rounds
  readonly #intakeBackOff = new BackOff(FIRST_RETRY_MS, LONGEST_RETRY_MS)
  readonly #sweep: OperationSweep
  readonly #listed = Promise.withResolvers<void>()
  #endListening: readonly (() => void)[] = []
  #isListWanted = true
  #stopped: Promise<void> | undefined

  constructor(ports: SupervisorPorts) {
    const { repository, clock, logger, observer } = ports
    this.#ports = ports
    this.#ledger = new Ledger(repository, clock, logger)
    this.#known = new KnownChannels(ports.index, observer)
    const shared = { ledger: this.#ledger, clock, logger, observer }
    this.#channelPorts = {
      ...shared,
      runner: ports.runner,
      starts: new Turns(STARTS_AT_ONCE),
      owners: this.#owners,
      seen: (id, channel) => this.#see(id, channel),
    }
    this.#endpointPorts = { ...shared, endpoints: ports.endpoints, gone: (id) => void this.#endpoints.delete(id) }
    this.#intake = new Rounds({ round: () => this.#round(), failed: (error) => this.#failed(error) }, clock)
    this.#sweep = new OperationSweep({ ledger: this.#ledger, clock, logger, wake: (kind, id) => this.#note(kind, id) })
  }

  /**
   * Resolves when all channels are known and what is to run has been taken up; they come up by and by. Waits for a store that
   * is down. @throws AppError where the store's content is damaged
   */
  async start(): Promise<void> {
    const { changes } = this.#ports
    this.#endListening = [
      changes.onChange((batch) => {
        for (const { kind, id } of batch) this.#note(kind, id)
      }),
      changes.onReset(() => this.#listAgain()),
    ]
    this.#intake.wake()
    await this.#listed.promise
    this.#sweep.start()
  }

  /**
   * Ends what runs on this node; the store is left as it is, so that the next start brings it back.
   * @throws AppError `PART_UNRESPONSIVE` where that takes longer than 8 s
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  #note(kind: string, id: string): void {
    if (kind !== 'channel' && kind !== 'program' && kind !== 'streaming-endpoint') return
    this.#pending.set(`${kind}/${id}`, { kind, id })
    if (this.#pending.size > MAX_PENDING) this.#listAgain()
    else this.#intake.wake()
  }

  #listAgain(): void {
    this.#isListWanted = true
    this.#pending.clear()
    this.#intake.wake()
  }

  async #round(): Promise<Next> {
    if (this.#isListWanted) await this.#list()
    for (const [key, change] of this.#pending) {
      this.#pending.delete(key)
      try {
        await this.#take(change)
      } catch (error) {
        this.#pending.set(key, change)
        throw error
      }
    }
    this.#intakeBackOff.reset()
    return this.#isListWanted ? 'again' : 'woken'
  }

  #failed(error: unknown): number {
    if (!isStoreDown(error)) {
      this.#listed.reject(error)
      this.#ports.logger.error({ err: error }, `the store can't be followed: ${messageOf(error)}`)
    }
    return this.#intakeBackOff.next()
  }

  /** Whatever is written during the listing is looked at after it. */
  async #list(): Promise<void> {
    this.#isListWanted = false
    try {
      const listed = new Set<string>()
      for await (const accounts of this.#ledger.pages('account', { accountId: SYSTEM_ACCOUNT, limit: PAGE })) {
        for (const { id } of accounts) await this.#listAccount(id, listed)
      }
      for (const id of this.#known.ids()) if (!listed.has(id)) this.#channel(id).wake()
      this.#listed.resolve()
    } catch (error) {
      this.#isListWanted = true
      throw error
    }
  }

  async #listAccount(accountId: string, listed: Set<string>): Promise<void> {
    for await (const channels of this.#ledger.pages('channel', { accountId, limit: PAGE })) {
      for (const channel of channels) {
        listed.add(channel.id)
        this.#see(channel.id, channel)
        if (!isAtRest(channel) || this.#channels.has(channel.id)) this.#channel(channel.id).startOver()
      }
    }
    for await (const endpoints of this.#ledger.pages('streaming-endpoint', { accountId, limit: PAGE })) {
      for (const endpoint of endpoints) {
        if (!isAtRest(endpoint) || this.#endpoints.has(endpoint.id)) this.#endpoint(endpoint.id).wake()
      }
    }
  }

  async #take({ kind, id }: Pick<Change, 'kind' | 'id'>): Promise<void> {
    if (kind === 'channel') this.#channel(id).wake()
    else if (kind === 'streaming-endpoint') this.#endpoint(id).wake()
    else {
      const owner = this.#owners.get(id) ?? (await this.#ledger.find('program', id))?.channelId
      if (owner !== undefined) this.#channel(owner).wakeFor(id)
    }
  }

  #channel(id: string): ChannelWorker {
    const worker = this.#channels.get(id) ?? new ChannelWorker(id, this.#channelPorts)
    this.#channels.set(id, worker)
    return worker
  }

  #endpoint(id: string): EndpointWorker {
    const worker = this.#endpoints.get(id) ?? new EndpointWorker(id, this.#endpointPorts)
    this.#endpoints.set(id, worker)
    return worker
  }

  #see(id: string, channel: Channel | undefined): void {
    this.#known.see(id, channel)
    if (!channel) this.#channels.delete(id)
  }

  async #stopAll(): Promise<void> {
    for (const end of this.#endListening) end()
    this.#listed.resolve()
    const left = new Set<string>()
    // Again when nothing can be taken up any more: the second call finds what came in between, and else what stops already.
    const stopped = this.#intake.stop().then(() => this.#stopWorkers(left))
    await this.#within(Promise.all([this.#stopWorkers(left), this.#sweep.stop(), stopped]), left)
  }

  async #stopWorkers(left: Set<string>): Promise<void> {
    const channels = [...this.#channels].map(async ([id, worker]) => {
      left.add(id)
      try {
        await worker.stop()
      } catch (error) {
        this.#ports.logger.error({ err: error, channelId: id }, `a channel did not stop well: ${messageOf(error)}`)
      }
      left.delete(id)
    })
    await Promise.all([...channels, ...[...this.#endpoints.values()].map((worker) => worker.stop())])
  }

  async #within(stopping: Promise<unknown>, left: ReadonlySet<string>): Promise<void> {
    const done = new AbortController()
    const late = this.#ports.clock.sleep(STOP_LIMIT_MS, done.signal).then(
      () => true,
      () => false,
    )
    const isLate = await Promise.race([stopping.then(() => false), late])
    done.abort()
    if (!isLate) return
    const message = `${left.size} channels did not stop within ${STOP_LIMIT_MS / 1_000} s.`
    throw new AppError('PART_UNRESPONSIVE', message, { details: { channels: [...left].slice(0, 10) } })
  }
}

/** Neither runs nor is meant to. */
function isAtRest({ state, desiredState }: Channel | StreamingEndpoint): boolean {
  return state === 'Stopped' && desiredState === 'Stopped'
}
