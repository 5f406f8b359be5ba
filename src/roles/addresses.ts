import { isIPv6 } from 'node:net'

/** Where this node can be reached, as it is printed and written down. */
export type NodeAddresses = {
  readonly controlUrl: string
  readonly streamingUrl: string
  /** What OBS calls the server: the stream key goes beside it. */
  readonly rtmpUrl: string
  readonly rtmpsUrl: string | undefined
}

/** What a viewer needs for one program. */
export type WatchUrls = { readonly hlsUrl: string; readonly dashUrl: string; readonly playerUrl: string }

type Ports = {
  readonly control: number
  readonly streaming: number
  readonly rtmp: number
  readonly rtmps: number | undefined
}

const RTMP_PORT = 1935

/** An IPv6 address stands in brackets in a URL. */
function urlHost(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/** `publicHost`: the name, or address, that people and players use. */
export function nodeAddresses(publicHost: string, ports: Ports, isSecure: boolean): NodeAddresses {
  const scheme = isSecure ? 'https' : 'http'
  const host = urlHost(publicHost)
  return {
    controlUrl: `${scheme}://${host}:${ports.control}`,
    streamingUrl: `${scheme}://${host}:${ports.streaming}`,
    rtmpUrl: `rtmp://${host}${ports.rtmp === RTMP_PORT ? '' : `:${ports.rtmp}`}/live`,
    rtmpsUrl: ports.rtmps === undefined ? undefined : `rtmps://${host}:${ports.rtmps}/live`,
  }
}

/** The short aliases of a locator, and the player page opened on them. */
export function watchUrls(addresses: NodeAddresses, locatorId: string): WatchUrls {
  const hlsUrl = `${addresses.streamingUrl}/${locatorId}/index.m3u8`
  const dashUrl = `${addresses.streamingUrl}/${locatorId}/index.mpd`
  const query = new URLSearchParams({ hls: hlsUrl, dash: dashUrl })
  return { hlsUrl, dashUrl, playerUrl: `${addresses.controlUrl}/player/?${query}` }
}

/** Where this machine itself reaches a listener that was given `host`: one on every address is there on the loopback. */
export function localHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return urlHost(host)
}
