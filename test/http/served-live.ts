import { type FakeLive, startOrigin } from './origin-fixture.ts'
import { PartedLive } from './parted-live.ts'
import { rawRequest } from './raw-request.ts'

const running: { stop(): Promise<void> }[] = []
/** Stops every server of `serveLive`. */
export async function stopServed(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()))
}

/** A real server over the presentation, and requests to the playlist of its first rendition. */
export async function serveLive(
  live: FakeLive,
  ...rest: [Parameters<typeof startOrigin>[1]?, Parameters<typeof startOrigin>[2]?]
) {
  const { server, base } = await startOrigin(live, ...rest)
  running.push(server)
  const master = await rawRequest(`${base}/loc-1/index.m3u8`, {})
  const first =
    master.body
      .toString()
      .split('\n')
      .find((line) => line !== '' && !line.startsWith('#')) ?? ''
  const video = new URL(first, `${base}/loc-1/`).href
  const get = async (query = '', url = video, headers: Record<string, string> = {}) => {
    const answer = await rawRequest(`${url}${query}`, { headers })
    return { ...answer, text: answer.body.toString() }
  }
  return { server, base, video, audio: video.replace('video-1', 'audio-1'), get }
}

/** Segments 0 to 9 are closed, and of 10 there are so many parts of the video. */
export function tenAnd(parts: number): PartedLive {
  return new PartedLive().segments(10).open().part(0, parts)
}

/** The URIs of EXT-X-PART. */
export function partsIn(text: string): string[] {
  return [...text.matchAll(/^#EXT-X-PART:.*URI="([^"]+)"/gm)].map((match) => match[1] ?? '')
}

/** The URI of EXT-X-PRELOAD-HINT. */
export function hintIn(text: string): string | undefined {
  return /^#EXT-X-PRELOAD-HINT:TYPE=PART,URI="([^"]+)"$/m.exec(text)?.[1]
}
