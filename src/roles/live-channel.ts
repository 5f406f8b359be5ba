import { Channel as ChannelPipeline } from '../channel/channel.ts'
import { type ChannelChanges, type ChannelOptions, targetDurationMs } from '../channel/channel-options.ts'
import type { Admission, ContributionSink, SlateMaker, Transcoder, TranscoderOutput } from '../channel/ports.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import { ingestAdmission } from '../domain/allow-list.ts'
import { type Channel, channelDurations, type IngestInput } from '../domain/channel.ts'
import { captionServices } from '../domain/closed-captions.ts'
import { durationMs } from '../domain/duration.ts'
import type { InputHealth, InputStatus } from '../domain/input-health.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import type { Program } from '../domain/program.ts'
import type { PublishRequest, SessionHandle } from '../ingest/ports.ts'
import type { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Scope } from '../lib/scope.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { Recorded, RunningChannel } from '../supervisor/ports.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ChannelAdMarkers } from './ad-markers.ts'
import { ChannelMetrics } from './channel-metrics.ts'
import type { ChannelNumbers } from './channel-numbers.ts'
import { channelObserver } from './channel-observer.ts'
import { ChannelPreview } from './channel-preview.ts'
import { ChannelPrograms } from './channel-programs.ts'
import { EncoderSessions } from './encoder-sessions.ts'
import { type EventRecorder, InputWatch } from './input-watch.ts'
import { namedLogger } from './named-logger.ts'
import type { PresentationShelf } from './presentation-shelf.ts'

/** What a running channel is wired to. */
export type LiveChannelPorts = {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly memory: FragmentMemory
  /** Where the memory of what encoders send is taken from. */
  readonly pool: BufferPool
  readonly directory: LogDirectory
  readonly shelf: PresentationShelf
  readonly events: EventRecorder
  /** Resolves when what locators publish of the asset can be asked for, as far as the store answers. */
  readonly published: (assetId: string) => Promise<void>
  readonly heartbeatMs: number
  readonly random: RandomBytes
  /** Media kept of one presentation. */
  readonly logBudgetBytes: number
}

/** What one channel runs with, made for it before it starts. */
export type LiveChannelParts = {
  readonly numbers: ChannelNumbers
  /** Its name in metrics, which follows its own. */
  readonly label: () => string
  readonly named: (channel: Channel) => void
  /** Needed for a ladder. `restarted` is told of each replaced child. */
  readonly transcoder?: (output: TranscoderOutput, restarted: (reason: string) => void) => Transcoder
  /** What makes its slates. `channel`: as it is now. */
  readonly slate?: (channel: () => Channel) => SlateMaker
  /** Nobody has published for the channel's `idleStopAfter`. */
  readonly onIdle: () => void
  /** It is gone. */
  readonly onStopped: () => void
}

const MAX_LAYERS = 10

