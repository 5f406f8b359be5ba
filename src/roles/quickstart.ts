import type { Config } from '../config/schema.ts'
import { type NodeAddresses, watchUrls } from './addresses.ts'
import type { ChannelHost } from './channel-host.ts'
import type { DataDir } from './data-dir.ts'
import type { Identities } from './identities.ts'

const FILE = 'quickstart.json'

/** What `{dataDir}/quickstart.json` holds: enough to publish to the first channel and to watch its first program. */
export type Quickstart = {
  readonly controlUrl: string
  readonly streamingUrl: string
  readonly rtmpUrl: string
  readonly rtmpsUrl?: string
  readonly streamKey: string
  readonly hlsUrl: string
  readonly dashUrl: string
  readonly playerUrl: string
}

/** `undefined` where the configuration declares no channel with a program. */
export function quickstartOf(
  config: Config,
  addresses: NodeAddresses,
  hosts: readonly ChannelHost[],
  identities: Identities,
): Quickstart | undefined {
  const program = config.bootstrap.programs[0]
  const host = hosts.find(({ name }) => name === program?.channel)
  if (!program || !host) return undefined
  const { rtmpsUrl, ...always } = addresses
  return {
    ...always,
    ...(rtmpsUrl === undefined ? {} : { rtmpsUrl }),
    streamKey: host.streamKey.reveal(),
    ...watchUrls(addresses, identities.program(program).locatorId),
  }
}

/** For the eyes of whoever started it. The stream key is a secret that its owner has to be told. */
export function describeQuickstart(quickstart: Quickstart, isDemo: boolean): string {
  const publish = isDemo
    ? ['A test pattern is being published for you. To publish your own, start without --demo.']
    : ['Publish (OBS: Settings → Stream → Service "Custom…"):']
  return [
    ...publish,
    `  Server      ${quickstart.rtmpUrl}`,
    ...(quickstart.rtmpsUrl ? [`              ${quickstart.rtmpsUrl}`] : []),
    `  Stream key  ${quickstart.streamKey}`,
    '',
    'Watch:',
    `  Player      ${quickstart.playerUrl}`,
    `  HLS         ${quickstart.hlsUrl}`,
    `  DASH        ${quickstart.dashUrl}`,
    '',
  ].join('\n')
}

/** Before anything else is done. */
export function removeQuickstart(dataDir: DataDir): Promise<void> {
  return dataDir.remove(FILE)
}

/** Written last, when everything in it answers, and whole or not at all: scripts wait for it. */
export function writeQuickstart(dataDir: DataDir, quickstart: Quickstart): Promise<void> {
  return dataDir.writeJson(FILE, quickstart)
}
