import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { ffprobe, publish, run } from '../support/ffmpeg.ts'
import { startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, type MediaPlaylist, playingVariant, until } from '../support/playlist.ts'

const SOURCE = { gopFrames: 50 }
const folder = temporaryFolder()

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The segments with media of the n-th stretch. */
const stretch = ({ segments }: MediaPlaylist, number: number) =>
  segments.filter(({ gap, discontinuitySequence }) => !gap && discontinuitySequence === number)

/** Waits for so many segments of a stretch. */
function untilStretch(url: string, number: number, count: number): Promise<MediaPlaylist> {
  const what = `${count} segments of stretch ${number}`
  return until(
    what,
    40_000,
    () => fetchMedia(url),
    (list) => stretch(list, number).length >= count,
  )
}

/** What a stretch is, as ffmpeg decodes it: nothing to complain of, and what ffprobe says of its one stream. */
async function decoded(list: MediaPlaylist, number: number, name: string): Promise<Record<string, unknown>> {
  const file = join(folder, name)
  const segments = stretch(list, number)
  const init = await fetchBytes(segments[0]?.initUrl ?? '')
  writeFileSync(file, concatBytes([init, ...(await Promise.all(segments.map(({ url }) => fetchBytes(url))))]))
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-'])
  expect(stderr).toBe('')
  const { streams } = (await ffprobe('-show_streams', '-count_frames', file)) as { streams: Record<string, unknown>[] }
  return streams[0] ?? {}
}

/** The loudest sample of a stretch, in dBFS. */
async function loudest(name: string): Promise<number> {
  const { stderr } = await run('ffmpeg', ['-i', join(folder, name), '-af', 'volumedetect', '-f', 'null', '-'])
  return Number(/max_volume: (\S+) dB/.exec(stderr)?.[1])
}

const channels = [
  ['what passes through', {}, { width: 320, height: 180, codec_name: 'h264', r_frame_rate: '25/1' }],
  ['a ladder', { encoding: 'standard', ladder: 'fast' }, { codec_name: 'h264' }],
] as const

describe.concurrent.each(inject('cases') === 'all' ? channels : channels.slice(0, 1))(
  'the slate of %s',
  (name, channel, looks) => {
    it('is shown while the encoder is away, decodes, is silent, and gives way to the encoder', async ({ expect }) => {
      const headend = await startHeadend({ channel: { ...channel, slateAfter: '2s' } })
      let encoder = publish(headend.publishUrl, SOURCE)
      try {
        const { url } = await playingVariant(headend.quickstart.hlsUrl, 3)
        const before = await fetchMaster(headend.quickstart.hlsUrl)
        await encoder.stop()
        const shown = await untilStretch(url, 1, 4)
        const seconds = stretch(shown, 1).reduce((sum, { duration }) => sum + duration, 0)
        const slate = await decoded(shown, 1, `${name}-slate.mp4`)
        expect(slate).toMatchObject(looks)
        expect(Math.abs(Number(slate['nb_read_frames']) - seconds * 25)).toBeLessThanOrEqual(1)
        await decoded(await untilStretch(before.audio[0] ?? '', 1, 4), 1, `${name}-silence.mp4`)
        expect(await loudest(`${name}-silence.mp4`)).toBeLessThan(-60)
        encoder = publish(headend.publishUrl, SOURCE)
        const back = await untilStretch(url, 2, 3)
        expect(await decoded(back, 2, `${name}-back.mp4`)).toMatchObject(looks)
        // Nothing but the seconds before the slate is a gap.
        expect(back.segments.filter(({ gap }) => gap).length).toBeLessThanOrEqual(3)
        expect((await fetchMaster(headend.quickstart.hlsUrl)).variants).toHaveLength(before.variants.length)
        const said = headend.lines().map(({ msg }) => msg)
        expect(said).toContain('the slate is shown')
        expect(said).toContain('the slate is shown no more')
      } finally {
        await encoder.stop()
        await headend.stop()
      }
    })
  },
)
