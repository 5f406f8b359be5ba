import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { ffprobe, publish, run } from '../support/ffmpeg.ts'
import { startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMedia, type MediaPlaylist, playingVariant, until } from '../support/playlist.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const stretch = ({ segments }: MediaPlaylist, number: number) =>
  segments.filter(({ gap, discontinuitySequence }) => !gap && discontinuitySequence === number)

/** What a stretch is, as ffmpeg decodes it: nothing to complain of, and how many pictures it has. */
async function pictures(list: MediaPlaylist, number: number, name: string): Promise<number> {
  const segments = stretch(list, number)
  const file = join(folder, name)
  const init = await fetchBytes(segments[0]?.initUrl ?? '')
  writeFileSync(file, concatBytes([init, ...(await Promise.all(segments.map(({ url }) => fetchBytes(url))))]))
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-'])
  expect(stderr).toBe('')
  const { streams } = (await ffprobe('-show_streams', '-count_frames', file)) as { streams: Record<string, unknown>[] }
  return Number(streams[0]?.['nb_read_frames'])
}

describe.each([
  ['what passes through', {}],
  ['a ladder', { encoding: 'standard', ladder: 'fast' }],
])('a break with a slate over %s', (name, channel) => {
  it('shows the slate for its length, decodes, and gives way to the encoder, which was there all the time', async () => {
    const headend = await startHeadend({ channel })
    const encoder = publish(headend.publishUrl, { gopFrames: 50 })
    try {
      const { url } = await playingVariant(headend.quickstart.hlsUrl, 3)
      const user = await (await ApiUser.of(headend)).inDefaultAccount()
      const [main] = (await user.ask(200, 'GET', '/v1/channels'))['items'] as Json[]
      const path = `/v1/channels/${String(main?.['id'])}/ad-markers`
      const wanted = { type: 'splice-out', id: 'b', offset: 'PT4S', duration: 'PT8S', showSlate: true }
      await user.ask(201, 'POST', path, wanted)
      const isBack = (list: MediaPlaylist) => stretch(list, 2).length >= 3
      const back = await until('the encoder behind the slate', 60_000, () => fetchMedia(url), isBack)
      const seconds = stretch(back, 1).reduce((sum, { duration }) => sum + duration, 0)
      expect(seconds).toBeGreaterThan(7)
      expect(seconds).toBeLessThan(12)
      expect(Math.abs((await pictures(back, 1, `${name}-slate.mp4`)) - seconds * 25)).toBeLessThanOrEqual(2)
      expect(await pictures(back, 2, `${name}-back.mp4`)).toBeGreaterThan(100)
      expect(back.segments.filter(({ gap }) => gap)).toEqual([])
      const events = (await user.ask(200, 'GET', '/v1/events?limit=200'))['items'] as Json[]
      const types = events.map(({ type }) => type)
      expect(types).toEqual(expect.arrayContaining(['channel.slate-started', 'channel.slate-ended']))
      expect(types).not.toContain('channel.input-lost')
    } finally {
      await encoder.stop()
      await headend.stop()
    }
  })
})
