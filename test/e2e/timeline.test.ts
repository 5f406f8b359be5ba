import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChannelHouse, feed, hangUp, openPublisher, publishMessages, startChannels } from '../support/channels.ts'
import { type EncodedTrack, encode, picture, tone } from '../support/flv-encoded.ts'
import type { FlvMessage } from '../support/flv-file.ts'
import { interleave, legacyMessages } from '../support/flv-publish.ts'
import { temporaryFolder } from '../support/headend.ts'
import { fetchMedia, until } from '../support/playlist.ts'
import {
  expectAligned,
  expectListed,
  expectSound,
  expectWholePeriods,
  type ProbedStretch,
} from '../support/playlist-rules.ts'
import {
  ffmpegReads,
  type Probed,
  readMpd,
  readServed,
  type ServedPresentation,
  type ServedRendition,
} from '../support/served.ts'

/** What becomes of an encoder's clock on its way to players, read back from the origin after the program has ended. */

const SECONDS = 8
const FRAME_SECONDS = 0.04
const TARGET_SECONDS = 2
const HOUR_MS = 3_600_000
const WRAP_MS = 2 ** 32

const folder = temporaryFolder()

function h264(size: string, gopFrames: number): EncodedTrack {
  const gop = ['-g', `${gopFrames}`, '-keyint_min', `${gopFrames}`, '-sc_threshold', '0']
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1', '-bf', '2', '-pix_fmt', 'yuv420p']
  return encode([...picture(size, '25', SECONDS), ...codec, ...gop]).tracks[0] as EncodedTrack
}

const pictures = legacyMessages(h264('160x90', 25))
const largerPictures = legacyMessages(h264('320x180', 25))
const rarelyKeyed = legacyMessages(h264('160x90', 500))
const sounds = legacyMessages(encode([...tone(44_100, 2, SECONDS), '-c:a', 'aac']).tracks[0] as EncodedTrack)
const [pictureHeader, ...frames] = pictures as [FlvMessage, ...FlvMessage[]]
const [soundHeader, ...soundFrames] = sounds as [FlvMessage, ...FlvMessage[]]
const both = interleave(pictures, sounds)

function at(message: FlvMessage, timestampMs: number): FlvMessage {
  return { ...message, timestampMs: (timestampMs + 2 * WRAP_MS) % WRAP_MS }
}

function shifted(messages: readonly FlvMessage[], byMs: number): FlvMessage[] {
  return messages.map((message) => at(message, message.timestampMs + byMs))
}

function between(messages: readonly FlvMessage[], fromMs: number, toMs: number): FlvMessage[] {
  return messages.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
}

/** The encoder's clock jumps in the middle of a GOP. */
function jumping(byMs: number): FlvMessage[] {
  return [...between(both, 0, 4_200), ...shifted(between(both, 4_200, 9_000), byMs)]
}

/** Both sequence headers again before every key frame, as some encoders do. */
function repeated(): FlvMessage[] {
  const again = frames
    .filter(({ timestampMs }) => timestampMs > 0 && timestampMs % 1_000 === 0)
    .flatMap(({ timestampMs }) => [at(pictureHeader, timestampMs), at(soundHeader, timestampMs)])
  return interleave(again, pictures, sounds)
}

const scenarios = {
  'audio-only': sounds,
  'video-only': pictures,
  'audio-after-600ms': interleave(pictures, [soundHeader, ...between(soundFrames, 600, 9_000)]),
  'audio-after-4s': interleave(pictures, [soundHeader, ...between(soundFrames, 4_000, 9_000)]),
  'header-after-4s': interleave(pictures, [at(soundHeader, 4_000), ...between(soundFrames, 4_000, 9_000)]),
  'picture-after-4s': interleave(sounds, [pictureHeader, ...between(frames, 4_000, 9_000)]),
  headerless: interleave(pictures, soundFrames),
  'not-monotonic': both.map((message, index) =>
    message.messageType === 9 && index % 40 === 35 ? at(message, message.timestampMs - 60) : message,
  ),
  wrapping: shifted(both, -3_000),
  'two-hours-on': jumping(2 * HOUR_MS),
  'an-hour-back': jumping(-HOUR_MS),
  'five-seconds-on': jumping(5_000),
  'other-size': interleave(
    between(pictures, 0, 4_000),
    [at(largerPictures[0] as FlvMessage, 4_000), ...between(largerPictures.slice(1), 4_000, 9_000)],
    sounds,
  ),
  'repeated-headers': repeated(),
  'rare-keys': interleave(rarelyKeyed, sounds),
  'headers-only': [pictureHeader, soundHeader],
  nothing: [],
} satisfies Record<string, readonly FlvMessage[]>

