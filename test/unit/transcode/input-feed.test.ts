import { expect, test } from 'vitest'
import { silentAac } from '../../../src/media/codecs/silence.ts'
import { type FragmentedMp4Event, FragmentedMp4Reader } from '../../../src/media/isobmff/fragmented-reader.ts'
import { InputFeed } from '../../../src/transcode/input-feed.ts'
import { audioConfig, picture, START_TICKS, sound, videoConfig } from './sample-source.ts'

function fed(audio: ConstructorParameters<typeof InputFeed>[0]['audio'], use: (feed: InputFeed) => void) {
  const reader = new FragmentedMp4Reader()
  const events: FragmentedMp4Event[] = []
  use(new InputFeed({ video: videoConfig, audio }, START_TICKS, (bytes) => events.push(...reader.push(bytes))))
  const samples = events.flatMap((event) => (event.type === 'sample' ? [event] : []))
  return {
    events,
    video: samples.filter(({ trackId }) => trackId === 1),
    audio: samples.filter(({ trackId }) => trackId === 2),
  }
}

test('both tracks are announced first, and times go through as they are', () => {
  const { events, video, audio } = fed(audioConfig, (feed) => {
    for (let n = 0; n < 3; n++) feed.write('video', picture(n))
    feed.write('audio', sound(7))
  })
  expect(events[0]).toMatchObject({ type: 'init', tracks: [{ timescale: 90_000 }, { timescale: 48_000 }] })
  expect(video.map(({ sample }) => sample)).toEqual([picture(0), picture(1), picture(2)])
  expect(video.map(({ durationTicks }) => durationTicks)).toEqual([3000, 3600, 3600])
  expect(audio.map(({ sample }) => sample)).toEqual([sound(7)])
})

test('silence keeps beside the pictures, without a hole', () => {
  const { audio } = fed(silentAac(48_000, 2), (feed) => {
    for (let n = 0; n < 100; n++) feed.write('video', picture(n))
    expect(feed.write('audio', sound(1))).toBe(false)
  })
  const start = (START_TICKS / 90_000) * 48_000
  expect(audio.map(({ sample }) => sample.dtsTicks)).toEqual(audio.map((_, n) => start + n * 1024))
  expect(audio.length).toBe(Math.ceil((100 * 1920) / 1024))
})

test('a jump of hours is not filled with silence', () => {
  const { audio } = fed(silentAac(48_000, 2), (feed) => {
    feed.write('video', picture(0))
    feed.write('video', picture(25 * 3600 * 5))
  })
  expect(audio.length).toBeLessThan(60)
})

test('pictures shown before the first are refused; negative offsets leave every PTS as it is', () => {
  const { video } = fed(audioConfig, (feed) => {
    expect(feed.write('video', picture(0))).toBe(true)
    expect(feed.write('video', { ...picture(1), compositionTicks: -7200 })).toBe(false)
    expect(feed.write('video', { ...picture(2), compositionTicks: -3600 })).toBe(true)
  })
  expect(video.map(({ sample }) => sample.dtsTicks + sample.compositionTicks - START_TICKS)).toEqual([0, 3600])
  expect(video.every(({ sample }) => sample.compositionTicks >= 0)).toBe(true)
})
