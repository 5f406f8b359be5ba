import { z } from 'zod'
import { guidSchema } from '../../domain/scalars.ts'
import { type Route, route } from '../rest/route.ts'
import { type ChannelDeps, channelOf, channelPath } from './channel-deps.ts'
import { playerUrl } from './locator-paths.ts'

const previewSchema = z
  .strictObject({
    locatorId: guidSchema,
    hlsUrl: z.string().meta({ description: 'For a player that speaks HLS.' }),
    dashUrl: z.string().meta({ description: 'For a player that speaks DASH.' }),
    playerUrl: z.string().optional().meta({ description: 'A page that plays it.' }),
  })
  .meta({ id: 'ChannelPreview', description: 'Where what comes in is watched, before any program.' })

/** `/v1/channels/{channelId}/preview`. */
export function channelPreviewRoute(deps: ChannelDeps): Route {
  return route({
    method: 'get',
    path: `${channelPath}/preview`,
    operationId: 'getChannelPreview',
    summary: 'Where to watch what comes in',
    tag: 'channels',
    access: { action: 'read', resource: 'channel' },
    answers: { 200: { description: 'The addresses, which answer while the channel runs.', schema: previewSchema } },
    async handle(request) {
      const channel = await channelOf(deps, request)
      const { previewLocatorId: locatorId } = channel
      const urlOf = (name: string) => deps.addresses.streamingUrl(`/${locatorId}/${name}`, request.base.host)
      const [hlsUrl, dashUrl] = [urlOf('index.m3u8'), urlOf('index.mpd')]
      const player = playerUrl(request.base, hlsUrl, dashUrl)
      return { status: 200, body: { locatorId, hlsUrl, dashUrl, ...(player !== undefined && { playerUrl: player }) } }
    },
  })
}
