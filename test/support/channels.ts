import { createHash } from 'node:crypto'
import type { FlvMessage } from './flv-file.ts'
import { type Headend, type HeadendOptions, startHeadend } from './headend.ts'
import { enhancedConnectFields, RtmpPublisher, type RtmpPublisherOptions } from './rtmp-publisher.ts'

/** Fields of a channel and of its one program, over the defaults. */
export type ChannelPlan = {
  readonly channel?: Readonly<Record<string, unknown>>
  readonly program?: Readonly<Record<string, unknown>>
}

/** Where one of several channels is published to and watched. */
export type ChannelAccess = { readonly key: string; readonly hlsUrl: string; readonly dashUrl: string }

export type ChannelHouse = { readonly headend: Headend; at(name: string): ChannelAccess }

export function keyOf(name: string): string {
  return `key-of-${name}`
}

/** A GUID that is always the same for a name, in the form of RFC 9562 §5.5. */
function guidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

/** One Headend with a channel and a program for each name; what is published to one doesn't touch the others. */
export async function startChannels(
  plans: Readonly<Record<string, ChannelPlan>>,
  options: HeadendOptions = {},
): Promise<ChannelHouse> {
  const channels = Object.entries(plans).map(([name, { channel }]) => {
    return { name, streamKey: keyOf(name), segmentDuration: '2s', ...channel }
  })
  const programs = Object.entries(plans).map(([name, { program }]) => {
    return { name, channel: name, locatorId: guidOf(name), ...program }
  })
  const headend = await startHeadend({ ...options, config: { ...options.config, bootstrap: { channels, programs } } })
  return {
    headend,
    at(name) {
      const base = `${headend.quickstart.streamingUrl}/${guidOf(name)}/index`
      return { key: keyOf(name), hlsUrl: `${base}.m3u8`, dashUrl: `${base}.mpd` }
    },
  }
}

/** A synthetic encoder that publishes to a key. */
export function openPublisher(
  headend: Headend,
  key: string,
  options: Partial<RtmpPublisherOptions> = {},
): Promise<RtmpPublisher> {
  return RtmpPublisher.publish({
    host: '127.0.0.1',
    port: headend.rtmpPort,
    streamName: key,
    chunkSize: 4096,
    connectFields: enhancedConnectFields,
    ...options,
  })
}

/**
 * Sends messages in order: as fast as the socket takes them, or, with `realTime`, each when as much wall clock has gone
 * by since the first as their timestamps say. Ends early when the connection is gone.
 */
export async function feed(publisher: RtmpPublisher, messages: readonly FlvMessage[], realTime = false): Promise<void> {
  const startMs = performance.now()
  const [first] = messages
  for (const { messageType, timestampMs, payload } of messages) {
    const waitMs = timestampMs - (first?.timestampMs ?? 0) - (performance.now() - startMs)
    if (realTime && waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (publisher.socket.destroyed) return
    await publisher.send(messageType, timestampMs, payload)
  }
}

/** Ends the publish in order: everything that was sent arrives. */
export async function hangUp(publisher: RtmpPublisher): Promise<void> {
  publisher.unpublish()
  publisher.socket.end()
  await publisher.closed
}

/** Publishes messages and ends the publish. */
export async function publishMessages(
  headend: Headend,
  key: string,
  messages: readonly FlvMessage[],
  options: Partial<RtmpPublisherOptions> & { readonly realTime?: boolean } = {},
): Promise<void> {
  const { realTime, ...connection } = options
  const publisher = await openPublisher(headend, key, connection)
  await feed(publisher, messages, realTime)
  await hangUp(publisher)
}
