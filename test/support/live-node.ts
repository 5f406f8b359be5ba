import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordingOptions } from '../../src/archive/recording-ports.ts'
import { Spool } from '../../src/archive/spool/spool-folder.ts'
import { configSchema } from '../../src/config/schema.ts'
import { accountDefaults } from '../../src/domain/account-defaults.ts'
import type { Asset } from '../../src/domain/asset.ts'
import { assetCreateSchema, newAsset } from '../../src/domain/asset.ts'
import { ChangeSet } from '../../src/domain/change-set.ts'
import { type Channel, channelCreateSchema, newChannel } from '../../src/domain/channel.ts'
import type { EntityOf, StoredKind } from '../../src/domain/entities.ts'
import type { Store } from '../../src/domain/entity-store.ts'
import type { Draft } from '../../src/domain/envelope.ts'
import { eventSchema, type NewEvent } from '../../src/domain/events.ts'
import { type Id, newId } from '../../src/domain/kinds.ts'
import { type Locator, locatorCreateSchema, newLocator } from '../../src/domain/locator.ts'
import { newProgram, type Program, programCreateSchema } from '../../src/domain/program.ts'
import { Repository } from '../../src/domain/repository.ts'
import type { StreamingEndpoint } from '../../src/domain/streaming-endpoint.ts'
import { BufferPool } from '../../src/lib/buffer-pool.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { Scope } from '../../src/lib/scope.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../src/log/log-directory.ts'
import { AccountRulesKeeper } from '../../src/roles/account-rules.ts'
import { Archive } from '../../src/roles/archive.ts'
import { AssetStorages } from '../../src/roles/asset-storage.ts'
import { ChannelNumbers } from '../../src/roles/channel-numbers.ts'
import { DataDir } from '../../src/roles/data-dir.ts'
import { FilePresentations } from '../../src/roles/file-presentations.ts'
import { KeyGate } from '../../src/roles/key-gate.ts'
import { Librarian } from '../../src/roles/librarian.ts'
import { LiveChannel, type LiveChannelParts } from '../../src/roles/live-channel.ts'
import { LocalChannels, type LocalChannelsPorts } from '../../src/roles/local-channels.ts'
import { LocatorPublisher } from '../../src/roles/locator-publisher.ts'
import { PresentationShelf } from '../../src/roles/presentation-shelf.ts'
import { watchRecording } from '../../src/roles/recording-watch.ts'
import { MediaStorage } from '../../src/storage/media-storage.ts'
import { ChangeFeed } from '../../src/store/change-feed.ts'
import { openStore } from '../../src/store/open-store.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { type FfmpegBinary, probeFfmpeg } from '../../src/transcode/ffmpeg-probe.ts'

export type LiveNodeOptions = {
  readonly clock: Clock
  readonly heartbeatMs?: number
  /** How recordings are kept. */
  readonly recording?: Partial<RecordingOptions>
  readonly spool?: Spool
  /** Memory for the indexes of archived presentations. */
  readonly indexBytes?: number
  readonly masterKeys?: { of(asset: Asset): Promise<Uint8Array | undefined> }
  /** The data of a node that went before. */
  readonly folder?: string
  readonly regionBytes?: number
  readonly ffmpeg?: () => Promise<FfmpegBinary>
}

