import { z } from 'zod'
import { keyProvider } from './key-provider.ts'
import { masterKeys } from './master-keys.ts'
import { byteSize, duration, Secret, secret } from './scalars.ts'

const port = z.int().min(0).max(65_535)
/** A duration, or a size, that would make no sense as nothing. */
const time = duration.refine((ms) => ms > 0, 'must be more than nothing')
const room = byteSize.refine((bytes) => bytes > 0, 'must be more than nothing')

function listener(defaultPort: number) {
  return z
    .strictObject({
      host: z.string().min(1).default('0.0.0.0'),
      port: port.default(defaultPort),
    })
    .prefault({})
}

const tls = z.strictObject({
  certFile: z.string().min(1),
  keyFile: z.string().min(1),
})

const ingest = z.strictObject({
  maxConnections: z.int().positive().default(1_000),
  maxConnectionsPerAddress: z.int().positive().default(100),
  handshakeTimeout: time.prefault('5s'),
  publishTimeout: time.prefault('10s'),
  idleTimeout: time.prefault('15s'),
  maxMessageSize: room.prefault('8MiB'),
  maxQueuedBytes: room.prefault('16MiB'),
  maxChunkStreams: z.int().min(8).default(64),
  maxMessageStreams: z.int().positive().default(8),
  maxAmfDepth: z.int().min(4).max(64).default(16),
})

const transcode = z.strictObject({
  ffmpegPath: z.string().optional(),
  ladderDir: z.string().min(1).optional(),
  stallTimeout: time.prefault('10s'),
  lagBudget: time.prefault('5s'),
  maxQueuedBytes: room.prefault('16MiB'),
})

const origin = z.strictObject({
  threads: z.int().min(0).max(64).default(0),
  maxConnections: z.int().positive().default(20_000),
  manifestCacheSize: byteSize.prefault('64MiB'),
  packageCacheSize: byteSize.prefault('64MiB'),
  fileCacheSize: byteSize.prefault('96MiB'),
  maxInFlightBytes: room.prefault('512MiB'),
  maxPackaging: z.int().positive().default(64),
  maxDelay: duration.prefault('500ms'),
  drainTime: duration.prefault('10s'),
  maxBlockedRequests: z.int().positive().default(20_000),
  maxBlockedPerPresentation: z.int().positive().default(10_000),
  conformanceEvery: z.int().min(0).default(0),
  trustedProxies: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
    .max(256)
    .default([]),
})

/** It may hold a password. */
const storeUrl = z
  .string()
  .regex(/^(sqlite:.|postgres(ql)?:\/\/.)/, 'must begin with sqlite: or postgres://')
  .transform((url) => new Secret(url))

const store = z.strictObject({
  url: storeUrl.optional(),
  timeout: time.prefault('2s'),
})

const storage = z.strictObject({
  mediaDir: z.string().min(1).optional(),
  maxUploadSize: room.prefault('100GiB'),
  minFree: byteSize.prefault('1GiB'),
  allowPrivateEndpoints: z.boolean().default(false),
  allowServerCredentials: z.boolean().default(false),
  masterKeys: masterKeys.default([]),
})

const events = z.strictObject({
  heartbeatInterval: time.prefault('10s'),
  maxClients: z.int().positive().default(1_000),
  maxUnsentBytes: room.prefault('1MiB'),
  webhookTimeout: time.prefault('10s'),
  webhookConcurrency: z.int().positive().max(64).default(8),
  allowPrivateTargets: z.boolean().default(false),
})

/** Where something of ours is reached from outside: scheme and host, and a path in front where there is one. */
const publicUrl = z
  .string()
  .max(512)
  .regex(/^https?:\/\/[^\s/?#@"<>]+(?:\/[^\s?#"<>]*)?$/i, 'must be an http or https URL without query and password')
  .refine((url) => URL.canParse(url), 'must be an http or https URL')
  .transform((url) => url.replace(/\/+$/, ''))

const keys = z.strictObject({
  provider: keyProvider.prefault({}),
  publicUrl: publicUrl.optional(),
  clockSkew: duration.refine((ms) => ms <= 600_000, 'must be at most 10m').prefault('1m'),
  issuerTimeout: time.prefault('5s'),
  issuerCache: time.prefault('10m'),
  allowPrivateIssuers: z.boolean().default(false),
  licenceTimeout: time.prefault('10s'),
  allowPrivateLicenceServers: z.boolean().default(false),
  requests: z
    .strictObject({ perAddress: z.int().positive().default(1_000), window: time.prefault('10s') })
    .prefault({}),
})

const log = z.strictObject({
  budget: room.prefault('64MiB'),
})

const archive = z.strictObject({
  spoolDir: z.string().min(1).optional(),
  spanDuration: time.prefault('60s'),
  queueBudget: room.prefault('64MiB'),
  syncDeadline: time.prefault('500ms'),
  indexBudget: room.prefault('64MiB'),
  readCache: byteSize.prefault('64MiB'),
})

/** Timers hold no more than 24 days; nobody is shut out, or counted, for longer than one. */
const within = (days: number) => time.refine((ms) => ms <= days * 86_400_000, `must be at most ${days}d`)

/** The API key that a client of the house would send. */
const apiKey = secret(1).refine(
  (key) => /^hk_[0-9A-Za-z]{22}_[0-9A-Za-z_-]{43}$/.test(key.reveal()),
  'must be hk_, 22 letters and digits, _ and 43 of letters, digits, _ and -',
)

const auth = z.strictObject({
  systemApiKey: apiKey.optional(),
  signingKey: secret(43).optional(),
  tokenLifetime: within(1).prefault('15m'),
  sessionLifetime: within(30).prefault('12h'),
  failedLogins: z
    .strictObject({
      perAddress: z.int().positive().default(20),
      perCredential: z.int().positive().default(5),
      window: within(1).prefault('15m'),
      lockOut: within(1).prefault('15m'),
    })
    .prefault({}),
  requests: z
    .strictObject({
      perCredential: z.int().positive().default(5_000),
      window: within(1).prefault('10s'),
    })
    .prefault({}),
})

/** A name that may stand in a URL, a metric label and a file name. */
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, . _ -')

const address = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
  error: 'must be an address or a network like 192.0.2.0/24',
})

