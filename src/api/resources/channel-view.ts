import { z } from 'zod'
import { type Channel, type ChannelView, channelViewSchema } from '../../domain/channel.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ChannelDeps } from './channel-deps.ts'

/** Where and with which keys encoders publish to a channel. */
export const channelKeysSchema = z
  .strictObject({ ingest: channelViewSchema.shape.ingest })
  .meta({ id: 'ChannelKeys', description: 'Where and with which keys encoders publish.' })

function ingestOf(channel: Channel, { addresses, channels }: ChannelDeps, withKeys: boolean): ChannelView['ingest'] {
  const { rtmpUrl, rtmpsUrl } = addresses
  const published = channel.state === 'Running' ? channels.inputs(channel.id) : []
  return (['primary', 'secondary'] as const).map((input) => ({
    input,
    url: rtmpUrl,
    ...(rtmpsUrl !== undefined && { secureUrl: rtmpsUrl }),
    ...(withKeys && { streamKey: channel.streamKeys[input] }),
    ...published.find((status) => status.input === input),
  }))
}

/** A channel as it is shown, without its keys. */
export function showChannel(channel: Channel, deps: ChannelDeps, request: Pick<RestRequest, 'base'>): ChannelView {
  const { streamKeys: _secret, ...rest } = channel
  const health = channel.state === 'Running' ? deps.channels.health(channel.id) : undefined
  const preview =
    channel.state === 'Running'
      ? { previewUrl: deps.addresses.streamingUrl(`/${channel.previewLocatorId}/index.m3u8`, request.base.host) }
      : {}
  return { ...rest, ingest: ingestOf(channel, deps, false), ...preview, ...(health && { health }) }
}

/** A channel's keys with where they are used. */
export function showChannelKeys(channel: Channel, deps: ChannelDeps): z.output<typeof channelKeysSchema> {
  return { ingest: ingestOf(channel, deps, true) }
}