type Name = keyof typeof scenarios

let house: ChannelHouse

beforeAll(async () => {
  // The programs end once everything was sent, and without gaps till then: tools read them to their end.
  const program = { stopAt: new Date(Date.now() + 12_000).toISOString() }
  const channel = { reconnectGrace: '1ms' }
  const names = Object.keys(scenarios) as Name[]
  const plans = names.map((name) => [name, { channel, program }])
  house = await startChannels(Object.fromEntries([...plans, ['live', {}]]))
  await Promise.all(names.map((name) => publishMessages(house.headend, house.at(name).key, scenarios[name])))
})

afterAll(async () => {
  await house.headend.stop()
  rmSync(folder, { recursive: true, force: true })
})

type Served = ServedPresentation & {
  readonly video: ServedRendition | undefined
  readonly audio: ServedRendition | undefined
}

/** The presentation when its program has ended, with what must be true of every one. */
async function ended(name: Name): Promise<Served> {
  const { hlsUrl, dashUrl } = house.at(name)
  const served = await until(
    `the end of ${name}`,
    30_000,
    () => readServed(hlsUrl),
    ({ renditions }) => renditions.length > 0 && renditions.every(({ playlist }) => playlist.ended),
  )
  for (const rendition of served.renditions) expectSound(rendition, TARGET_SECONDS)
  expectAligned(served.renditions)
  const { text } = await readMpd(dashUrl)
  expectWholePeriods(text, name === 'audio-after-600ms' ? 0.8 : 0.2)
  const find = (kind: string) => served.renditions.find((rendition) => rendition.kind === kind)
  return { ...served, video: find('video'), audio: find('audio') }
}

/** Every stretch of a rendition as ffprobe reads it; a stretch cut in mid-GOP lacks what is shown before its last pictures. */
function probed(name: Name, rendition: ServedRendition | undefined): Promise<ProbedStretch[]> {
  if (!rendition) throw new Error(`${name} has no such rendition`)
  return expectListed(rendition, join(folder, name), 2.5 * FRAME_SECONDS)
}

function count(list: readonly Probed[]): number[] {
  return list.map(({ packets }) => packets.length)
}

function discontinuities({ playlist }: ServedRendition): number {
  return (playlist.segments.at(-1)?.discontinuitySequence ?? 0) - (playlist.segments[0]?.discontinuitySequence ?? 0)
}

function firstDts(list: readonly Probed[]): number {
  return list[0]?.packets[0]?.dtsSeconds ?? 0
}

async function expectReadByFfmpeg(name: Name, packets: readonly number[]): Promise<void> {
  const { hlsUrl } = house.at(name)
  const read = await ffmpegReads(hlsUrl)
  expect(read.complaints).toBe('')
  expect([...read.packets].sort((a, b) => a - b)).toEqual([...packets].sort((a, b) => a - b))
}

