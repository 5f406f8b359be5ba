import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Account, accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { assetCreateSchema, newAsset } from '../../../src/domain/asset.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import { type Channel, channelCreateSchema, channelMachine, newChannel } from '../../../src/domain/channel.ts'
import { deleteChannel, stopChannel } from '../../../src/domain/channel-rules.ts'
import type { EntityOf, StoredKind } from '../../../src/domain/entities.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { beginOperation, type Move, type RunningKind } from '../../../src/domain/lifecycle.ts'
import type { Operation } from '../../../src/domain/operation.ts'
import {
  newProgram,
  type Program,
  programCreateSchema,
  programMachine,
  startProgram,
} from '../../../src/domain/program.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { transition } from '../../../src/domain/state-machine.ts'
import { newStorageAccount, storageAccountCreateSchema } from '../../../src/domain/storage-account.ts'
import { defaultStreamingEndpoint, streamingEndpointMachine } from '../../../src/domain/streaming-endpoint.ts'
import { type Clock, systemClock, VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { type Logger, silentLogger } from '../../../src/lib/logger.ts'
import { openStore } from '../../../src/store/open-store.ts'
import type { FakeNode } from './fake-node.ts'
import { Process } from './process.ts'

const random = (count: number) => randomBytes(count)

/** A store, an account and a process over it, with what the API does to them. */
export class Bench {
  readonly clock: VirtualClock
  readonly logger: Logger
  readonly #folder: string
  readonly #store: Store
  readonly repository: Repository
  readonly #past: Process[] = []
  account: Account
  #process: Process | undefined
  #names = 0
  readonly #storageId: string

  private constructor(
    folder: string,
    store: Store,
    clock: VirtualClock,
    logger: Logger,
    account: Account,
    storageId: string,
  ) {
    this.clock = clock
    this.#folder = folder
    this.#store = store
    this.logger = logger
    this.repository = new Repository(store)
    this.account = account
    this.#storageId = storageId
  }

  /** The process is not started yet. */
  static async open(logger: Logger = silentLogger): Promise<Bench> {
    const folder = mkdtempSync(join(tmpdir(), 'headend-supervisor-'))
    const clock = new VirtualClock()
    // It stamps what is written with the test's time, and waits in the machine's.
    const stamping: Clock = { ...systemClock, now: () => clock.now() }
    const store = await openStore(
      { url: `sqlite:${join(folder, 'store.db')}`, timeoutMs: 30_000 },
      { clock: stamping, logger: silentLogger },
    )
    const changes = new ChangeSet()
    const draft = newAccount(accountCreateSchema.parse({ name: 'studio', quotas: { runningChannels: 5_000 } }), random)
    const account = changes.create('account', draft)
    const storage = newStorageAccount(storageAccountCreateSchema.parse({ name: 'default' }), draft.id, random)
    changes.create('storage-account', storage)
    const done = await new Repository(store).commit(changes)
    return new Bench(folder, store, clock, logger, done.get(account), storage.id)
  }

  get process(): Process {
    if (!this.#process) throw new Error('no process is started')
    return this.#process
  }

  get node(): FakeNode {
    return this.process.node
  }

  get store(): Store {
    return this.#store
  }

  /** `prepare`: what is done to the process before it starts. */
  async start(prepare: (process: Process) => void = () => undefined): Promise<void> {
    this.#process = new Process(this.#store, this.clock, this.logger)
    prepare(this.#process)
    await this.#process.start(this.#store)
  }

  /** Kills the process, if it isn't dead already, and starts another one over the same store. */
  async crash(prepare?: (process: Process) => void): Promise<void> {
    this.process.kill()
    this.#past.push(this.process)
    await this.start(prepare)
  }

  async close(): Promise<void> {
    // What is dead has nothing to say about how it ends.
    await Promise.allSettled(this.#past.map((process) => process.stop()))
    this.#process?.node.release()
    await this.#process?.stop()
    await this.#store.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Resolves when nobody does anything any more: no call under way, every change told, none that follows from it. */
  async quiet(): Promise<void> {
    const { process } = this
    for (let calm = 0; calm < 4; ) {
      const { calls } = process.store
      const sequence = await this.#store.sequence()
      await new Promise((resolve) => setImmediate(resolve))
      const isCalm = process.store.inFlight === 0 && process.store.calls === calls && process.told >= sequence
      calm = isCalm ? calm + 1 : 0
      if (process.isDead) return
    }
  }

  /** Time passes, and what is due is done. */
  async pass(ms: number): Promise<void> {
    await this.quiet()
    await this.clock.advance(ms)
    await this.quiet()
  }

  /** As an API handler writes: again where somebody else was first. */
  async write<T>(fill: (changes: ChangeSet) => Promise<T> | T): Promise<T> {
    for (;;) {
      const changes = new ChangeSet()
      const result = await fill(changes)
      try {
        await this.repository.commit(changes)
        return result
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'ETAG_MISMATCH') throw error
      }
    }
  }

  get<K extends StoredKind>(kind: K, id: string): Promise<EntityOf<K>> {
    return this.repository.get(kind, id, this.account.id)
  }

  find<K extends StoredKind>(kind: K, id: string): Promise<EntityOf<K> | undefined> {
    return this.repository.find(kind, id, this.account.id)
  }

  all<K extends StoredKind>(kind: K): Promise<EntityOf<K>[]> {
    return Array.fromAsync(this.repository.each(kind, { accountId: this.account.id }))
  }

  /** What was told of an entity, as `type from>to reason`. */
  async events(subject: string): Promise<string[]> {
    const { records } = await this.#store.readRecords({ log: 'event', subject, order: 'oldest-first', limit: 1_000 })
    return records.map(({ kind, body }) => {
      const { from, to, reason } = (body as { data: { from?: string; to?: string; reason?: string } }).data
      return from === undefined ? kind : `${kind} ${from}>${to} ${reason}`
    })
  }

  createChannel(fields: Record<string, unknown> = {}, stored: Partial<Channel> = {}): Promise<string> {
    return this.write((changes) => {
      const given = channelCreateSchema.parse({ name: `channel-${++this.#names}`, ...fields })
      const draft = newChannel(given, this.account.id, random)
      changes.create('channel', { ...draft, ...stored })
      return draft.id
    })
  }

  createProgram(channelId: string, fields: Record<string, unknown> = {}): Promise<string> {
    return this.write((changes) => {
      const name = `program-${++this.#names}`
      const asset = newAsset(assetCreateSchema.parse({ name }), this.#storageId as never, this.account.id, random)
      changes.create('asset', asset)
      const given = programCreateSchema.parse({ name, channelId, ...fields })
      const draft = newProgram(given, asset.id, this.account.id, random)
      changes.create('program', draft)
      return draft.id
    })
  }

  createEndpoint(): Promise<string> {
    return this.write((changes) => {
      const draft = defaultStreamingEndpoint(this.account.id, random)
      changes.create('streaming-endpoint', draft)
      return draft.id
    })
  }

  startChannel(id: string): Promise<string> {
    return this.#operate('channel', id, (channel) => ({
      action: 'channel.start',
      state: transition(channelMachine, channel.state, 'start'),
      desiredState: 'Running',
    }))
  }

  stopChannel(id: string, removePrograms = false): Promise<string> {
    return this.#operate('channel', id, async (channel) => ({
      action: removePrograms ? 'channel.stop-and-remove-programs' : 'channel.stop',
      state: stopChannel(channel, await this.#programsOf(id), removePrograms).state,
      desiredState: 'Stopped',
    }))
  }

  resetChannel(id: string): Promise<string> {
    return this.#operate('channel', id, (channel) => ({
      action: 'channel.reset',
      state: transition(channelMachine, channel.state, 'reset'),
    }))
  }

  deleteChannel(id: string): Promise<string> {
    return this.#operate('channel', id, async (channel) => ({
      action: 'channel.delete',
      state: deleteChannel(channel, await this.#programsOf(id), true).state,
      desiredState: 'Stopped',
    }))
  }

  renameChannel(id: string, name: string): Promise<void> {
    return this.write(async (changes) => void changes.update('channel', { ...(await this.get('channel', id)), name }))
  }

  async startProgram(id: string): Promise<string> {
    return this.startProgramOf(id, await this.get('channel', (await this.get('program', id)).channelId))
  }

  /** Of a channel as somebody has read it. */
  startProgramOf(id: string, channel: Channel): Promise<string> {
    return this.#operate('program', id, async (program) => {
      const active = (await this.#programsOf(channel.id)).filter(({ state }) => state !== 'Stopped').length
      const state = startProgram(program, channel, active, this.account)
      return { action: 'program.start', state, desiredState: 'Running' }
    })
  }

  stopProgram(id: string): Promise<string> {
    return this.#operate('program', id, (program) => ({
      action: 'program.stop',
      state: transition(programMachine, program.state, 'stop'),
      desiredState: 'Stopped',
    }))
  }

  deleteProgram(id: string): Promise<string> {
    return this.#operate('program', id, (program) => ({
      action: 'program.delete',
      state: transition(programMachine, program.state, 'force-delete'),
      desiredState: 'Stopped',
    }))
  }

  moveEndpoint(id: string, operation: 'start' | 'stop'): Promise<string> {
    return this.#operate('streaming-endpoint', id, (endpoint) => ({
      action: `streaming-endpoint.${operation}`,
      state: transition(streamingEndpointMachine, endpoint.state, operation),
      desiredState: operation === 'start' ? 'Running' : 'Stopped',
    }))
  }

  scaleEndpoint(id: string, scaleUnits: number): Promise<string> {
    return this.write(async (changes) => {
      const endpoint = { ...(await this.get('streaming-endpoint', id)), scaleUnits }
      const state = transition(streamingEndpointMachine, endpoint.state, 'scale')
      const running = await this.#running(endpoint.operationId)
      const asked = { action: 'streaming-endpoint.scale', state, desiredState: 'Running', running } as const
      return beginOperation(changes, 'streaming-endpoint', endpoint, asked, random, this.clock.now()).operationId
    })
  }

  #programsOf(channelId: string): Promise<Program[]> {
    return this.repository.referring('program', this.account.id, { relation: 'channel', id: channelId })
  }

  /** What an operation's handler does; gives the operation's id. */
  #operate<K extends RunningKind>(
    kind: K,
    id: string,
    move: (entity: EntityOf<K>) => Promise<Move<K>> | Move<K>,
  ): Promise<string> {
    return this.write(async (changes) => {
      const entity = await this.get(kind, id)
      const running = await this.#running(entity.operationId)
      const asked = { ...(await move(entity)), running }
      return beginOperation(changes, kind, entity, asked, random, this.clock.now()).operationId
    })
  }

  #running(operationId: string | undefined): Promise<Operation | undefined> {
    return operationId === undefined ? Promise.resolve(undefined) : this.find('operation', operationId)
  }
}
