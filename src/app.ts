import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ControlServer } from './api/control-server.ts'
import type { Config } from './config/schema.ts'
import { RtmpListener } from './ingest/rtmp-listener.ts'
import { systemClock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import { Group, Scope, type Stoppable } from './lib/scope.ts'
import { FragmentMemory } from './log/fragment-memory.ts'
import { LogDirectory } from './log/log-directory.ts'
import { FlvDemuxer } from './media/flv/demuxer.ts'
import { localHost, type NodeAddresses, nodeAddresses } from './roles/addresses.ts'
import { ChannelHost } from './roles/channel-host.ts'
import { DataDir } from './roles/data-dir.ts'
import { DEMO_FONT, DemoPublisher } from './roles/demo-publisher.ts'
import { Identities } from './roles/identities.ts'
import { ingestObserver } from './roles/ingest-metrics.ts'
import { LogReporter } from './roles/log-reporter.ts'
import { OriginPool } from './roles/origin-pool.ts'
import { ChannelGate } from './roles/publish-gate.ts'
import { type Quickstart, quickstartOf, removeQuickstart, writeQuickstart } from './roles/quickstart.ts'
import { TlsFiles } from './roles/tls-files.ts'
import { channelLadder, transcoderFactory } from './roles/transcoders.ts'
import { Metrics } from './telemetry/metrics.ts'
import { type FfmpegBinary, probeFfmpeg } from './transcode/ffmpeg-probe.ts'

/** How a node is started, beside its configuration. */
export type AppOptions = {
  /** Turns the first program's channel into a ladder sized by the machine's cores and publishes a test pattern to it. */
  readonly demo: boolean
  readonly version: string
  /** Aborted when the node is to stop before it has started: the start then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** A node that runs: where it is reached, and how it is ended. */
export type RunningApp = Stoppable & {
  readonly addresses: NodeAddresses
  readonly quickstart: Quickstart | undefined
}

const PLAYER_DIR = fileURLToPath(new URL('../player/dist', import.meta.url))

/** What all parts of the node share. */
type House = {
  readonly config: Config
  readonly logger: Logger
  /** Channels, origins and the control listener. */
  readonly rooms: Group
  /** What encoders come in by; stopped before the rooms. */
  readonly doors: Group
  readonly metrics: Metrics
  readonly memory: FragmentMemory
  readonly directory: LogDirectory
  readonly dataDir: DataDir
  readonly tls: TlsFiles | undefined
  readonly ffmpeg: FfmpegBinary
}

const clock = systemClock

/**
 * Builds the node, wires it and starts it, front door last. When it resolves encoders can publish and viewers can watch;
 * when it rejects everything that had been started is stopped again.
 */
export async function startApp(config: Config, logger: Logger, options: AppOptions): Promise<RunningApp> {
  const scope = new Scope()
  try {
    return await start(config, logger, options, scope)
  } catch (error) {
    await scope.stop()
    throw error
  }
}

async function start(config: Config, logger: Logger, options: AppOptions, scope: Scope): Promise<RunningApp> {
  const dataDir = new DataDir(config.dataDir)
  // One that an earlier run left behind leads to where nobody answers, and scripts wait for this file.
  await removeQuickstart(dataDir)
  const identities = new Identities(dataDir)
  const ffmpeg = await probeFfmpeg(config.transcode.ffmpegPath ?? process.env['FFMPEG_PATH'] ?? 'ffmpeg')
  const metrics = scope.own('metrics', new Metrics({ clock, build: { version: options.version } }))
  const tls = config.tls && scope.own('certificate', new TlsFiles(config.tls, clock, logger))
  const memory = new FragmentMemory()
  const house: House = {
    config,
    logger,
    rooms: scope.own('rooms', new Group()),
    doors: scope.own('doors', new Group()),
    metrics,
    memory,
    directory: new LogDirectory({ memory, clock }),
    dataDir,
    tls,
    ffmpeg,
  }
  options.signal?.throwIfAborted()
  const origins = await startOrigins(house)
  options.signal?.throwIfAborted()
  const hosts = await openChannels(house, identities, options.demo)
  await identities.save()
  house.rooms.own('log reporter', new LogReporter(hosts, origins, metrics.log, clock))
  const control = await startControl(house, hosts, origins, identities)
  const rtmp = await startListener(house, hosts, false)
  const rtmps = tls && (await startListener(house, hosts, true))
  options.signal?.throwIfAborted()
  const ports = { control: control.port, streaming: origins.port, rtmp: rtmp.port, rtmps: rtmps?.port }
  const addresses = nodeAddresses(config.publicHost, ports, tls !== undefined)
  const quickstart = quickstartOf(config, addresses, hosts, identities)
  if (quickstart) {
    if (options.demo) startDemo(house, rtmp.port, quickstart)
    await writeQuickstart(dataDir, quickstart)
  }
  logger.info({ version: options.version, ffmpeg: ffmpeg.version, ...addresses }, 'headend started')
  return { addresses, quickstart, stop: () => scope.stop() }
}

async function startOrigins({ config, rooms, directory, metrics, logger, tls }: House): Promise<OriginPool> {
  const { origin, listen, logLevel } = config
  const pool = new OriginPool(
    {
      ...listen.streaming,
      threads: origin.threads || Math.max(1, availableParallelism() - 1),
      maxConnections: origin.maxConnections,
      manifestCacheBytes: origin.manifestCacheSize,
      maxInFlightBytes: origin.maxInFlightBytes,
      logLevel,
    },
    { directory, metrics: metrics.origin, clock, logger, tls: tls && (() => tls.current) },
  )
  rooms.own('origin threads', pool)
  await pool.start()
  tls?.onChange((material) => pool.setTls(material))
  return pool
}

async function openChannels(house: House, identities: Identities, demo: boolean): Promise<ChannelHost[]> {
  const { config, logger, metrics, memory, directory, dataDir, rooms, ffmpeg } = house
  const hosts: ChannelHost[] = []
  for (const declared of config.bootstrap.channels) {
    const isDemo = demo && declared.name === config.bootstrap.programs[0]?.channel
    const channel = isDemo ? { ...declared, encoding: 'standard' as const, ladder: 'demo' } : declared
    const programs = config.bootstrap.programs
      .filter((program) => program.channel === channel.name)
      .map((program) => ({ config: program, identity: identities.program(program) }))
    const shared = { clock, logger, metrics, memory, directory, dataDir, logBudgetBytes: config.log.budget }
    const transcode = { clock, logger, metrics: metrics.transcoder, ffmpeg, config: config.transcode }
    const ladder = channel.encoding === 'standard' ? await channelLadder(channel, ffmpeg, isDemo) : undefined
    const host = new ChannelHost(channel, identities.streamKey(channel), programs, {
      ...shared,
      ...(ladder ? { transcoder: transcoderFactory(channel, ladder, transcode) } : {}),
    })
    hosts.push(rooms.own(`channel ${channel.name}`, host))
  }
  return hosts
}

async function startControl(
  { config, rooms, metrics, logger, tls, ffmpeg }: House,
  hosts: readonly ChannelHost[],
  origins: OriginPool,
  identities: Identities,
): Promise<{ port: number }> {
  const program = config.bootstrap.programs[0]
  const at = (path: string) => ({ secure: tls !== undefined, port: origins.port, path })
  const control = new ControlServer(
    { ...config.listen.control, playerDir: PLAYER_DIR, ...(tls ? { tls: tls.current } : {}) },
    {
      clock,
      logger,
      metrics,
      health: {
        checks: async () => [
          { name: 'origin', ok: origins.runningThreads > 0, detail: `${origins.runningThreads} thread(s)` },
          { name: 'ffmpeg', ok: true, detail: ffmpeg.version },
          { name: 'channels', ok: true, detail: `${hosts.length} channel(s)` },
        ],
      },
      watch: {
        current() {
          if (!program) return undefined
          const { locatorId } = identities.program(program)
          return { title: program.name, hlsUrl: at(`/${locatorId}/index.m3u8`), dashUrl: at(`/${locatorId}/index.mpd`) }
        },
      },
    },
  )
  rooms.own('control listener', control)
  tls?.onChange((material) => control.setTls(material))
  return control.start()
}

async function startListener(house: House, hosts: readonly ChannelHost[], isSecure: boolean): Promise<RtmpListener> {
  const { config, doors, metrics, tls } = house
  const logger = house.logger.child({ protocol: isSecure ? 'rtmps' : 'rtmp' })
  const { ingest } = config
  const listener = new RtmpListener({
    ...(isSecure ? config.listen.rtmps : config.listen.rtmp),
    ...(isSecure && tls ? { tls: () => tls.current } : {}),
    limits: {
      maxConnections: ingest.maxConnections,
      maxConnectionsPerAddress: ingest.maxConnectionsPerAddress,
      handshakeTimeoutMs: ingest.handshakeTimeout,
      publishTimeoutMs: ingest.publishTimeout,
      idleTimeoutMs: ingest.idleTimeout,
      maxMessageBytes: ingest.maxMessageSize,
      maxQueuedBytes: ingest.maxQueuedBytes,
      maxChunkStreams: ingest.maxChunkStreams,
      maxMessageStreams: ingest.maxMessageStreams,
      maxAmfDepth: ingest.maxAmfDepth,
    },
    clock,
    logger,
    gate: new ChannelGate(() => hosts),
    observer: ingestObserver(metrics.ingest, isSecure ? 'rtmps' : 'rtmp'),
    createDemuxer: () => new FlvDemuxer(),
  })
  await listener.start()
  doors.own(isSecure ? 'rtmps listener' : 'rtmp listener', listener)
  if (isSecure) tls?.onChange(() => listener.setSecureContext())
  return listener
}

function startDemo({ config, doors, logger, ffmpeg }: House, rtmpPort: number, quickstart: Quickstart): void {
  const url = `rtmp://${localHost(config.listen.rtmp.host)}:${rtmpPort}/live/${quickstart.streamKey}`
  const demo = { ffmpegPath: ffmpeg.path, url, hasFont: existsSync(DEMO_FONT) }
  doors.own('demo publisher', new DemoPublisher(demo, clock, logger))
}