const channel = z
  .strictObject({
    name,
    streamKey: secret(8).optional(),
    secondaryStreamKey: secret(8).optional(),
    encoding: z.enum(['none', 'standard']).default('none'),
    ladder: name.default('720p'),
    latency: z.enum(['normal', 'low']).default('normal'),
    segmentDuration: duration.optional(),
    partDuration: duration.optional(),
    keyFrameInterval: time.prefault('2s'),
    takeover: z.enum(['refuse', 'replace']).default('refuse'),
    reconnectGrace: duration.prefault('10m'),
    returnAfter: duration.prefault('30s'),
    slateAfter: duration.optional(),
    adMarkerSource: z.enum(['api', 'scte35']).optional(),
    allowIp: z.array(address).optional(),
  })
  .superRefine((value, context) => {
    const { segmentDurationMs, partDurationMs } = channelDurations(value)
    if (segmentDurationMs < 500 || segmentDurationMs > 30_000) {
      context.addIssue({ code: 'custom', path: ['segmentDuration'], message: 'must lie between 500ms and 30s' })
    }
    if (partDurationMs !== undefined && (partDurationMs < 100 || partDurationMs > segmentDurationMs)) {
      context.addIssue({
        code: 'custom',
        path: ['partDuration'],
        message: 'must lie between 100ms and segmentDuration',
      })
    }
  })

const program = z.strictObject({
  name,
  channel: name,
  manifestName: name.default('manifest'),
  locatorId: z.guid().optional(),
  archiveWindow: z
    .union([duration, z.literal('unlimited')], 'must be a duration such as 4h, or unlimited')
    .prefault('25h'),
  rewindWindow: duration.prefault('5m'),
  startAt: z.iso.datetime({ offset: true }).optional(),
  stopAt: z.iso.datetime({ offset: true }).optional(),
})

const bootstrap = z
  .strictObject({
    channels: z.array(channel).max(1_000).default([]),
    programs: z.array(program).max(5_000).default([]),
  })
  .superRefine((value, context) => {
    const report = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message })
    const channels = new Set(value.channels.map((entry) => entry.name))
    if (channels.size < value.channels.length) report(['channels'], 'two channels have the same name')
    if (new Set(value.programs.map((entry) => entry.name)).size < value.programs.length) {
      report(['programs'], 'two programs have the same name')
    }
    // One key must lead to one channel, and one URL to one program.
    const keys = value.channels.flatMap(({ streamKey }) => (streamKey ? [streamKey.reveal()] : []))
    if (new Set(keys).size < keys.length) report(['channels'], 'two channels have the same streamKey')
    const locators = value.programs.flatMap(({ locatorId }) => (locatorId ? [locatorId.toLowerCase()] : []))
    if (new Set(locators).size < locators.length) report(['programs'], 'two programs have the same locatorId')
    value.programs.forEach((entry, index) => {
      if (!channels.has(entry.channel)) report(['programs', index, 'channel'], `there is no channel "${entry.channel}"`)
      if (entry.rewindWindow < 60_000) report(['programs', index, 'rewindWindow'], 'must be at least 60s')
      if (entry.archiveWindow !== 'unlimited' && entry.archiveWindow < entry.rewindWindow) {
        report(['programs', index, 'archiveWindow'], 'must not be shorter than the rewind window')
      }
    })
  })

/** Everything that can be configured: one strict object per room, each key documented in `config/default.yaml`. */
export const configSchema = z.strictObject({
  dataDir: z.string().min(1).default('./data'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  publicHost: z.string().min(1).default('localhost'),
  listen: z
    .strictObject({
      control: listener(8080),
      streaming: listener(8088),
      rtmp: listener(1935),
      rtmps: listener(2935),
    })
    .prefault({}),
  tls: tls.optional(),
  ingest: ingest.prefault({}),
  transcode: transcode.prefault({}),
  origin: origin.prefault({}),
  store: store.prefault({}),
  auth: auth.prefault({}),
  storage: storage.prefault({}),
  keys: keys.prefault({}),
  log: log.prefault({}),
  archive: archive.prefault({}),
  events: events.prefault({}),
  bootstrap: bootstrap.prefault({}),
})

/** The whole configuration, checked, defaults filled in, durations in ms and sizes in bytes. */
export type Config = z.output<typeof configSchema>
/** A channel as it is declared. */
export type ChannelConfig = Config['bootstrap']['channels'][number]
/** A program as it is declared. */
export type ProgramConfig = Config['bootstrap']['programs'][number]

type DurationKeys = {
  latency: 'normal' | 'low'
  segmentDuration?: number | undefined
  partDuration?: number | undefined
}

/** Segment and part durations in milliseconds: 6 s whole, or 4 s with 0.5 s parts at low latency, unless configured. */
export function channelDurations(config: DurationKeys): {
  segmentDurationMs: number
  partDurationMs: number | undefined
} {
  const isLow = config.latency === 'low'
  return {
    segmentDurationMs: config.segmentDuration ?? (isLow ? 4_000 : 6_000),
    partDurationMs: config.partDuration ?? (isLow ? 500 : undefined),
  }
}
