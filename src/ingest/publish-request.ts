import type { PublishCommand } from '../media/rtmp/server-commands.ts'
import type { PublishRequest } from './ports.ts'
import { maskKey, parsePublishName } from './publish-name.ts'

/** One connection as it was accepted. */
export type SessionPeer = { readonly id: string; readonly remoteAddress: string; readonly secure: boolean }

/** What the gate is asked for the `ordinal`-th publish (from 1) of a connection; `undefined` when it names no stream. */
export function publishRequest(
  command: PublishCommand,
  peer: SessionPeer,
  ordinal: number,
): PublishRequest | undefined {
  const { connect, name } = command
  const target = parsePublishName(connect.app, connect.tcUrl, name)
  if (!target) return undefined
  return {
    ...target,
    sessionId: ordinal === 1 ? peer.id : `${peer.id}-${ordinal}`,
    streamName: name,
    remoteAddress: peer.remoteAddress,
    secure: peer.secure,
    encoder: connect.flashVer,
    enhanced: connect.enhanced,
  }
}

/** What a log line may say of a request: everything but the key. */
export function publishLogFields(request: PublishRequest): Record<string, unknown> {
  const { key, layer, encoder, enhanced } = request
  return { layer, key: maskKey(key), encoder, enhanced }
}
