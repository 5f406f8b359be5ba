import { expect, it } from 'vitest'
import { partsOf, partTargetMs } from '../../../src/manifest/hls-parts.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { type EncoderOptions, SyntheticEncoder } from './synthetic-encoder.ts'

const STEP_MS = 100
const PLAY_MS = 14_000

/** What a channel of low latency makes of an encoder that sends whole milliseconds, as RTMP does. */
async function played(options: EncoderOptions): Promise<ChannelBench> {
  const bench = new ChannelBench({ channel: { segmentDurationMs: 4_000, partDurationMs: 500 } })
  const encoder = new SyntheticEncoder(options)
  const sink = await bench.publish('primary')
  encoder.configure(sink)
  for (let left = PLAY_MS; left > 0; left -= STEP_MS) {
    await bench.clock.advance(STEP_MS)
    encoder.play(sink, STEP_MS)
  }
  return bench
}

it.each([
  ['25 frames a second', { fps: 25, gop: 50, video, audio }],
  ['29.97 frames a second with B-frames', { fps: 30_000 / 1_001, gop: 60, bFrames: 2, video, audio }],
  ['23.976 frames a second', { fps: 24_000 / 1_001, gop: 48, video, audio }],
  ['59.94 frames a second', { fps: 60_000 / 1_001, gop: 120, bFrames: 1, video, audio }],
  ['sound alone', { fps: 25, gop: 25, audio }],
] satisfies [string, EncoderOptions][])(
  'makes parts of 85 to 100 %% of the declared target: %s',
  async (_what, options) => {
    const { records, presentation: made } = await played(options)
    const presentation = new Presentation({ ...made.header, partDurationMs: 500 })
    for (const record of records) if (record.type !== 'opened') presentation.apply(record)
    const targetMicros = partTargetMs(presentation.header) * 1_000
    let checked = 0
    for (const rendition of presentation.renditions) {
      const [track] = rendition.tracks
      for (let sequence = presentation.firstSequence; sequence < presentation.endSequence; sequence++) {
        const parts = track && partsOf(presentation, rendition, track, sequence)
        for (const { durationMicros } of parts?.slice(0, -1) ?? []) {
          expect(durationMicros / targetMicros).toBeGreaterThanOrEqual(0.85)
          expect(durationMicros / targetMicros).toBeLessThanOrEqual(1)
          checked++
        }
      }
    }
    expect(checked).toBeGreaterThan(10)
  },
)

it('numbers the parts of a track without a hole, through all segments', async () => {
  const bench = await played({ fps: 25, gop: 50, video, audio })
  const numbers = Map.groupBy(bench.only('fragment'), ({ track }) => track)
  for (const fragments of numbers.values()) {
    expect(fragments.map(({ number }) => number)).toEqual(fragments.map((_fragment, at) => at + 1))
  }
  expect(numbers.size).toBe(2)
})