/** A channel of the store as it runs on this node: its encoders, its programs and its preview. */
export class LiveChannel implements RunningChannel {
  readonly #ports: LiveChannelPorts
  readonly #parts: LiveChannelParts
  readonly #options: ChannelOptions
  readonly #logger: Logger
  readonly #scope = new Scope()
  readonly #metrics: ChannelMetrics
  readonly #watch: InputWatch
  readonly #sessions: EncoderSessions
  readonly #programs: ChannelPrograms
  readonly #preview: ChannelPreview
  /** What clients say of ad markers. */
  readonly adMarkers: ChannelAdMarkers
  #channel: Channel
  #pipeline: ChannelPipeline
  #restarts = 0
  #reset: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(channel: Channel, parts: LiveChannelParts, ports: LiveChannelPorts) {
    this.#channel = channel
    this.#parts = parts
    this.#ports = ports
    this.#options = channelOptions(channel)
    this.#logger = namedLogger(ports.logger, () => this.#channel.name)
    const { clock, events, heartbeatMs, shelf } = ports
    const { onIdle } = parts
    const current = () => this.#channel
    this.#scope.add('its place', () => parts.onStopped())
    this.#metrics = this.#scope.own('metrics', new ChannelMetrics(parts.label(), ports.metrics, clock, this.#logger))
    this.#watch = new InputWatch(current, { clock, events, heartbeatMs, onIdle })
    this.#scope.add('input watch', () => this.#watch.stop())
    this.#sessions = new EncoderSessions(this.#watch)
    const { partDurationMs, segmentDurationMs } = this.#options
    const isOnGrid = this.#options.encoding === 'standard' && partDurationMs !== undefined
    const cut = {
      targetDurationMs: targetDurationMs(this.#options),
      ...(partDurationMs !== undefined && { partDurationMs }),
      ...(isOnGrid && { gridMs: segmentDurationMs }),
    }
    const programsPorts = { clock, shelf, random: ports.random, logger: this.#logger }
    this.#programs = new ChannelPrograms(current, { ...cut, segmentDurationMs }, programsPorts)
    this.#scope.add('programs', () => this.#programs.leave())
    this.#preview = this.#scope.own('preview', new ChannelPreview(channel, cut, ports))
    this.#pipeline = this.#openPipeline()
    const { random } = ports
    this.adMarkers = new ChannelAdMarkers({
      channel: current,
      desk: () => this.#pipeline.markers,
      random,
      slateDuring: (markerId) => this.#pipeline.slateDuring(markerId),
    })
    this.#scope.add('pipeline', () => this.#pipeline.stop())
  }

  /** How it stands with what is being published; `undefined` while nothing is. */
  get health(): InputHealth | undefined {
    return this.#watch.health
  }

  /** Each input that is being published by. */
  get inputs(): readonly InputStatus[] {
    return this.#watch.inputs
  }

  /** Its name in metrics. */
  get name(): string {
    return this.#parts.label()
  }

  /** What it writes now. */
  get logs(): readonly PresentationLog[] {
    return [...this.#programs.logs, this.#preview.log]
  }

  /** Lets an encoder in that has one of the channel's keys, or says why not. */
  async admit(request: PublishRequest, input: IngestInput, handle: SessionHandle): Promise<Admission> {
    await this.#reset
    const session = this.#sessions.prepare(request, input, handle)
    const admission = await this.#pipeline.admit(session.publisher)
    if (!admission.accepted) return admission
    const sink: ContributionSink = this.#sessions.begin(session, request, admission.sink)
    // It may have waited for its predecessor to go while its key, or who may publish, was changed.
    this.#endUnwanted(this.#channel, ingestAdmission(this.#channel.input.allowIp))
    return { accepted: true, sink }
  }

  update(channel: Channel): void {
    this.#channel = channel
    this.#parts.named(channel)
    this.#metrics.rename(this.#parts.label())
    const { allowIp } = channel.input
    this.#pipeline.update(inputOptions(channel))
    this.#endUnwanted(channel, ingestAdmission(allowIp))
    this.#preview.publish(channel)
  }

  reset(): Promise<void> {
    const reset = this.#reset.then(() => this.#replacePipeline())
    this.#reset = reset.catch(() => undefined)
    return reset
  }

  async startProgram(program: Program): Promise<void> {
    await this.#reset
    if (this.#stopped) throw new AppError('STOPPED', `The channel ${this.#channel.name} is not running.`)
    await this.#programs.start(program, this.#preview)
    this.#programs.tell(program.id, this.#pipeline.markers.current)
    await this.#ports.published(program.assetId)
  }

  updateProgram(program: Program): void {
    this.#programs.update(program)
  }

  stopProgram(programId: string): Promise<Recorded> {
    return this.#programs.stop(programId)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#reset.then(() => this.#scope.stop())
    return this.#stopped
  }

  #endUnwanted(channel: Channel, admits: (address: string) => boolean): void {
    for (const session of this.#sessions.all) {
      const hasKey = channel.streamKeys[session.about.input] === session.key
      const reason = !hasKey ? 'key-rotated' : admits(session.about.address) ? undefined : 'address-not-allowed'
      if (!reason) continue
      this.#logger.info({ session: session.about.sessionId, reason }, 'an encoder is disconnected')
      // What ends a session never rejects; it is over when its sink has been told.
      void this.#sessions.end(session, reason)
    }
  }

  /**
   * Everything that the encoders' media goes through is made anew, and with it the place in time: numbers go on, and the
   * next segment begins a new stretch.
   */
  async #replacePipeline(): Promise<void> {
    if (this.#stopped) return
    this.#logger.warn('channel reset')
    try {
      await this.#pipeline.stop('reset')
    } finally {
      this.#pipeline = this.#openPipeline()
    }
  }

  #openPipeline(): ChannelPipeline {
    const { clock, memory, pool } = this.#ports
    const { transcoder, numbers, slate } = this.#parts
    const restarted = (reason: string) => this.#watch.transcoderRestarted(reason, ++this.#restarts)
    return new ChannelPipeline(
      { ...this.#options, ...inputOptions(this.#channel) },
      {
        clock,
        logger: this.#logger,
        numbers,
        goesOn: this.#ports.shelf.hasLeft(this.#channel.id),
        observer: channelObserver(this.#metrics, this.#watch),
        allocate: (sizeBytes) => memory.allocate(sizeBytes),
        done: (data) => pool.giveBack(data),
        emit: (entry) => this.#emit(entry),
        markers: {
          known: () => this.logs.flatMap(({ view }) => view.markers),
          changed: (change) => this.#watch.markerChanged(change),
        },
        ...(slate && { slate: slate(() => this.#channel) }),
        ...(transcoder && { transcoder: (output) => transcoder(output, restarted) }),
      },
    )
  }

  #emit(entry: LogEntry): void {
    const { tracks } = this.#pipeline
    for (const taker of [this.#programs, this.#preview]) {
      try {
        taker.take(entry, tracks)
      } catch (error) {
        this.#logger.error({ err: error }, `a record could not be taken: ${messageOf(error)}`)
      }
    }
    if (entry.bytes) this.#ports.memory.disown(entry.bytes)
  }
}

function channelOptions(channel: Channel): ChannelOptions {
  return {
    name: channel.name,
    encoding: channel.encoding.kind,
    ...channelDurations(channel),
    keyFrameIntervalMs: durationMs(channel.input.keyFrameInterval),
    ...inputOptions(channel),
    captions: captionServices(channel),
    maxLayers: MAX_LAYERS,
  }
}

/** What may change while it runs. */
function inputOptions({ input, slate, adMarkerSource }: Channel): ChannelChanges {
  const { takeover, reconnectGrace, returnAfter } = input
  return {
    takeover,
    reconnectGraceMs: durationMs(reconnectGrace),
    returnAfterMs: durationMs(returnAfter),
    adMarkerSource,
    slate: slate && { afterMs: durationMs(slate.after), picture: Object.values(slate.image ?? {}).join('/') },
  }
}
