import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { Cable, teeTo } from '../support/cable.ts'
import { ffmpeg, publish, run, startFfmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, playingVariant, until } from '../support/playlist.ts'

const SECONDS = 15
const KEYS = { streamKey: 'key-of-primary', secondaryStreamKey: 'key-of-secondary' }
const folder = temporaryFolder()
const source = join(folder, 'source.flv')

beforeAll(async () => {
  const numbered = `testsrc2=size=320x180:rate=25:duration=${SECONDS}`
  const gop = ['-bf', '2', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-pix_fmt', 'yuv420p']
  const tone = `sine=frequency=440:beep_factor=2:sample_rate=48000:duration=${SECONDS}`
  const coded = ['-c:v', 'libx264', '-preset', 'veryfast', ...gop, '-c:a', 'aac', '-ac', '2']
  await ffmpeg('-f', 'lavfi', '-i', numbered, '-f', 'lavfi', '-i', tone, ...coded, source)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The hashes of the coded frames of a stream, in decoding order. */
async function codedFrames(file: string, stream: 'v' | 'a'): Promise<string[]> {
  const args = ['-v', 'error', '-i', file, '-map', `0:${stream}`, '-c', 'copy', '-f', 'framemd5', '-']
  const { stdout } = await run('ffmpeg', args)
  const lines = stdout.split('\n').filter((line) => /^\d/.test(line))
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '')
}

/** A rendition, whole, as it is served. */
async function download(playlistUrl: string, name: string): Promise<string> {
  const file = join(folder, name)
  const segments = (await fetchMedia(playlistUrl)).segments.filter(({ gap }) => !gap)
  const init = await fetchBytes(segments[0]?.initUrl ?? '')
  writeFileSync(file, concatBytes([init, ...(await Promise.all(segments.map(({ url }) => fetchBytes(url))))]))
  return file
}

const urlOf = (port: number, key: string) => `rtmp://127.0.0.1:${port}/live/${key}`

async function withCable(
  channel: Record<string, unknown>,
  use: (headend: Headend, cable: Cable) => Promise<void>,
): Promise<void> {
  const headend = await startHeadend({ channel: { ...KEYS, ...channel } })
  const cable = await Cable.lay(headend.rtmpPort)
  try {
    await use(headend, cable)
  } finally {
    await cable.remove()
    await headend.stop()
  }
}

/** Publishes the file by both inputs, the primary's by the cable, and has something happen to that. */
async function publishTwice(
  headend: Headend,
  cable: Cable,
  happens: 'cut' | 'pull',
  atSegments: number,
): Promise<void> {
  const urls = [urlOf(cable.port, KEYS.streamKey), urlOf(headend.rtmpPort, KEYS.secondaryStreamKey)]
  const encoder = startFfmpeg(['-re', '-i', source, ...teeTo(...urls)])
  await playingVariant(headend.quickstart.hlsUrl, atSegments)
  cable[happens]()
  await encoder.finished
}

const secondsOf = ({ segments }: { readonly segments: readonly { readonly duration: number }[] }) =>
  segments.reduce((sum, { duration }) => sum + duration, 0)

describe.concurrent('one encoder that publishes by both inputs', () => {
  it.each(['cut', 'pull'] as const)('is served without a seam when the cable of the primary is %s', (happens) =>
    withCable({}, async (headend, cable) => {
      await publishTwice(headend, cable, happens, 4)
      const master = await fetchMaster(headend.quickstart.hlsUrl)
      const variant = master.variants[0]?.url ?? ''
      const playlist = await until(
        'the last segment',
        20_000,
        () => fetchMedia(variant),
        (list) => secondsOf({ segments: list.segments.filter(({ gap }) => !gap) }) > SECONDS - 0.5,
      )
      const media = playlist.segments.filter(({ gap }) => !gap)
      expect(new Set(media.map(({ discontinuitySequence }) => discontinuitySequence)).size).toBe(1)
      for (const [stream, url] of [['v', variant] as const, ['a', master.audio[0] ?? ''] as const]) {
        const served = await codedFrames(await download(url, `${happens}-${stream}.mp4`), stream)
        const sent = await codedFrames(source, stream)
        expect(served).toEqual(sent)
      }
      const reason = happens === 'cut' ? 'ended' : 'silent'
      expect(await headend.metric('headend_ingest_switches_total', `reason="${reason}",seamless="true"`)).toBe(1)
    }),
  )

  it('is one stream for a ladder, whose encoder is not replaced', () =>
    withCable({ encoding: 'standard', ladder: '720p' }, async (headend, cable) => {
      await publishTwice(headend, cable, 'cut', 3)
      const { playlist } = await playingVariant(headend.quickstart.hlsUrl, 6)
      const media = playlist.segments.filter(({ gap }) => !gap)
      expect(new Set(media.map(({ discontinuitySequence }) => discontinuitySequence)).size).toBe(1)
      expect(await headend.metric('headend_ingest_switches_total', 'seamless="true"')).toBe(1)
      expect(await headend.metric('headend_transcoder_restarts_total')).toBe(0)
    }))
})

describe('two encoders', () => {
  it('are changed between with one discontinuity, and less than a GOP is missing', () =>
    withCable({}, async (headend, cable) => {
      const primary = publish(urlOf(cable.port, KEYS.streamKey), { gopFrames: 50 })
      await playingVariant(headend.quickstart.hlsUrl, 1)
      const secondary = publish(urlOf(headend.rtmpPort, KEYS.secondaryStreamKey), { gopFrames: 50, bitrate: '500k' })
      try {
        await playingVariant(headend.quickstart.hlsUrl, 4)
        await primary.kill()
        const { playlist } = await playingVariant(headend.quickstart.hlsUrl, 7)
        // What is missing between two encoders that know nothing of each other is less than a GOP.
        expect(secondsOf({ segments: playlist.segments.filter(({ gap }) => gap) })).toBeLessThan(2)
        expect(playlist.segments.at(-1)?.discontinuitySequence).toBe(1)
        // Where a time is told, it is that of the segment before and its duration, but for the change.
        let expectedMs = playlist.segments[0]?.programDateTimeMs ?? 0
        const holes = playlist.segments.map(({ programDateTimeMs = expectedMs, duration }) => {
          const holeMs = programDateTimeMs - expectedMs
          expectedMs = programDateTimeMs + duration * 1_000
          return holeMs
        })
        expect(Math.min(...holes)).toBeGreaterThan(-100)
        expect(Math.max(...holes)).toBeLessThan(2_000)
      } finally {
        await secondary.stop()
        await primary.stop()
      }
    }))
})
