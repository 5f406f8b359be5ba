import { randomBytes } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Scope } from '../lib/scope.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { DEMO_PRESET } from './bootstrap.ts'
import type { ControlPlane } from './control-plane.ts'
import type { House } from './house.ts'
import { KeyGate } from './key-gate.ts'
import { LocalChannels } from './local-channels.ts'
import type { LocatorPublisher } from './locator-publisher.ts'
import { LogReporter } from './log-reporter.ts'
import type { NodeArchive } from './node-archive.ts'
import type { OriginPool } from './origin-pool.ts'
import { ScaledEndpoints } from './scaled-endpoints.ts'
import { slateImages } from './slates.ts'
import { whenUp } from './start-up.ts'

/** The channels of this node, and who may publish to them and watch. */
export type NodeChannels = {
  readonly channels: LocalChannels
  readonly publisher: LocatorPublisher
  readonly gate: KeyGate
}

const START_UP_LIMIT_MS = 5_000

/** Brings up what the store wants to run here. Resolves when it runs; what takes longer comes up by and by. */
export async function openNodeChannels(
  house: House,
  control: ControlPlane,
  { shelf, publisher, storages }: NodeArchive,
  origins: OriginPool,
  scope: Scope,
): Promise<NodeChannels> {
  const { clock, config, directory, logger, memory, metrics, pool, dataDir, ffmpeg } = house
  const { changes, recorder: events, repository } = control
  const channels = new LocalChannels({
    clock,
    logger,
    metrics,
    memory,
    pool,
    directory,
    shelf,
    events,
    dataDir,
    published: (assetId) => publisher.published(assetId),
    heartbeatMs: config.events.heartbeatInterval,
    random: randomBytes,
    logBudgetBytes: config.log.budget,
    ffmpeg: async () => ffmpeg,
    transcode: config.transcode,
    sizedPreset: DEMO_PRESET,
    slateImage: slateImages({ repository, storages }),
  })
  const sources = { channels: () => channels.reports, presentations: () => shelf.all }
  scope.own('log reporter', new LogReporter(sources, origins, metrics, clock))
  const supervisor = new Supervisor({
    repository,
    changes,
    runner: channels,
    endpoints: new ScaledEndpoints({ publishing: publisher.endpoints, pool: origins, maxThreads: origins.maxThreads }),
    index: channels,
    observer: metrics.control,
    clock,
    logger,
  })
  scope.own('supervisor', supervisor)
  await supervisor.start()
  // Encoders come back at once: what they send before their programs have begun would be in none.
  const isUp = {
    channel: ({ id }: { readonly id: string }) => channels.find(id) !== undefined,
    program: ({ assetId }: { readonly assetId: string }) => publisher.knows(assetId),
    endpoint: publisher.isOpen.bind(publisher),
  }
  await waitForStart(() => whenUp({ repository, changes, clock, isUp }, START_UP_LIMIT_MS), logger)
  const gate = new KeyGate({
    holder: (key) => channels.keys.find(key),
    running: (channelId) => channels.find(channelId),
    events,
    clock,
  })
  return { channels, publisher, gate }
}

/** Waits no longer than the store answers: what runs already goes on without it. */
async function waitForStart(wait: () => Promise<number>, logger: Logger): Promise<void> {
  try {
    const late = await wait()
    if (late > 0) logger.warn({ count: late }, 'not everything that is meant to run is up yet')
  } catch (error) {
    if (!(error instanceof AppError && error.kind === 'unavailable')) throw error
    logger.warn({ problem: error.message }, 'whether everything is up can not be told: the store does not answer')
  }
}
