import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { ffmpeg, publishFile, run } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, until } from '../support/playlist.ts'

const SECONDS = 9
const folder = temporaryFolder()
const source = join(folder, 'source.flv')
let headend: Headend

/** The hashes of every decoded picture, or of every coded audio frame, with times in seconds. */
async function frames(file: string, stream: 'v' | 'a'): Promise<{ time: number; hash: string }[]> {
  const decode = stream === 'v' ? ['-fps_mode', 'passthrough', '-enc_time_base', '1:90000'] : ['-c', 'copy']
  const { stdout } = await run('ffmpeg', [
    '-v',
    'error',
    '-copyts',
    '-i',
    file,
    '-map',
    `0:${stream}`,
    ...decode,
    '-f',
    'framemd5',
    '-',
  ])
  const [num = 1, den = 1] = (/#tb 0: (\d+)\/(\d+)/.exec(stdout) ?? []).slice(1).map(Number)
  return stdout
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(',').map((field) => field.trim()))
    .map((fields) => ({ time: (Number(fields[2]) * num) / den, hash: fields[5] ?? '' }))
}

/** Downloads a rendition, whole, as a player would: init and every segment with media. */
async function download(playlistUrl: string, file: string): Promise<void> {
  const { segments } = await fetchMedia(playlistUrl)
  const media = segments.filter(({ gap }) => !gap)
  const init = await fetchBytes(media[0]?.initUrl ?? '')
  writeFileSync(file, concatBytes([init, ...(await Promise.all(media.map(({ url }) => fetchBytes(url))))]))
}

beforeAll(async () => {
  const numbered = `testsrc2=size=320x180:rate=25:duration=${SECONDS}`
  const x264 = [
    '-c:v',
    'libx264',
    '-bf',
    '3',
    '-g',
    '50',
    '-keyint_min',
    '50',
    '-sc_threshold',
    '0',
    '-pix_fmt',
    'yuv420p',
  ]
  const tone = `sine=frequency=440:beep_factor=2:sample_rate=44100:duration=${SECONDS}`
  await ffmpeg('-f', 'lavfi', '-i', numbered, '-f', 'lavfi', '-i', tone, ...x264, '-c:a', 'aac', '-ac', '2', source)
  headend = await startHeadend()
  await publishFile(headend.publishUrl, source).finished
})

afterAll(async () => {
  await headend.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('pass-through of H.264 with B-frames and AAC', () => {
  it('serves every picture and every audio frame that went in, in order, none twice, with A/V offset kept', async () => {
    const master = await fetchMaster(headend.quickstart.hlsUrl)
    const variant = master.variants[0]?.url ?? ''
    const total = (list: { segments: readonly { gap: boolean; duration: number }[] }) =>
      list.segments.filter(({ gap }) => !gap).reduce((sum, { duration }) => sum + duration, 0)
    await until(
      'the last segment',
      10_000,
      () => fetchMedia(variant),
      (list) => total(list) > SECONDS - 0.5,
    )
    const video = join(folder, 'video.mp4')
    const audio = join(folder, 'audio.mp4')
    await download(variant, video)
    await download(master.audio[0] ?? '', audio)

    const pictures = { sent: await frames(source, 'v'), served: await frames(video, 'v') }
    expect(pictures.sent).toHaveLength(SECONDS * 25)
    expect(pictures.served.map(({ hash }) => hash)).toEqual(pictures.sent.map(({ hash }) => hash))
    const sounds = { sent: await frames(source, 'a'), served: await frames(audio, 'a') }
    expect(sounds.sent.length).toBeGreaterThan(SECONDS * 40)
    expect(sounds.served.map(({ hash }) => hash)).toEqual(sounds.sent.map(({ hash }) => hash))

    // One shift for all: what was n seconds apart going in is n seconds apart coming out.
    const shift = (pictures.served[0]?.time ?? 0) - (pictures.sent[0]?.time ?? 0)
    const errors = (pair: { sent: { time: number }[]; served: { time: number }[] }) =>
      pair.served.map(({ time }, index) => Math.abs(time - (pair.sent[index]?.time ?? 0) - shift))
    expect(Math.max(...errors(pictures))).toBeLessThan(0.0005)
    expect(Math.max(...errors(sounds))).toBeLessThan(0.001)
  })
})
