import { gzipSync } from 'node:zlib'
import { expect, it, vi } from 'vitest'
import { silentLogger } from '../../../src/lib/logger.ts'
import type { Answer } from '../../../src/origin/answer.ts'
import { ConformanceSampler } from '../../../src/origin/conformance-sampler.ts'

const PLAYLIST = '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2.000,\n1.ts\n'

function answerOf(body: Uint8Array | string, type: string, more: readonly string[] = []): Answer {
  const bytes = Buffer.from(body)
  return { status: 200, headers: ['Content-Type', type, ...more], chunks: [bytes], sizeBytes: bytes.byteLength }
}

function open(every = 1) {
  const rules: string[] = []
  const error = vi.fn()
  const violated = vi.fn((rule: string) => rules.push(rule))
  const sampler = new ConformanceSampler({ every, violated, logger: { ...silentLogger, error } as typeof silentLogger })
  return { sampler, rules, error, violated }
}

const HLS = 'application/vnd.apple.mpegurl'

it('checks manifests as they are sent, zipped or not, and against the reading before', async () => {
  const { sampler, rules, error } = open()
  const zipped = answerOf(gzipSync(PLAYLIST), HLS, ['Content-Encoding', 'gzip'])
  const changed = answerOf(PLAYLIST.replace('1.ts', '2.ts'), HLS)
  for (const [url, answer] of [
    ['/a.m3u8', zipped],
    ['/b.m3u8', changed],
    ['/a.m3u8?_HLS_skip=YES', changed],
  ] as const) {
    sampler.look(url, 'media-playlist', answer)
    await sampler.idle()
  }
  expect(rules).toEqual([])
  sampler.look('/a.m3u8', 'media-playlist', changed)
  await sampler.idle()
  expect(rules).toEqual(['hls-reload-changed'])
  sampler.look('/a.m3u8', 'media-playlist', zipped)
  await sampler.idle()
  expect(rules).toHaveLength(2)
  // A rule is logged once.
  expect(error).toHaveBeenCalledTimes(1)
  expect(error.mock.calls[0]?.[0]).toMatchObject({ rule: 'hls-reload-changed', url: '/a.m3u8' })
})

it('checks media at once and MPDs in their turn, and leaves other answers alone', async () => {
  const { sampler, rules } = open()
  for (const kind of ['segment', 'part'] as const) sampler.look('/1.m4s', kind, answerOf('no boxes', 'video/mp4'))
  expect(new Set(rules)).toEqual(new Set(['cmaf-boxes']))
  rules.length = 0
  for (let asked = 0; asked < 3; asked++) sampler.look('/a.mpd', 'mpd', answerOf('<MPD', 'application/dash+xml'))
  await sampler.idle()
  expect(rules).toEqual(['dash-syntax', 'dash-syntax', 'dash-syntax'])
  sampler.look('/1.m4s', 'segment', { ...answerOf('x', 'video/mp4'), status: 206 })
  sampler.look('/t', 'time', answerOf('2026', 'text/plain'))
  sampler.look('/i', 'init', answerOf('x', 'video/mp4'))
  await sampler.idle()
  expect(rules).toHaveLength(3)
})

it('checks Smooth Streaming, manifests as well as fragments', async () => {
  const { sampler, rules } = open()
  sampler.look('/l/a.ism/manifest', 'smooth-manifest', answerOf('<SmoothStreamingMedia', 'text/xml'))
  await sampler.idle()
  expect(rules).toEqual(['smooth-syntax'])
  const path = '/l/a.ism/QualityLevels(1)/Fragments(video=0)'
  sampler.look(path, 'smooth-fragment', answerOf('no boxes', 'video/mp4'))
  expect(new Set(rules.slice(1))).toEqual(new Set(['smooth-fragment']))
})

it('passes manifests over where too many wait, and goes on', async () => {
  const { sampler, violated } = open()
  const wrong = answerOf('<MPD', 'application/dash+xml')
  for (let asked = 0; asked < 200; asked++) sampler.look('/a.mpd', 'mpd', wrong)
  await sampler.idle()
  expect(violated).toHaveBeenCalledTimes(64)
  sampler.look('/a.mpd', 'mpd', wrong)
  await sampler.idle()
  expect(violated).toHaveBeenCalledTimes(65)
})

it('says that it could not read an answer, and goes on', async () => {
  const { sampler, rules, error } = open()
  sampler.look('/a.m3u8', 'media-playlist', answerOf(PLAYLIST, HLS, ['Content-Encoding', 'gzip']))
  await sampler.idle()
  expect(error).toHaveBeenCalledTimes(1)
  sampler.look('/a.m3u8', 'media-playlist', answerOf(PLAYLIST.slice(1), HLS))
  await sampler.idle()
  expect(rules).toContain('hls-syntax')
})

it('looks at one in so many', async () => {
  const { sampler, violated } = open(3)
  for (let asked = 0; asked < 9; asked++) {
    sampler.look('/a.mpd', 'mpd', answerOf('<MPD', 'application/dash+xml'))
    await sampler.idle()
  }
  expect(violated).toHaveBeenCalledTimes(3)
})
