import type { ChannelConfig, Config, ProgramConfig } from '../config/schema.ts'
import type { Account } from '../domain/account.ts'
import { serverChanges } from '../domain/change-set.ts'
import { type Channel, channelCreateSchema, newChannel } from '../domain/channel.ts'
import { formatDuration } from '../domain/duration.ts'
import type { Draft } from '../domain/envelope.ts'
import { newEvent } from '../domain/events.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import { announce } from '../domain/lifecycle.ts'
import { type Locator, locatorCreateSchema, newLocator } from '../domain/locator.ts'
import { newProgram, type Program, programCreateSchema } from '../domain/program.ts'
import { assetForProgram } from '../domain/program-asset.ts'
import type { Repository } from '../domain/repository.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import { validate } from '../domain/validation.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** The ladder that is sized by the machine's cores; only `--demo` asks for it. */
export const DEMO_PRESET = 'demo'

/** What the configuration's first program is published as. */
export type FirstProgram = {
  readonly channel: Channel
  readonly program: Program
  readonly locator: Locator | undefined
}

/** What the bootstrap works on. */
export type BootstrapPorts = {
  readonly repository: Repository
  readonly clock: Clock
  readonly random: RandomBytes
  readonly logger: Logger
}

/**
 * Makes what the configuration declares and the account lacks, by name, meant to run; what is there already stays as it is,
 * whatever the configuration says of it. With `demo` the first program's channel is a ladder for as long as it is asked for.
 *
 * @throws AppError `CONFIG_INVALID` where a declaration collides with something that is there
 */
export async function applyBootstrap(
  bootstrap: Config['bootstrap'],
  account: Account,
  ports: BootstrapPorts,
  demo: boolean,
): Promise<FirstProgram | undefined> {
  const [first] = bootstrap.programs
  for (const declared of bootstrap.channels) {
    const isDemo = demo && declared.name === first?.channel
    const found = await ports.repository.findByName('channel', declared.name, account.id)
    if (found) await followDemo(found, declared, isDemo, account, ports)
    else await declaring(`the channel ${declared.name}`, () => createChannel(declared, isDemo, account, ports))
  }
  for (const declared of bootstrap.programs) {
    const found = await ports.repository.findByName('program', declared.name, account.id)
    if (!found) await declaring(`the program ${declared.name}`, () => createProgram(declared, account, ports))
  }
  return first && firstProgram(first, account, ports)
}

const subjectOf = (kind: 'channel' | 'program', { id, name }: { readonly id: string; readonly name: string }) => ({
  kind,
  id,
  name,
})

const seconds = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms))

/** Without the keys that have no value: schemas tell absent from undefined. */
function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function encodingOf(declared: ChannelConfig, isDemo: boolean): Channel['encoding'] {
  if (isDemo) return { kind: 'standard', preset: DEMO_PRESET }
  return { kind: declared.encoding, preset: declared.ladder }
}

function draftChannel(declared: ChannelConfig, isDemo: boolean, account: Account, random: RandomBytes): Draft<Channel> {
  const { name, keyFrameInterval, takeover, reconnectGrace, returnAfter, slateAfter, allowIp } = declared
  const { latency, segmentDuration, partDuration, adMarkerSource } = declared
  const create = validate(channelCreateSchema, {
    name,
    latency,
    encoding: encodingOf(declared, isDemo),
    input: given({
      keyFrameInterval: seconds(keyFrameInterval),
      takeover,
      reconnectGrace: seconds(reconnectGrace),
      returnAfter: seconds(returnAfter),
      allowIp,
    }),
    output: given({ segmentDuration: seconds(segmentDuration), partDuration: seconds(partDuration) }),
    ...(slateAfter !== undefined && { slate: { after: seconds(slateAfter) } }),
    ...(adMarkerSource && { adMarkerSource }),
    streamKeys: given({ primary: declared.streamKey?.reveal(), secondary: declared.secondaryStreamKey?.reveal() }),
  })
  // The supervisor starts what it finds so.
  return { ...newChannel(create, account.id, random), state: 'Starting', desiredState: 'Running' }
}

