import type { Channel } from '../../domain/channel.ts'
import { assertSeen } from '../rest/etag.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ChannelStatusSource, PublicAddresses, ResourceDeps } from './ports.ts'

/** What channels need beside what every resource does. */
export type ChannelDeps = ResourceDeps & {
  readonly channels: ChannelStatusSource
  readonly addresses: PublicAddresses
}

/** Where one channel is found. */
export const channelPath = '/v1/channels/{channelId}'

/** The channel of a request's path, as the client has seen it where it says so. */
export async function channelOf(deps: ChannelDeps, request: RestRequest): Promise<Channel> {
  const channel = await deps.repository.get('channel', request.params['channelId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, channel)
  return channel
}

/** A channel as audit records and operations name it. */
export function channelSubject({ id, name }: Pick<Channel, 'id' | 'name'>) {
  return { kind: 'channel', id, name } as const
}