describe('what is sent of sound and picture', () => {
  it('serves audio alone', async () => {
    const served = await ended('audio-only')
    expect(served.video).toBeUndefined()
    expect(served.attributes[0]).not.toContain('RESOLUTION')
    expect(count(await probed('audio-only', served.audio))).toEqual([soundFrames.length])
    await expectReadByFfmpeg('audio-only', [soundFrames.length])
  })

  it('serves video alone', async () => {
    const served = await ended('video-only')
    expect(served.audio).toBeUndefined()
    expect(served.attributes[0]).not.toContain('AUDIO')
    expect(count(await probed('video-only', served.video))).toEqual([frames.length])
    await expectReadByFfmpeg('video-only', [frames.length])
  })

  it('keeps audio that starts 0.6 s late where it belongs', async () => {
    const served = await ended('audio-after-600ms')
    const sent = between(soundFrames, 600, 9_000)
    const seen = await probed('audio-after-600ms', served.video)
    const heard = await probed('audio-after-600ms', served.audio)
    expect(count(seen)).toEqual([frames.length])
    expect(count(heard)).toEqual([sent.length])
    expect(firstDts(heard) - firstDts(seen)).toBeCloseTo((sent[0]?.timestampMs ?? 0) / 1_000, 3)
    await expectReadByFfmpeg('audio-after-600ms', [frames.length, sent.length])
  })

  it.each(['audio-after-4s', 'header-after-4s'] as const)('takes in audio that comes after 4 s: %s', async (name) => {
    const served = await ended(name)
    const seen = await probed(name, served.video)
    expect(count(seen).reduce((sum, n) => sum + n, 0)).toBe(frames.length)
    expect(discontinuities(served.video as ServedRendition)).toBeLessThanOrEqual(1)
    const heard = await probed(name, served.audio)
    expect(heard).toHaveLength(1)
    // It joins at a segment, and is in all that follow.
    const rows = served.audio?.playlist.segments ?? []
    const joined = rows.findIndex(({ gap }) => !gap)
    expect(joined).toBeGreaterThan(0)
    expect(rows.slice(joined).every(({ gap }) => !gap)).toBe(true)
    const offset = (heard[0]?.packets[0]?.dtsSeconds ?? 0) - firstDts(seen)
    expect(offset).toBeGreaterThan(3.9)
    expect(offset).toBeLessThan(6.1)
  })

  it('takes in a picture that comes after 4 s', async () => {
    const served = await ended('picture-after-4s')
    expect(served.attributes[0]).toContain('RESOLUTION=160x90')
    expect(count(await probed('picture-after-4s', served.video))).toEqual([between(frames, 4_000, 9_000).length])
    expect(discontinuities(served.video as ServedRendition)).toBe(1)
    const heard = count(await probed('picture-after-4s', served.audio)).reduce((sum, n) => sum + n, 0)
    expect(heard).toBe(soundFrames.length)
  })

  it('goes on without audio whose AAC header never came, and counts it', async () => {
    const served = await ended('headerless')
    expect(served.audio).toBeUndefined()
    expect(count(await probed('headerless', served.video))).toEqual([frames.length])
    const labels = 'channel="headerless",layer="default",reason="not-configured"'
    expect(await house.headend.metric('headend_ingest_dropped_frames_total', labels)).toBe(soundFrames.length)
  })

  it.each(['headers-only', 'nothing'] as const)('has nothing to show where no frame came: %s', async (name) => {
    const { hlsUrl, dashUrl } = house.at(name)
    // 412 while something may still come, and 404 from the program's end on.
    const status = async (url = hlsUrl) => (await fetch(url)).status
    await until('its end', 30_000, status, (seen) => seen === 404)
    expect(await status(dashUrl)).toBe(404)
  })
})

describe("the encoder's clock", () => {
  it('serves all in decoding order where DTS is not monotonic', async () => {
    const served = await ended('not-monotonic')
    expect(count(await probed('not-monotonic', served.video))).toEqual([frames.length])
    expect(count(await probed('not-monotonic', served.audio))).toEqual([soundFrames.length])
  })

  it('runs on over the roll-over of 32 bits', async () => {
    const served = await ended('wrapping')
    const seen = await probed('wrapping', served.video)
    expect(count(seen)).toEqual([frames.length])
    expect(count(await probed('wrapping', served.audio))).toEqual([soundFrames.length])
    const dts = seen[0]?.packets.map(({ dtsSeconds }) => dtsSeconds - firstDts(seen)) ?? []
    const sent = frames.map(({ timestampMs }) => timestampMs / 1_000)
    expect(Math.max(...dts.map((seconds, index) => Math.abs(seconds - (sent[index] ?? 0))))).toBeLessThan(0.0005)
    await expectReadByFfmpeg('wrapping', [frames.length, soundFrames.length])
  })

  it.each(['two-hours-on', 'an-hour-back', 'five-seconds-on'] as const)(
    'makes one discontinuity of a jump: %s',
    async (name) => {
      const served = await ended(name)
      const video = served.video as ServedRendition
      expect(discontinuities(video)).toBe(1)
      const seen = await probed(name, video)
      // What is left of the GOP can't be shown; from the next key frame on all is.
      expect(count(seen)).toEqual([between(frames, 0, 4_200).length, between(frames, 5_000, 9_000).length])
      const [before, after] = seen.map(({ packets }) => packets.map(({ ptsSeconds }) => ptsSeconds))
      const holeSeconds = Math.min(...(after ?? [])) - Math.max(...(before ?? [])) - FRAME_SECONDS
      expect(holeSeconds).toBeGreaterThanOrEqual(0)
      expect(holeSeconds).toBeLessThan(1.2)
      const heard = await probed(name, served.audio)
      expect(heard).toHaveLength(2)
      const offsets = [0, 1].map(
        (i) => (heard[i]?.packets[0]?.dtsSeconds ?? 0) - (seen[i]?.packets[0]?.dtsSeconds ?? 0),
      )
      for (const offset of offsets) expect(Math.abs(offset)).toBeLessThan(0.1)
    },
  )

  it('stays near the wall clock over jumps by hours', async () => {
    const { key, hlsUrl } = house.at('live')
    const publisher = await openPublisher(house.headend, key)
    await feed(publisher, between(both, 0, 2_100), true)
    await feed(publisher, shifted(between(both, 2_100, 4_100), 2 * HOUR_MS), true)
    await feed(publisher, shifted(between(both, 4_100, 9_000), -HOUR_MS), true)
    const endMs = Date.now()
    await hangUp(publisher)
    const master = await readServed(hlsUrl)
    const [video] = master.renditions.filter(({ kind }) => kind === 'video') as [ServedRendition]
    const played = await until(
      'the last segment',
      10_000,
      () => fetchMedia(video.url),
      ({ segments }) => (segments.filter(({ gap }) => !gap).at(-1)?.discontinuitySequence ?? 0) === 2,
    )
    const media = played.segments.filter(({ gap }) => !gap)
    expect(new Set(media.map(({ discontinuitySequence }) => discontinuitySequence))).toEqual(new Set([0, 1, 2]))
    const last = media.filter(({ discontinuitySequence }) => discontinuitySequence === 2)
    const lastStartMs = last[0]?.programDateTimeMs ?? 0
    const seconds = last.reduce((sum, { duration }) => sum + duration, 0)
    expect(Math.abs(lastStartMs + seconds * 1_000 - endMs)).toBeLessThan(1_000)
  })
})

