import { type NodeAddresses, type WatchUrls, watchUrls } from './addresses.ts'
import type { FirstProgram } from './bootstrap.ts'
import type { DataDir } from './data-dir.ts'

const FILE = 'quickstart.json'

/** Enough to publish to the first channel of the configuration and to watch its first program. */
type FirstStream = WatchUrls & { readonly streamKey: string }

/**
 * What `{dataDir}/quickstart.json` holds: where the node is, the key to everything (of `system`), and, where the configuration
 * declares a channel with a program, how to publish and watch.
 */
export type Quickstart = {
  readonly controlUrl: string
  readonly streamingUrl: string
  readonly rtmpUrl: string
  readonly rtmpsUrl?: string
  /** Absent where only somebody else knows it. */
  readonly apiKey?: string
} & Partial<FirstStream>

/** `apiKey`: of the first credential. */
export function quickstartOf(
  addresses: NodeAddresses,
  apiKey: string | undefined,
  first: FirstProgram | undefined,
): Quickstart {
  const { rtmpsUrl, ...always } = addresses
  return {
    ...always,
    ...(rtmpsUrl === undefined ? {} : { rtmpsUrl }),
    ...(apiKey !== undefined && { apiKey }),
    ...(first && { streamKey: first.channel.streamKeys.primary }),
    ...(first?.locator && watchUrls(addresses, first.locator.id)),
  }
}

/** For the eyes of whoever started it. The stream key is a secret that its owner has to be told; the API's key stays in the file. */
export function describeQuickstart(quickstart: Quickstart, isDemo: boolean, file: string): string {
  const { streamKey, playerUrl, hlsUrl, dashUrl } = quickstart
  const manage = [
    'Manage:',
    `  API         ${quickstart.controlUrl}/docs`,
    ...(quickstart.apiKey === undefined ? [] : [`  Its key     apiKey in ${file}`]),
    '',
  ]
  if (streamKey === undefined) return manage.join('\n')
  const publish = isDemo
    ? ['A test pattern is being published for you. To publish your own, start without --demo.']
    : ['Publish (OBS: Settings → Stream → Service "Custom…"):']
  return [
    ...publish,
    `  Server      ${quickstart.rtmpUrl}`,
    ...(quickstart.rtmpsUrl ? [`              ${quickstart.rtmpsUrl}`] : []),
    `  Stream key  ${streamKey}`,
    '',
    ...(playerUrl === undefined
      ? []
      : ['Watch:', `  Player      ${playerUrl}`, `  HLS         ${hlsUrl}`, `  DASH        ${dashUrl}`, '']),
    ...manage,
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
