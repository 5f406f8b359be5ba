import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DeliveryKey, type DeliveryTerms, nothingDelivered } from '../../src/domain/delivery-terms.ts'
import { type FilePresentation, openFilePresentation } from '../../src/ondemand/file-presentation.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { temporaryFolder } from '../support/headend.ts'
import { readIntoMemory } from '../support/source-files.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { get, text, urisOf } from './playlist-reading.ts'

const KID = '00000000-0000-4000-8000-0000000000a1'
const folder = temporaryFolder()
let film: FilePresentation

/** A key frame a second for five seconds, in segments of two: the last one is that key frame and nothing else. */
beforeAll(async () => {
  const path = join(folder, 'film.mp4')
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '1', '-video_track_timescale', '90000']
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=1', ...x264, '-t', '5', path)
  const { signal } = new AbortController()
  film = await openFilePresentation('film', [readIntoMemory(path)], signal, { segmentDurationMs: 2_000 })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An origin that encrypts the film, and the addresses of its last segment and of its last key frame. */
async function open(kind: DeliveryKey['kind'] & ('envelope' | 'cenc' | 'cbcs')) {
  const key: DeliveryKey = {
    contentKeyId: KID,
    kind,
    rotating: false,
    created: '2026-01-01T00:00:00Z',
    had: ['aes128'],
  }
  const protocols = { ...nothingDelivered.protocols, hls: [kind] }
  const delivery: DeliveryTerms = { ...nothingDelivered, policy: 'dp_1', protocols, keys: [key] }
  const { view } = film
  const { server, base } = await startOrigin(
    new FakeLive(),
    {},
    {
      publications: { find: (locatorId) => ({ locatorId, manifestName: 'film', view, delivery }) },
      fragments: { read: (_id, rendition, sequence, signal) => film.read(rendition, sequence, signal) },
      contentKeys: { findFor: async () => ({ material: { source: 'value', bytes: new Uint8Array(16).fill(7) } }) },
    },
  )
  const master = `${base}/l/index.m3u8`
  const lists = urisOf(await text(master), master)
  const lastOf = async (list = '') => urisOf(await text(list), list).at(-1) ?? ''
  const segment = await lastOf(lists.find((uri) => uri.endsWith('video-1.m3u8')))
  const keyFrame = await lastOf(lists.find((uri) => uri.endsWith('-iframes.m3u8')))
  return { server, urls: [segment, keyFrame] }
}

it.each(['envelope', 'cenc', 'cbcs'] as const)(
  'a segment of one key frame and the key frame by itself are each what they are, whichever is asked for first: %s',
  async (kind) => {
    const seen: Record<string, unknown>[] = []
    for (const isTurned of [false, true]) {
      const { server, urls } = await open(kind)
      expect(urls.map((url) => url.replace(/^.*\/\d+/, ''))).toEqual(['.m4s', '.key.m4s'])
      const answers: Record<string, unknown> = {}
      for (const url of isTurned ? urls.toReversed() : urls) {
        const { status, headers, body } = await get(url)
        answers[new URL(url).pathname] = { status, etag: headers['etag'], body: body.toString('hex') }
      }
      await server.stop()
      const [one, other] = Object.values(answers) as { status: number; etag: string; body: string }[]
      expect([one?.status, other?.status, one?.body.length]).toEqual([200, 200, other?.body.length])
      expect(one?.etag).not.toBe(other?.etag)
      expect(one?.body).not.toBe(other?.body)
      seen.push(answers)
    }
    expect(seen[1]).toEqual(seen[0])
  },
)
