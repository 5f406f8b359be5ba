import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import { type FfmpegBinary, probeFfmpeg } from '../../../src/transcode/ffmpeg-probe.ts'
import { encodeSlate } from '../../../src/transcode/slate-encoder.ts'
import { audio, monoAudio, video } from '../channel/channel-bench.ts'

let ffmpeg: FfmpegBinary

beforeAll(async () => {
  ffmpeg = await probeFfmpeg('ffmpeg')
})

const like = (change: Partial<VideoConfig>): VideoConfig => ({ ...video, width: 320, height: 180, ...change })
const make = (looks: Parameters<typeof encodeSlate>[0], image?: Uint8Array) =>
  encodeSlate(looks, { ffmpeg, clock: systemClock, gopSeconds: 2, image, signal: new AbortController().signal })

async function picture(format: string): Promise<Uint8Array> {
  const codec = format === 'png' ? 'png' : 'mjpeg'
  const args = [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc=s=64x64',
    '-frames:v',
    '1',
    '-c:v',
    codec,
    '-f',
    'image2pipe',
    '-',
  ]
  const { stdout } = await promisify(execFile)('ffmpeg', args, { encoding: 'buffer' })
  return stdout
}

describe('encodeSlate', () => {
  it.each(['avc', 'hevc', 'vp9', 'av1'] as const)('makes one GOP in the codec of the input: %s', async (codec) => {
    const made = await make({ video: like({ codec }), frameRate: 25, audio: undefined })
    expect(made.video?.config).toMatchObject({ codec, width: 320, height: 180 })
    expect(made.video?.frames).toHaveLength(50)
    expect(made.video?.frameMs).toBe(40)
    const sizes = made.video?.frames.map(({ byteLength }) => byteLength) ?? []
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(100_000)
    // Each in memory of its own: nothing holds more than it is.
    for (const { buffer, byteLength } of made.video?.frames ?? []) expect(buffer.byteLength).toBe(byteLength)
  })

  it('keeps the rate of the input, of NTSC to the fraction', async () => {
    const made = await make({ video: like({}), frameRate: 29.97, audio: undefined })
    expect(made.video?.frameMs).toBeCloseTo(1_001 / 30, 9)
    expect(made.video?.frames).toHaveLength(60)
  })

  it.each(['png', 'jpeg'])('shows a picture of one’s own: %s', async (format) => {
    const plain = await make({ video: like({}), frameRate: 25, audio: undefined })
    const made = await make({ video: like({}), frameRate: 25, audio: undefined }, await picture(format))
    expect(made.video?.frames).toHaveLength(50)
    expect(made.video?.frames[0]?.byteLength).toBeGreaterThan((plain.video?.frames[0]?.byteLength ?? 0) + 200)
  })

  it('refuses what is no picture before ffmpeg sees it, and says what ffmpeg had against one', async () => {
    const looks = { video: like({}), frameRate: 25, audio: undefined }
    const text = new TextEncoder().encode('#EXTM3U\nfile:///etc/passwd\n')
    await expect(make(looks, text)).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' })
    const broken = (await picture('png')).subarray(0, 60)
    await expect(make(looks, broken)).rejects.toMatchObject({ code: 'FFMPEG_CRASHED' })
  })

  it('says that ffmpeg is missing', async () => {
    const options = {
      ffmpeg: { ...ffmpeg, path: '/nowhere/ffmpeg' },
      clock: systemClock,
      gopSeconds: 2,
      image: undefined,
      signal: new AbortController().signal,
    }
    const made = encodeSlate({ video: like({}), frameRate: 25, audio: undefined }, options)
    await expect(made).rejects.toMatchObject({ code: 'FFMPEG_MISSING' })
  })

  it('ends with its signal, and leaves no child behind', async () => {
    const stopping = new AbortController()
    const looks = { video: like({}), frameRate: 25, audio: undefined }
    const made = encodeSlate(looks, {
      ffmpeg,
      clock: systemClock,
      gopSeconds: 2,
      image: undefined,
      signal: stopping.signal,
    })
    stopping.abort(new Error('enough'))
    await expect(made).rejects.toThrow('enough')
  })

  it('is silent in the codec of the input, on the same track where that is possible', async () => {
    const silence = async (config: AudioConfig) =>
      (await make({ video: undefined, frameRate: 25, audio: config })).audio
    expect(await silence(audio)).toMatchObject({ config: audio, frameMs: 1_024 / 48 })
    const extended = { ...audio, record: Uint8Array.from([...audio.record, 0x56, 0xe5, 0x00]) }
    expect((await silence(extended))?.config).toBe(extended)
    expect((await silence(monoAudio))?.config.channels).toBe(1)
    const opus: AudioConfig = { ...audio, codec: 'opus', samplesPerFrame: 0, codecString: 'opus' }
    expect(await silence(opus)).toMatchObject({ config: opus, frameMs: 20 })
    const mp3: AudioConfig = { ...audio, codec: 'mp3', record: new Uint8Array(), sampleRate: 44_100 }
    expect((await silence(mp3))?.config).toMatchObject({ codec: 'aac', sampleRate: 44_100, channels: 2 })
  })
})
