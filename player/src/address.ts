import type { Protocol } from './engine.ts'

/** What to play: at least one of the two manifests, when there is anything at all. */
export type Source = { readonly title?: string; readonly hls?: string; readonly dash?: string }

/** What the page's own URL asks for. */
export type PageRequest = {
  readonly source: Source
  readonly protocol: Protocol | undefined
  readonly embed: boolean
  /** Plays MPDs by shaka-player rather than by dash.js. */
  readonly shaka: boolean
  readonly token: string | undefined
}

/** Whether a manifest's URL is one of Smooth Streaming, which is what the AMS grammar means without a `format=` too. */
export function isSmooth(url: string): boolean {
  const format = formatOf(url)
  return format === undefined ? /\.isml?\/manifest(?=$|[?#(])/i.test(url) : format.startsWith('fmp4')
}

/**
 * Tells the protocol from a manifest's URL: the AMS-style `format=` first, then the extension; HLS when in doubt. Smooth Streaming is
 * played by what plays DASH.
 */
export function protocolOf(url: string): Protocol {
  if (isSmooth(url)) return 'dash'
  const format = formatOf(url)
  if (format !== undefined) return format.startsWith('mpd') ? 'dash' : 'hls'
  return /\.mpd(?=$|[?#])/i.test(url) ? 'dash' : 'hls'
}

function formatOf(url: string): string | undefined {
  return /format=([a-z0-9-]+)/i.exec(url)?.[1]?.toLowerCase()
}

/** A source of one manifest whose kind is told from its URL. */
export function sourceOf(url: string): Source {
  return protocolOf(url) === 'dash' ? { dash: url } : { hls: url }
}

/** Only http(s) is fetched; anything else that a link might carry is ignored. */
function webUrl(value: string | null): string | undefined {
  const url = value ? URL.parse(value, location.href) : null
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined
}

/**
 * Reads `?hls=…&dash=…&protocol=…`, `?url=…`, `?title=…`, `?embed=1` and `?player=shaka`; the token from the part behind `#` (`#token=…`),
 * which browsers send to nobody.
 */
export function readPageRequest(search: string, hash = ''): PageRequest {
  const params = new URLSearchParams(search)
  const url = webUrl(params.get('url'))
  const hls = webUrl(params.get('hls'))
  const dash = webUrl(params.get('dash'))
  const title = params.get('title')
  const wanted = params.get('protocol')
  return {
    source: { ...(url && sourceOf(url)), ...(hls && { hls }), ...(dash && { dash }), ...(title && { title }) },
    protocol: wanted === 'hls' || wanted === 'dash' ? wanted : undefined,
    embed: params.get('embed') === '1',
    shaka: params.get('player') === 'shaka',
    token: new URLSearchParams(hash.replace(/^#/, '')).get('token')?.trim() || undefined,
  }
}

/** What the server has to offer by itself, or nothing. */
export async function loadDefaultSource(): Promise<Source> {
  try {
    const answer = await fetch('/player/default.json', { cache: 'no-store', signal: AbortSignal.timeout(5_000) })
    if (!answer.ok) return {}
    const { title, hlsUrl, dashUrl }: { title?: unknown; hlsUrl?: unknown; dashUrl?: unknown } = await answer.json()
    return {
      ...(typeof title === 'string' && { title }),
      ...(typeof hlsUrl === 'string' && { hls: hlsUrl }),
      ...(typeof dashUrl === 'string' && { dash: dashUrl }),
    }
  } catch {
    return {}
  }
}
