import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Config } from './config/schema.ts'
import { BufferPool } from './lib/buffer-pool.ts'
import { systemClock } from './lib/clock.ts'
import { messageOf } from './lib/errors.ts'
import type { Logger } from './lib/logger.ts'
import { Group, Scope, type Stoppable } from './lib/scope.ts'
import { releaseSpareMemory } from './lib/spare-memory.ts'
import { FragmentMemory } from './log/fragment-memory.ts'
import { LogDirectory } from './log/log-directory.ts'
import { localHost, type NodeAddresses, nodeAddresses } from './roles/addresses.ts'
import { buildControlListener, type MediaPorts } from './roles/control-listener.ts'
import { openControlPlane } from './roles/control-plane.ts'
import { DataDir } from './roles/data-dir.ts'
import { DEMO_FONT, DemoPublisher } from './roles/demo-publisher.ts'
import type { House } from './roles/house.ts'
import { type KeyBureau, openKeyBureau, originKeyOptions } from './roles/key-bureau.ts'
import { type NodeArchive, openNodeArchive } from './roles/node-archive.ts'
import { openNodeChannels } from './roles/node-channels.ts'
import { OriginPool } from './roles/origin-pool.ts'
import { type Quickstart, quickstartOf, removeQuickstart, writeQuickstart } from './roles/quickstart.ts'
import { openRtmpDoor } from './roles/rtmp-doors.ts'
import { TlsFiles } from './roles/tls-files.ts'
import { Metrics } from './telemetry/metrics.ts'
import { probeFfmpeg } from './transcode/ffmpeg-probe.ts'

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
  readonly quickstart: Quickstart
  /** Where the quickstart is written. */
  readonly quickstartFile: string
}

const clock = systemClock

/**
 * Builds the node, wires it and starts it, front doors last. When it resolves encoders can publish and viewers can watch;
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
  const { demo, signal, version } = options
  const house = await openHouse(config, logger, version, scope)
  const { dataDir, metrics, tls, ffmpeg } = house
  signal?.throwIfAborted()
  const control = await openControlPlane({ config, clock, logger, metrics, dataDir, demo }, scope)
  signal?.throwIfAborted()
  const archive = await openNodeArchive(house, control, scope)
  signal?.throwIfAborted()
  const bureau = openKeyBureau(house, control, scope)
  const origins = await startOrigins(house, archive, bureau, scope)
  signal?.throwIfAborted()
  const channels = await openNodeChannels(house, control, archive, origins, scope)
  // Known when the doors are open, which is before anybody can ask.
  let ports: MediaPorts = { streaming: origins.port, rtmp: 0, rtmps: undefined }
  const listener = buildControlListener(house, control, archive, channels, origins, () => ports, scope)
  releaseSpareMemory()
  const doors = scope.own('doors', new Group())
  const rtmp = await openRtmpDoor(house, channels.gate, doors, false)
  const rtmps = tls && (await openRtmpDoor(house, channels.gate, doors, true))
  signal?.throwIfAborted()
  ports = { ...ports, rtmp: rtmp.port, rtmps: rtmps?.port }
  const { port } = await listener.start()
  const addresses = nodeAddresses(config.publicHost, { ...ports, control: port }, tls !== undefined)
  const quickstart = quickstartOf(addresses, control.systemApiKey, control.first)
  if (demo && quickstart.streamKey !== undefined) startDemo(house, doors, rtmp.port, quickstart.streamKey)
  await writeQuickstart(dataDir, quickstart).catch((error: unknown) => {
    // What it says is convenient, and no reason not to run.
    logger.error({ error: messageOf(error) }, 'quickstart.json could not be written')
  })
  logger.info({ version, ffmpeg: ffmpeg.version, ...addresses }, 'headend started')
  return {
    addresses,
    quickstart,
    quickstartFile: join(dataDir.path, 'quickstart.json'),
    stop: () => scope.stop(),
  }
}

async function openHouse(config: Config, logger: Logger, version: string, scope: Scope): Promise<House> {
  const dataDir = new DataDir(config.dataDir)
  // One that an earlier run left behind leads to where nobody answers, and scripts wait for this file.
  await removeQuickstart(dataDir)
  const ffmpeg = await probeFfmpeg(config.transcode.ffmpegPath ?? process.env['FFMPEG_PATH'] ?? 'ffmpeg')
  const metrics = scope.own('metrics', new Metrics({ clock, build: { version } }))
  const tls = config.tls && scope.own('certificate', new TlsFiles(config.tls, clock, logger))
  const memory = new FragmentMemory()
  const directory = new LogDirectory({ memory, clock })
  return { config, clock, logger, metrics, memory, pool: new BufferPool(), directory, dataDir, tls, ffmpeg, version }
}

async function startOrigins(
  house: House,
  { librarian, media }: NodeArchive,
  bureau: KeyBureau,
  scope: Scope,
): Promise<OriginPool> {
  const { config, directory, metrics, logger, tls, ffmpeg } = house
  const { archive, origin, listen, logLevel, storage } = config
  const pool = new OriginPool(
    {
      ...listen.streaming,
      // More come with the endpoints that ask for them.
      threads: 1,
      maxThreads: origin.threads || Math.max(1, availableParallelism() - 1),
      drainMs: origin.drainTime,
      limits: {
        connections: origin.maxConnections,
        manifestCacheBytes: origin.manifestCacheSize,
        packageCacheBytes: origin.packageCacheSize,
        inFlightBytes: origin.maxInFlightBytes,
        packagings: origin.maxPackaging,
        maxDelayMs: origin.maxDelay,
        blockedRequests: origin.maxBlockedRequests,
        blockedPerPresentation: origin.maxBlockedPerPresentation,
        conformanceEvery: origin.conformanceEvery,
      },
      trustedProxies: origin.trustedProxies,
      logLevel,
      ffmpegPath: ffmpeg.path,
      media: {
        directory: media.directory,
        allowPrivateEndpoints: storage.allowPrivateEndpoints,
        allowServerCredentials: storage.allowServerCredentials,
        cacheBytes: archive.readCache,
        fileCacheBytes: origin.fileCacheSize,
      },
      keys: originKeyOptions(config.keys),
    },
    {
      directory,
      desk: bureau.deskWith(librarian),
      metrics: metrics.origin,
      clock,
      logger,
      tls: tls && (() => tls.current),
    },
  )
  scope.own('origin threads', pool)
  await pool.start()
  tls?.onChange((material) => pool.setTls(material))
  return pool
}

function startDemo({ config, logger, ffmpeg }: House, doors: Group, rtmpPort: number, streamKey: string): void {
  const url = `rtmp://${localHost(config.listen.rtmp.host)}:${rtmpPort}/live/${streamKey}`
  const demo = { ffmpegPath: ffmpeg.path, url, hasFont: existsSync(DEMO_FONT) }
  doors.own('demo publisher', new DemoPublisher(demo, clock, logger))
}