/** What of a node runs channels and publishes them, over a real store, with whatever an operator would do done by hand. */
export class LiveNode {
  readonly events: NewEvent[] = []
  readonly clock: Clock
  readonly store: Store
  readonly repository: Repository
  readonly changes: ChangeFeed
  readonly memory: FragmentMemory
  readonly pool = new BufferPool()
  readonly directory: LogDirectory
  readonly shelf: PresentationShelf
  readonly publisher: LocatorPublisher
  readonly channels: LocalChannels
  readonly gate: KeyGate
  readonly metrics: Metrics
  readonly dataDir: DataDir
  readonly accountId: Id<'account'> = newId('account', randomBytes)
  endpoint!: StreamingEndpoint
  #storageAccountId!: Id<'storage-account'>
  readonly #scope = new Scope()
  readonly #running = new Map<string, LiveChannel>()
  readonly archive: Archive
  readonly media: MediaStorage
  readonly librarian: Librarian
  readonly #ports: LocalChannelsPorts
  readonly #recorder = {
    record: (event: NewEvent) => {
      eventSchema.parse({ ...event, id: 'ev_0000000000000001' })
      this.events.push(event)
    },
  }

  static async start(options: LiveNodeOptions): Promise<LiveNode> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'headend-live-'))
    const ports = { clock: options.clock, logger: silentLogger }
    const store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, ports)
    const node = new LiveNode(folder, store, options)
    await node.#begin()
    return node
  }

  private constructor(folder: string, store: Store, options: LiveNodeOptions) {
    const { clock, heartbeatMs = 10_000, ffmpeg = () => probeFfmpeg('ffmpeg') } = options
    this.clock = clock
    this.store = store
    const { regionBytes } = options
    this.memory = new FragmentMemory(regionBytes === undefined ? {} : { regionBytes })
    this.#scope.add('folder', () => rmSync(folder, { recursive: true }))
    this.#scope.own('store', store)
    this.dataDir = new DataDir(folder)
    this.repository = new Repository(store)
    this.changes = this.#scope.own('changes', new ChangeFeed({ store, clock, logger: silentLogger }))
    this.metrics = this.#scope.own('metrics', new Metrics({ clock, build: { version: 'test' } }))
    const { memory, repository, changes } = this
    this.directory = new LogDirectory({ memory, clock })
    const logger = silentLogger
    const media = this.#scope.own('media', new MediaStorage(join(folder, 'media')))
    const { masterKeys } = options
    const storages = new AssetStorages({
      repository,
      media,
      keys: masterKeys ?? { of: async () => undefined },
    })
    const archive = new Archive(
      {
        spanMs: 60_000,
        spanBytes: 1 << 28,
        queueBytes: 1 << 26,
        syncDeadlineMs: 500,
        hotBytes: 1 << 26,
        ...options.recording,
      },
      {
        repository,
        storages,
        media,
        spool: options.spool ?? new Spool(join(folder, 'spool'), 0),
        memory,
        clock,
        logger,
        random: randomBytes,
        observer: (owner) =>
          watchRecording(owner, { events: this.#recorder, metrics: this.metrics.archive, clock, logger }),
      },
    )
    const shelfPorts = { archive, directory: this.directory, logger, indexBytes: options.indexBytes ?? 1 << 26 }
    this.archive = archive
    this.media = media
    this.shelf = this.#scope.own('shelf', new PresentationShelf(shelfPorts))
    const { shelf, directory, metrics, pool, dataDir } = this
    const filePorts = { repository, storages, changes, shelf, directory, clock, logger }
    const files = this.#scope.own('files', new FilePresentations(filePorts))
    files.begin()
    const rules = this.#scope.own('rules', new AccountRulesKeeper({ repository, changes, directory, clock, logger }))
    rules.begin()
    this.publisher = this.#scope.own(
      'publisher',
      new LocatorPublisher({ repository, changes, shelf, files, directory, rules, clock, logger }),
    )
    this.librarian = new Librarian({ repository, changes, shelf, files, publisher: this.publisher, clock })
    const events = this.#recorder
    this.#ports = {
      clock,
      logger,
      metrics,
      memory,
      pool,
      directory,
      shelf,
      events,
      dataDir,
      heartbeatMs,
      ffmpeg,
      random: randomBytes,
      published: (assetId) => this.publisher.published(assetId),
      logBudgetBytes: 1 << 30,
      transcode: configSchema.parse({}).transcode,
      sizedPreset: undefined,
      slateImage: async () => undefined,
    }
    this.channels = this.#scope.own('channels', new LocalChannels(this.#ports))
    this.gate = new KeyGate({
      holder: (key) => this.channels.keys.find(key),
      running: (channelId) => this.channels.find(channelId),
      events,
      clock,
    })
  }

  async #begin(): Promise<void> {
    const { storageAccount, streamingEndpoint } = accountDefaults({ id: this.accountId }, randomBytes)
    this.#storageAccountId = (await this.create('storage-account', storageAccount)).id
    this.endpoint = await this.create('streaming-endpoint', streamingEndpoint)
    this.publisher.begin()
    await this.changes.start()
    await this.publisher.endpoints.start(this.endpoint)
  }

  async create<K extends StoredKind>(kind: K, draft: Draft<EntityOf<K>>): Promise<EntityOf<K>> {
    const changes = new ChangeSet()
    const handle = changes.create(kind, draft)
    return (await this.repository.commit(changes)).get(handle)
  }

  async remove<K extends StoredKind>(kind: K, entity: Pick<EntityOf<K>, 'id' | 'etag'>): Promise<void> {
    const changes = new ChangeSet()
    changes.delete(kind, entity)
    await this.repository.commit(changes)
  }

  /** A channel in the store, Stopped, that encoders' keys lead to. */
  async channel(given: Record<string, unknown> = {}): Promise<Channel> {
    const { name = 'main', ...rest } = given
    const draft = newChannel(channelCreateSchema.parse({ name, ...rest }), this.accountId, randomBytes)
    const channel = await this.create('channel', draft)
    this.channels.put(channel)
    return channel
  }

  async run(channel: Channel, onIdle: () => void = () => undefined): Promise<LiveChannel> {
    const never = () => {
      throw new AppError('INTERNAL', 'a channel ended by itself')
    }
    const live = await this.channels.start(channel, never, onIdle, new AbortController().signal)
    this.#running.set(channel.id, live)
    return live
  }

  /** A channel on its own, with another transcoder than ffmpeg. */
  unstarted(channel: Channel, transcoder: NonNullable<LiveChannelParts['transcoder']>): LiveChannel {
    const numbers = new ChannelNumbers(channel.id, this.#ports)
    const nothing = () => undefined
    const parts = {
      numbers,
      transcoder,
      label: () => channel.name,
      named: nothing,
      onIdle: nothing,
      onStopped: nothing,
    }
    return new LiveChannel(channel, parts, this.#ports)
  }

  /** As the supervisor would hand a change on. */
  change(channel: Channel): void {
    this.channels.put(channel)
    this.#running.get(channel.id)?.update(channel)
  }

  /** A program with an asset of its own, in the store. */
  async program(channel: Channel, given: Record<string, unknown> = {}): Promise<Program> {
    const { name = 'program', assetId, ...rest } = given
    const parsed = programCreateSchema.parse({ name, channelId: channel.id, ...rest })
    const asset = typeof assetId === 'string' ? (assetId as Id<'asset'>) : await this.asset(String(name))
    return this.create('program', newProgram(parsed, asset, this.accountId, randomBytes))
  }

  async asset(name: string): Promise<Id<'asset'>> {
    const draft = newAsset(assetCreateSchema.parse({ name }), this.#storageAccountId, this.accountId, randomBytes)
    return (await this.create('asset', draft)).id
  }

  async locator(assetId: string, given: Record<string, unknown> = {}): Promise<Locator> {
    const parsed = locatorCreateSchema.parse({ assetId, ...given })
    return this.create('locator', newLocator(parsed, this.accountId, randomBytes))
  }

  /** What was told, of one type, in order. */
  told<T extends NewEvent['type']>(type: T): NewEvent<T>['data'][] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data) as NewEvent<T>['data'][]
  }

  stop(): Promise<void> {
    return this.#scope.stop()
  }
}