describe('what the encoder changes', () => {
  it('makes a new init segment and one discontinuity of a new picture size', async () => {
    const served = await ended('other-size')
    expect(discontinuities(served.video as ServedRendition)).toBe(1)
    const seen = await probed('other-size', served.video)
    expect(seen.map(({ size }) => size)).toEqual(['160x90', '320x180'])
    expect(count(seen)).toEqual([between(frames, 0, 4_000).length, between(frames, 4_000, 9_000).length])
    expect(new Set(seen.map(({ initUrl }) => initUrl)).size).toBe(2)
    const heard = await probed('other-size', served.audio)
    expect(new Set(heard.map(({ initUrl }) => initUrl)).size).toBe(1)
    expect(count(heard).reduce((sum, n) => sum + n, 0)).toBe(soundFrames.length)
    const { text } = await readMpd(house.at('other-size').dashUrl)
    expect([...text.matchAll(/id="video[^>]* width="(\d+)"/g)].map(([, width]) => width)).toEqual(['160', '320'])
  })

  it('takes no notice of the same headers again', async () => {
    const served = await ended('repeated-headers')
    expect(discontinuities(served.video as ServedRendition)).toBe(0)
    expect(count(await probed('repeated-headers', served.video))).toEqual([frames.length])
    expect(count(await probed('repeated-headers', served.audio))).toEqual([soundFrames.length])
    await expectReadByFfmpeg('repeated-headers', [frames.length, soundFrames.length])
  })

  it('cuts by force where key frames are rare, and does not call the segments independent', async () => {
    const served = await ended('rare-keys')
    const video = served.video as ServedRendition
    expect(video.segments.length).toBeGreaterThanOrEqual(4)
    expect(video.text).not.toContain('EXT-X-INDEPENDENT-SEGMENTS')
    expect(served.masterText).not.toContain('EXT-X-INDEPENDENT-SEGMENTS')
    expect(count(await probed('rare-keys', video))).toEqual([frames.length])
    expect(count(await probed('rare-keys', served.audio))).toEqual([soundFrames.length])
    expect(
      await house.headend.metric('headend_segmenter_non_independent_cuts_total', 'rare-keys'),
    ).toBeGreaterThanOrEqual(3)
    await expectReadByFfmpeg('rare-keys', [frames.length, soundFrames.length])
    const iframes = /I-FRAME-STREAM-INF.*URI="([^"]+)"/.exec(served.masterText)?.[1] ?? ''
    const trick = await fetchMedia(new URL(iframes, house.at('rare-keys').hlsUrl).href)
    expect(trick.segments.map(({ gap }) => gap)).toEqual(video.segments.map((_, index) => index > 0))
  })
})
