import { z } from 'zod'
import { hasRecording } from '../../domain/asset.ts'
import { publishedFiles } from '../../domain/file-set.ts'
import { idSchema } from '../../domain/kinds.ts'
import { type Locator, locatorStatus } from '../../domain/locator.ts'
import type { RestRequest } from '../rest/route.ts'
import type { LocatorDeps } from './locator-deps.ts'

const pathSchema = z.strictObject({
  format: z.enum(['hls', 'dash', 'smooth']).meta({ description: 'What the player has to speak.' }),
  audioOnly: z.boolean().meta({ description: 'Without video.' }),
  path: z.string().meta({
    description: 'On the streaming endpoint.',
    example: '/6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b/manifest.ism/manifest(format=m3u8-cmaf)',
  }),
  url: z.string().meta({ description: 'The whole of it.' }),
})

/** The URLs of a locator. */
export const locatorPathsSchema = z
  .strictObject({
    locatorId: idSchema('locator'),
    status: z.enum(['pending', 'active', 'expired']).meta({ description: 'Only an active locator is answered for.' }),
    paths: z
      .array(pathSchema)
      .meta({ description: 'Short ones first. Empty while the asset has nothing that can be streamed.' }),
    playerUrl: z.string().optional().meta({ description: 'A page that plays it.' }),
  })
  .meta({ id: 'LocatorPaths', description: 'Where what a locator publishes is played.' })

type LocatorPath = { readonly format: 'hls' | 'dash' | 'smooth'; readonly audioOnly: boolean; readonly path: string }

/** What stands after the locator's id; see the URL grammar of the streaming endpoint. */
function pathsUnder(id: string, manifestNames: readonly string[]): LocatorPath[] {
  const named = manifestNames.flatMap((name) =>
    [false, true].flatMap((audioOnly) =>
      (
        [
          ['hls', 'm3u8-cmaf'],
          ['dash', 'mpd-time-cmaf'],
          ['smooth', 'fmp4-v20'],
          ['hls', 'm3u8-aapl'],
          ['hls', 'm3u8-aapl-v3'],
        ] as const
      ).map(([format, ams]) => {
        const options = `format=${ams}${audioOnly ? ',audio-only=true' : ''}`
        return { format, audioOnly, path: `/${id}/${name}.ism/manifest(${options})` }
      }),
    ),
  )
  return [
    { format: 'hls', audioOnly: false, path: `/${id}/index.m3u8` },
    { format: 'dash', audioOnly: false, path: `/${id}/index.mpd` },
    ...named,
  ]
}

/** The control listener's player, as the client reached us; a `Host` that is none is not repeated. */
export function playerUrl({ secure, host }: RestRequest['base'], hls: string, dash: string): string | undefined {
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host)) return undefined
  const query = new URLSearchParams({ hls, dash })
  return `${secure ? 'https' : 'http'}://${host}/player/?${query}`
}

/**
 * The URLs by which a locator's asset is played. A manifest goes by the name of the program that records it, or of the file where
 * nothing was recorded.
 */
export async function showLocatorPaths(
  deps: LocatorDeps,
  locator: Locator,
  base: RestRequest['base'],
): Promise<z.output<typeof locatorPathsSchema>> {
  const { id, assetId, accountId } = locator
  const [asset, programs] = await Promise.all([
    deps.repository.get('asset', assetId, accountId),
    deps.repository.referring('program', accountId, { relation: 'asset', id: assetId }),
  ])
  const isRecorded = programs.length > 0 || hasRecording(asset)
  const files = isRecorded
    ? undefined
    : publishedFiles(await deps.repository.referring('asset-file', accountId, { relation: 'asset', id: assetId }))
  const recorded = programs.map(({ manifestName }) => manifestName)
  const names = [...new Set(files ? [files.manifestName] : recorded)].map(encodeURIComponent)
  const isStreamable = isRecorded || files !== undefined
  const paths = (isStreamable ? pathsUnder(id, names) : []).map((entry) => ({
    ...entry,
    url: deps.addresses.streamingUrl(entry.path, base.host),
  }))
  const [hls, dash] = paths
  const player = hls && dash && playerUrl(base, hls.url, dash.url)
  const status = locatorStatus(locator, deps.clock.now())
  return { locatorId: id, status, paths, ...(player !== undefined && { playerUrl: player }) }
}
