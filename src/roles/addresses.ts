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

/** `host`: the name that people and players use. */
export function nodeAddresses(host: string, ports: Ports, isSecure: boolean): NodeAddresses {
  const scheme = isSecure ? 'https' : 'http'
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
