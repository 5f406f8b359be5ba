/** What is asked of the origin in a load test: a format, and where its segments are found. */
export type OriginFormat = 'cmaf' | 'ts' | 'smooth'

const MANIFESTS: Readonly<Record<OriginFormat, string>> = {
  cmaf: 'index.m3u8',
  ts: 'media.ism/manifest(format=m3u8-aapl)',
  smooth: 'media.ism/manifest',
}

async function textOf(url: URL): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status} ${text}`)
  return text
}

function linesOf(playlist: string): string[] {
  return playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** The paths of all whole video segments that a presentation has in a format, by its own manifests. */
export async function segmentPaths(port: number, locator: string, format: OriginFormat): Promise<string[]> {
  const manifest = new URL(`http://127.0.0.1:${port}/${locator}/${MANIFESTS[format]}`)
  const text = await textOf(manifest)
  const urls = format === 'smooth' ? smoothUrls(text, manifest) : await playlistUrls(text, manifest)
  // The last one is shorter.
  return urls.slice(0, -1).map(({ pathname }) => pathname)
}

async function playlistUrls(master: string, base: URL): Promise<URL[]> {
  const playlist = new URL(linesOf(master)[0] ?? '', base)
  return linesOf(await textOf(playlist)).map((line) => new URL(line, playlist))
}

function smoothUrls(manifest: string, base: URL): URL[] {
  const video = /<StreamIndex[^>]*Type="video"[\s\S]*?<\/StreamIndex>/.exec(manifest)?.[0] ?? ''
  const template = /Url="([^"]+)"/.exec(video)?.[1] ?? ''
  const bitrate = /Bitrate="(\d+)"/.exec(video)?.[1] ?? ''
  const urls: URL[] = []
  let time = 0
  for (const [, attributes = ''] of video.matchAll(/<c ([^>]*)\/>/g)) {
    const value = (name: string) => new RegExp(`(?:^|\\s)${name}="(\\d+)"`).exec(attributes)?.[1]
    time = Number(value('t') ?? time)
    for (let repeat = Number(value('r') ?? 1); repeat > 0; repeat--) {
      const path = template.replace(/\{bitrate\}/i, bitrate).replace(/\{start[ _]time\}/i, String(time))
      urls.push(new URL(path, base))
      time += Number(value('d'))
    }
  }
  return urls
}
