import fc from 'fast-check'
import { expect, it } from 'vitest'
import { muxedBandwidth, transported } from '../../../src/manifest/transport-bandwidth.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import { buildTransportSegment } from '../../../src/media/mpegts/transport-segment.ts'
import { audioFrames, audioPackets, videoPackets } from '../../../src/packaging/transport-streams.ts'
import type { Track } from '../../../src/presentation/records.ts'

const SECONDS = 2
const header = { id: 'p', epoch: 'e', targetDurationMs: SECONDS * 1_000 }
const picture: VideoConfig = {
  kind: 'video',
  codec: 'avc',
  record: Uint8Array.of(1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 2, 0x68, 1),
  width: 320,
  height: 180,
  codecString: 'avc1.64001f',
}
const sound: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.of(0x11, 0x90),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1024,
  codecString: 'mp4a.40.2',
}

function track(config: VideoConfig | AudioConfig, bytes: number, frameRate?: number): Track {
  const bandwidth = (bytes * 8) / SECONDS
  const rates = { bandwidth, averageBandwidth: bandwidth, nominalBitrate: bandwidth }
  const timescale = config.kind === 'video' ? 90_000 : 48_000
  const named = { track: 1, rendition: 'r', config, timescale, init: new Uint8Array(0), ...rates }
  return frameRate === undefined ? named : { ...named, frameRate }
}

/** `sizes` are of samples, one after another, `durationTicks` each. */
function samples(sizes: readonly number[], durationTicks: number) {
  return sizes.map((size, index) => {
    const bytes = new Uint8Array(size)
    new DataView(bytes.buffer).setUint32(0, size - 4)
    const times = { dtsTicks: index * durationTicks, compositionTicks: 0, durationTicks }
    return { bytes, from: 0, to: size, ...times, independent: index === 0 }
  })
}

const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0)

it('declares what segments take at most, whatever the sizes of their samples', () => {
  const rates = fc.constantFrom(5, 10, 25, 60)
  const frames = fc.array(fc.integer({ min: 5, max: 1_500 }), { minLength: 94, maxLength: 94 })
  const cases = rates.chain((rate) => {
    const count = rate * SECONDS
    return fc.tuple(
      fc.constant(rate),
      fc.array(fc.integer({ min: 5, max: 9_000 }), { minLength: count, maxLength: count }),
    )
  })
  fc.assert(
    fc.property(cases, frames, ([rate, pictures], tones) => {
      const video = videoPackets(picture, { timescale: 90_000, baseTicks: 0 }, samples(pictures, 90_000 / rate))
      const audio = audioPackets(sound, { timescale: 48_000, baseTicks: 0 }, samples(tones, 1_024))
      const bits = (bytes: Uint8Array) => (bytes.byteLength * 8) / SECONDS
      const alone = transported(track(picture, sum(pictures), rate), header)
      expect(bits(buildTransportSegment([video]))).toBeLessThanOrEqual(alone.bandwidth)
      const packed = transported(track(sound, sum(tones)), header)
      const packedBytes = sum(
        audioFrames(sound, samples(tones, 1_024)).flatMap((pieces) => pieces.map(({ from, to }) => to - from)),
      )
      expect(((packedBytes + 73) * 8) / SECONDS).toBeLessThanOrEqual(packed.bandwidth)
      const together = alone.bandwidth + muxedBandwidth(packed.bandwidth, header)
      expect(bits(buildTransportSegment([video, audio]))).toBeLessThanOrEqual(together)
    }),
    { numRuns: 40 },
  )
})
