import { Channel, targetDurationMs } from '../channel/channel.ts'
import type { Admission, Publisher, Transcoder, TranscoderOutput } from '../channel/ports.ts'
import { Program } from '../channel/program.ts'
import type { SegmenterNumbers } from '../channel/record-writer.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import type { Secret } from '../config/scalars.ts'
import { type ChannelConfig, channelDurations, type ProgramConfig } from '../config/schema.ts'
import type { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Scope, type Stoppable } from '../lib/scope.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { PresentationLog } from '../log/presentation-log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ChannelMetrics } from './channel-metrics.ts'
import type { DataDir } from './data-dir.ts'
import type { ProgramIdentity } from './identities.ts'

/** What a channel is wired to. */
export type ChannelHostPorts = {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly memory: FragmentMemory
  /** Where the memory of what encoders send is taken from. */
  readonly pool: BufferPool
  readonly directory: LogDirectory
  readonly dataDir: DataDir
  /** Makes the live transcoder of this channel, where it has one. */
  readonly transcoder?: (output: TranscoderOutput) => Transcoder
  readonly logBudgetBytes: number
}

/** A program's declaration and what names it to the world. */
export type HostedProgram = { readonly config: ProgramConfig; readonly identity: ProgramIdentity }

type RunningProgram = { readonly program: Program; readonly log: PresentationLog; readonly name: string }

const MAX_LAYERS = 10

/** A channel of the configuration as it runs on this node, with its programs and their logs. */
export class ChannelHost implements Stoppable {
  readonly name: string
  readonly streamKey: Secret
  readonly allowIp: readonly string[] | undefined
  readonly #scope = new Scope()
  readonly #ports: ChannelHostPorts
  readonly #programs: readonly RunningProgram[]
  readonly #channel: Channel

  constructor(config: ChannelConfig, streamKey: Secret, programs: readonly HostedProgram[], ports: ChannelHostPorts) {
    this.name = config.name
    this.streamKey = streamKey
    this.allowIp = config.allowIp
    this.#ports = ports
    const logger = ports.logger.child({ channel: config.name })
    const { segmentDurationMs, partDurationMs } = channelDurations(config)
    const options = {
      name: config.name,
      encoding: config.encoding,
      segmentDurationMs,
      partDurationMs,
      keyFrameIntervalMs: config.keyFrameInterval,
      takeover: config.takeover,
      reconnectGraceMs: config.reconnectGrace,
      maxLayers: MAX_LAYERS,
    }
    this.#programs = programs.map((program) => this.#openProgram(program, targetDurationMs(options), partDurationMs))
    const observer = this.#scope.own('metrics', new ChannelMetrics(config.name, ports.metrics, ports.clock, logger))
    this.#channel = new Channel(options, {
      clock: ports.clock,
      logger,
      observer,
      numbers: numberStore(ports.dataDir, config.name),
      allocate: (sizeBytes) => ports.memory.allocate(sizeBytes),
      done: (data) => ports.pool.giveBack(data),
      emit: (entry) => this.#emit(entry, logger),
      ...(ports.transcoder ? { transcoder: ports.transcoder } : {}),
    })
    this.#scope.own('channel', this.#channel)
  }

  /** Layers that are being published now. */
  get layers(): readonly string[] {
    return this.#channel.layers
  }

  get logs(): readonly PresentationLog[] {
    return this.#programs.map(({ log }) => log)
  }

  admit(publisher: Publisher): Promise<Admission> {
    return this.#channel.admit(publisher)
  }

  stop(): Promise<void> {
    return this.#scope.stop()
  }

  #emit(entry: LogEntry, logger: Logger): void {
    for (const { program, name } of this.#programs) {
      try {
        program.take(entry, this.#channel.tracks)
      } catch (error) {
        logger.error({ err: error, program: name }, `a program could not take a record: ${messageOf(error)}`)
      }
    }
    if (entry.bytes) this.#ports.memory.disown(entry.bytes)
  }

  #openProgram(
    { config, identity }: HostedProgram,
    targetMs: number,
    partDurationMs: number | undefined,
  ): RunningProgram {
    const { clock, directory, memory, logger, logBudgetBytes } = this.#ports
    const log = new PresentationLog(
      {
        id: identity.presentationId,
        epoch: identity.epoch,
        targetDurationMs: targetMs,
        rewindWindowMs: config.rewindWindow,
        ...(partDurationMs === undefined ? {} : { partDurationMs }),
      },
      { memory, budgetBytes: logBudgetBytes, retainMs: config.rewindWindow },
    )
    const { locatorId, presentationId } = identity
    directory.open(log)
    // Origin threads hear of it with their next message; nothing here waits for them.
    void directory.publish({ locatorId, manifestName: config.manifestName, presentationId })
    this.#scope.add(`log of ${config.name}`, () => log.stop())
    const program = new Program(
      { append: (record, bytes) => void log.append(record, bytes) },
      clock,
      {
        ...(config.startAt === undefined ? {} : { startAtMs: Date.parse(config.startAt) }),
        ...(config.stopAt === undefined ? {} : { stopAtMs: Date.parse(config.stopAt) }),
      },
      () => logger.info({ program: config.name }, 'program ended'),
    )
    this.#scope.add(`program ${config.name}`, () => program.detach())
    return { program, log, name: config.name }
  }
}

function numberStore(dataDir: DataDir, channel: string) {
  const file = `channels/${channel}.json`
  return {
    load: () => dataDir.readJson(file) as SegmenterNumbers | undefined,
    save: (numbers: SegmenterNumbers) => dataDir.writeJson(file, numbers),
  }
}
