import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { AppError } from '../../../../src/lib/errors.ts'
import { AAC_SAMPLE_RATES } from '../../../../src/media/codecs/aac.ts'
import { silentAac } from '../../../../src/media/codecs/silence.ts'
import { ffmpeg } from '../../../support/flv-encoded.ts'
import { writeFlvFile } from '../../../support/flv-file.ts'
import { legacyAac } from '../../../support/flv-tags.ts'

const FRAMES = 10

/** Decodes ten frames behind their AudioSpecificConfig, so that ffmpeg takes the rate and channels from it. */
function decode(sampleRate: number, channels: 1 | 2): Buffer {
  const { config, frame } = silentAac(sampleRate, channels)
  const frames = Array.from({ length: FRAMES }, (_, index) => ({
    messageType: 8 as const,
    timestampMs: Math.round((index * 1024_000) / sampleRate),
    payload: legacyAac(1, frame),
  }))
  const file = writeFlvFile([{ messageType: 8, timestampMs: 0, payload: legacyAac(0, config.record) }, ...frames])
  return ffmpeg(['-f', 'flv', '-i', 'pipe:0', '-f', 's16le', 'pipe:1'], file)
}

describe('silentAac', () => {
  it.each([
    [48_000, 1],
    [48_000, 2],
    [44_100, 2],
    [8_000, 1],
    [96_000, 2],
    [7_350, 2],
  ] as const)('%i Hz, %i channels: ffmpeg decodes 1024 zero samples a frame', (sampleRate, channels) => {
    const pcm = decode(sampleRate, channels)
    expect(pcm.byteLength).toBe(FRAMES * 1024 * channels * 2)
    expect(pcm.every((byte) => byte === 0)).toBe(true)
  })

  it('describes what it is at every rate AAC has', () => {
    for (const sampleRate of AAC_SAMPLE_RATES) {
      expect(silentAac(sampleRate, 2).config).toMatchObject({
        sampleRate,
        channels: 2,
        samplesPerFrame: 1024,
        codecString: 'mp4a.40.2',
      })
    }
    expect([...silentAac(44_100, 2).config.record]).toEqual([0x12, 0x10])
    expect([...silentAac(48_000, 1).config.record]).toEqual([0x11, 0x88])
  })

  it('gives memory of its own each time', () => {
    const spoilt = silentAac(48_000, 2)
    spoilt.frame.fill(0xff)
    expect(concatBytes([silentAac(48_000, 2).frame])).not.toEqual(spoilt.frame)
  })

  it('refuses rates that AAC has no index for, which decoders refuse too', () => {
    for (const rate of [0, -1, 1.5, 12_345, 192_000, Number.NaN])
      expect(() => silentAac(rate, 1)).toThrowError(AppError)
  })
})