async function createChannel(declared: ChannelConfig, isDemo: boolean, account: Account, ports: BootstrapPorts) {
  const draft = draftChannel(declared, isDemo, account, ports.random)
  const changes = serverChanges(account.id, 'channel.create', subjectOf('channel', draft), ports.clock.now())
  changes.create('channel', draft)
  announce(changes, 'channel.created', draft, ports.clock.now())
  await ports.repository.commit(changes)
}

/** A demo's ladder comes and goes with `--demo`; nothing else of a channel that exists is touched. */
async function followDemo(
  channel: Channel,
  declared: ChannelConfig,
  isDemo: boolean,
  account: Account,
  ports: BootstrapPorts,
) {
  const encoding = encodingOf(declared, isDemo)
  const isDemos = isDemo || channel.encoding.preset === DEMO_PRESET
  if (!isDemos || JSON.stringify(encoding) === JSON.stringify(channel.encoding)) return
  const nowMs = ports.clock.now()
  const changes = serverChanges(account.id, 'channel.update', subjectOf('channel', channel), nowMs)
  changes.update('channel', { ...channel, encoding })
  changes.event(newEvent('channel.updated', channel, { fields: ['/encoding'] }, nowMs))
  await ports.repository.commit(changes)
}

async function createProgram(declared: ProgramConfig, account: Account, ports: BootstrapPorts): Promise<void> {
  const { repository, clock, random, logger } = ports
  const channel = await repository.findByName('channel', declared.channel, account.id)
  if (!channel) throw new AppError('CONFIG_INVALID', `bootstrap: the channel ${declared.channel} is gone again`)
  const { name, manifestName, archiveWindow, rewindWindow, startAt, stopAt, locatorId } = declared
  const utc = (text: string | undefined) => (text === undefined ? undefined : formatTimestamp(Date.parse(text)))
  const create = validate(programCreateSchema, {
    ...given({ startAt: utc(startAt), stopAt: utc(stopAt) }),
    name,
    manifestName,
    channelId: channel.id,
    archiveWindow: archiveWindow === 'unlimited' ? archiveWindow : formatDuration(archiveWindow),
    rewindWindow: formatDuration(rewindWindow),
  })
  const asset = await assetForProgram(repository, account.id, name, random)
  const isScheduled = startAt !== undefined
  const program = {
    ...newProgram(create, asset.id, account.id, random),
    ...(!isScheduled && { state: 'Starting' as const, desiredState: 'Running' as const }),
  }
  const nowMs = clock.now()
  const changes = serverChanges(account.id, 'program.create', subjectOf('program', program), nowMs)
  changes.create('asset', asset)
  changes.create('program', program)
  const isPublished = locatorId !== undefined && (await repository.findAnywhere('locator', locatorId.toLowerCase()))
  if (isPublished)
    logger.warn({ locatorId, program: name }, 'the locator of the configuration publishes another asset already')
  else {
    const wanted = validate(locatorCreateSchema, given({ id: locatorId, assetId: asset.id }))
    const locator = newLocator(wanted, account.id, random)
    changes.create('locator', locator)
    changes.event(newEvent('locator.created', locator, { assetId: asset.id }, nowMs))
  }
  announce(changes, 'asset.created', asset, nowMs)
  announce(changes, 'program.created', program, nowMs)
  await ports.repository.commit(changes)
}

/** What the domain or the store has against a declaration is a fault of the configuration. */
async function declaring(what: string, make: () => Promise<void>): Promise<void> {
  try {
    await make()
  } catch (cause) {
    const isDeclared = cause instanceof AppError && (cause.kind === 'conflict' || cause.kind === 'invalid')
    if (!isDeclared || cause.code === 'CONFIG_INVALID') throw cause
    throw new AppError('CONFIG_INVALID', `bootstrap: ${what} can't be made: ${cause.message}`, { cause })
  }
}

async function firstProgram(
  declared: ProgramConfig,
  account: Account,
  { repository }: BootstrapPorts,
): Promise<FirstProgram | undefined> {
  const program = await repository.findByName('program', declared.name, account.id)
  const channel = program && (await repository.find('channel', program.channelId, account.id))
  if (!program || !channel) return undefined
  const locators = await repository.referring('locator', account.id, { relation: 'asset', id: program.assetId })
  return { channel, program, locator: locators[0] }
}
