import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ChannelHouse, publishMessages, startChannels } from '../support/channels.ts'
import { type EncodedTrack, encode, picture, tone, videoEncoders } from '../support/flv-encoded.ts'
import type { FlvMessage } from '../support/flv-file.ts'
import { enhancedMessages, interleave, legacyMessages } from '../support/flv-publish.ts'
import { exVideo, exVideoTypes, withComposition } from '../support/flv-tags.ts'
import { temporaryFolder } from '../support/headend.ts'
import { until } from '../support/playlist.ts'
import {
  download,
  ffmpegReads,
  mp4boxReading,
  type Packet,
  probe,
  readMpd,
  readServed,
  type ServedPresentation,
  type ServedRendition,
  servedSeconds,
  shakaComplaints,
  writeStretch,
} from '../support/served.ts'

/** Real bit streams of every codec, published by Enhanced RTMP to pass-through channels, and what tools read at the origin. */

const SECONDS = 4
const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const GOP = ['-g', '25', '-keyint_min', '25']
const X265 = 'log-level=none:pools=none:keyint=25:min-keyint=25:scenecut=0:open-gop=0'
const STEREO = tone(48_000, 2, SECONDS)

function coded(input: readonly string[], ...codec: readonly string[]): EncodedTrack {
  const [track] = encode([...input, ...codec]).tracks
  if (!track) throw new Error('ffmpeg made no track')
  return track
}

function hevc(input: readonly string[], bFrames: number): EncodedTrack {
  const params = `${X265}:bframes=${bFrames}`
  return coded(input, '-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-x265-params', params)
}

const PICTURE = picture('160x90', '25', SECONDS)

type VideoCase = { readonly track: EncodedTrack; readonly codec: string; readonly codecs: string }
type AudioCase = VideoCase & { readonly fourCc: string }

const videos: Record<string, VideoCase> = {
  HEVC: { track: hevc(PICTURE, 2), codec: 'hevc', codecs: 'hvc1.1.6.L30.90' },
  AV1: { track: coded(PICTURE, ...videoEncoders.av1, ...GOP), codec: 'av1', codecs: 'av01.0.00M.08' },
  VP9: { track: coded(PICTURE, ...videoEncoders.vp9, ...GOP), codec: 'vp9', codecs: 'vp09.00.10.08' },
}

const audios: Record<string, AudioCase> = {
  Opus: { track: coded(STEREO, '-c:a', 'libopus'), codec: 'opus', codecs: 'opus', fourCc: 'Opus' },
  FLAC: { track: coded(STEREO, '-c:a', 'flac'), codec: 'flac', codecs: 'fLaC', fourCc: 'fLaC' },
  'AC-3': { track: coded(STEREO, '-c:a', 'ac3'), codec: 'ac3', codecs: 'ac-3', fourCc: 'ac-3' },
  'E-AC-3': {
    track: coded(tone(48_000, 6, SECONDS), '-c:a', 'eac3'),
    codec: 'eac3',
    codecs: 'ec-3',
    fourCc: 'ec-3',
  },
  AAC: { track: coded(tone(44_100, 2, SECONDS), '-c:a', 'aac'), codec: 'aac', codecs: 'mp4a.40.2', fourCc: 'mp4a' },
  MP3: {
    track: coded(tone(44_100, 2, SECONDS), '-c:a', 'libmp3lame'),
    codec: 'mp3',
    codecs: 'mp4a.6B',
    fourCc: '.mp3',
  },
}

/** In short each audio codec once and each video codec twice. */
const pairs = Object.keys(videos)
  .flatMap((video, row) => Object.keys(audios).map((audio, column) => ({ video, audio, isShort: column % 3 === row })))
  .filter(({ isShort }) => isShort || inject('cases') === 'all')
const special = ['legacy', 'signed', 'nanos', 'two-audio', 'two-video', 'packed'] as const

let house: ChannelHouse
beforeAll(async () => {
  const channel = { segmentDuration: '1s', keyFrameInterval: '1s', reconnectGrace: '1ms' }
  // These programs end once everything was sent, and without gaps till then: tools read their manifests to the end.
  const program = { stopAt: new Date(Date.now() + 12_000).toISOString() }
  const paired = pairs.map(({ video, audio }) => [nameOf(video, audio), { channel, program }])
  house = await startChannels(Object.fromEntries([...paired, ...special.map((name) => [name, { channel }])]))
  await Promise.all(pairs.map(publishPair))
})
afterAll(() => house.headend.stop())

function publishPair({ video, audio }: { readonly video: string; readonly audio: string }): Promise<void> {
  const { track, fourCc } = audios[audio] as AudioCase
  const messages = interleave(enhancedMessages((videos[video] as VideoCase).track), enhancedMessages(track, { fourCc }))
  return publishMessages(house.headend, house.at(nameOf(video, audio)).key, messages)
}

function nameOf(video: string, audio: string): string {
  return `${video}-${audio}`.replaceAll(/-(?=\d)|-(?=AC)/g, '').toLowerCase()
}

function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex')
}

function hashes(track: EncodedTrack): string[] {
  return track.samples.map(({ data }) => md5(data))
}

function only(presentation: ServedPresentation, kind: 'video' | 'audio'): ServedRendition {
  const list = presentation.renditions.filter((rendition) => rendition.kind === kind)
  expect(list).toHaveLength(1)
  return list[0] as ServedRendition
}

/** A rendition that is one stretch, read and decoded by ffprobe, and accepted by mp4box.js and shaka-packager. */
async function readAll(name: string, rendition: ServedRendition) {
  const stretches = await download(rendition)
  expect(stretches).toHaveLength(1)
  const [stretch] = stretches
  if (!stretch) throw new Error('nothing was served')
  const file = writeStretch(join(folder, `${name}-${rendition.kind}.mp4`), stretch)
  const probed = await probe(file)
  expect(probed.complaints).toBe('')
  const boxed = mp4boxReading(stretch)
  expect(boxed.samples).toHaveLength(probed.packets.length)
  // shaka-packager knows no MP3 in MP4.
  if (probed.codec !== 'mp3') expect(shakaComplaints(file, rendition.kind)).toBe('')
  return { ...probed, times: boxed.samples }
}

/** The greatest difference between the times that were sent and those served, after taking off the first. */
function timeError(packets: readonly Packet[], track: EncodedTrack, which: 'ptsSeconds' | 'dtsSeconds'): number {
  const sent = track.samples.map(
    ({ dtsMs, compositionMs }) => (dtsMs + (which === 'ptsSeconds' ? compositionMs : 0)) / 1_000,
  )
  const shift = (packets[0]?.[which] ?? 0) - (sent[0] ?? 0)
  return Math.max(...packets.map((packet, index) => Math.abs(packet[which] - (sent[index] ?? 0) - shift)))
}

describe.each(pairs)('$video with $audio', ({ video, audio }) => {
  it('comes out as it went in, by HLS and DASH', async () => {
    const picture = videos[video] as VideoCase
    const sound = audios[audio] as AudioCase
    const name = nameOf(video, audio)
    const access = house.at(name)
    const served = await until(
      'the end of the program',
      30_000,
      () => readServed(access.hlsUrl),
      ({ renditions }) => renditions.length === 2 && renditions.every(({ playlist }) => playlist.ended),
    )
    expect(served.attributes).toHaveLength(1)
    expect(served.attributes[0]).toContain(`CODECS="${picture.codecs},${sound.codecs}"`)
    expect(served.attributes[0]).toContain('RESOLUTION=160x90,FRAME-RATE=25.000')

    const seen = await readAll(name, only(served, 'video'))
    expect(seen.codec).toBe(picture.codec)
    expect(seen.size).toBe('160x90')
    expect(seen.frames).toBe(picture.track.samples.length)
    expect(seen.packets.map(({ hash }) => hash)).toEqual(hashes(picture.track))
    expect(timeError(seen.packets, picture.track, 'ptsSeconds')).toBeLessThan(0.0006)

    const heard = await readAll(name, only(served, 'audio'))
    expect(heard.codec).toBe(sound.codec)
    expect(heard.packets.map(({ hash }) => hash)).toEqual(hashes(sound.track))
    expect(timeError(heard.packets, sound.track, 'ptsSeconds')).toBeLessThan(0.0006)
    const offset = (heard.packets[0]?.dtsSeconds ?? 0) - (seen.packets[0]?.dtsSeconds ?? 0)
    expect(Math.abs(offset)).toBeLessThan(0.001)

    const { text, manifest } = await readMpd(access.dashUrl)
    expect(manifest.playlists.map(({ attributes }) => attributes['CODECS'])).toEqual([picture.codecs])
    expect(text).toContain(`codecs="${sound.codecs}"`)
    // ffmpeg counts an MPD's duration from its earliest sample of any track, so that the last two may be past its end.
    const read = await ffmpegReads(access.dashUrl)
    expect(read.complaints).toBe('')
    expect(read.packets).toHaveLength(2)
    expect(read.packets[0]).toBeGreaterThanOrEqual(picture.track.samples.length - 2)
    expect(read.packets[1]).toBeGreaterThanOrEqual(sound.track.samples.length - 2)
  })
})

describe('what encoders send otherwise', () => {
  it('takes HEVC under the legacy codec id 12, with legacy AAC', async () => {
    const { track } = videos['HEVC'] as VideoCase
    const sound = audios['AAC'] as AudioCase
    const access = house.at('legacy')
    const messages = interleave(legacyMessages(track), legacyMessages(sound.track))
    await publishMessages(house.headend, access.key, messages, { connectFields: {} })
    const served = await servedSeconds(access.hlsUrl, { video: SECONDS, audio: SECONDS - 0.1 })
    const seen = await readAll('legacy', only(served, 'video'))
    expect(seen.packets.map(({ hash }) => hash)).toEqual(hashes(track))
    const heard = await readAll('legacy', only(served, 'audio'))
    expect(heard.packets.map(({ hash }) => hash)).toEqual(hashes(sound.track))
  })

  it('keeps presentation times with signed composition offsets', async () => {
    const { track } = videos['HEVC'] as VideoCase
    const lead = Math.max(...track.samples.slice(0, 1).map(({ compositionMs }) => compositionMs))
    const shifted = {
      ...track,
      samples: track.samples.map((sample) => ({ ...sample, compositionMs: sample.compositionMs - lead })),
    }
    expect(Math.min(...shifted.samples.map(({ compositionMs }) => compositionMs))).toBeLessThan(0)
    const access = house.at('signed')
    await publishMessages(house.headend, access.key, enhancedMessages(shifted))
    const served = await servedSeconds(access.hlsUrl, { video: SECONDS })
    const seen = await readAll('signed', only(served, 'video'))
    expect(seen.frames).toBe(track.samples.length)
    expect(seen.packets.map(({ hash }) => hash)).toEqual(hashes(track))
    expect(timeError(seen.packets, shifted, 'ptsSeconds')).toBeLessThan(0.0006)
    const { segments } = only(served, 'video')
    expect(segments.map(({ duration }) => duration)).toEqual([1, 1, 1, 1])
    // What the playlist says of the first picture is where it stands.
    expect((segments[0]?.programDateTimeMs ?? 0) / 1_000).toBeCloseTo(seen.times[0]?.ptsSeconds ?? 0, 2)
    // (ffmpeg reads all of a file with offsets below 0 late by the greatest of them.)
    expect(seen.times[0]?.ptsSeconds).toBeCloseTo(seen.times[0]?.dtsSeconds ?? 0, 4)
  })

  it('adds the nanoseconds of ModEx: 29.97 fps comes out to the tick', async () => {
    const track = hevc(picture('160x90', '30000/1001', SECONDS), 0)
    const access = house.at('nanos')
    const [start, ...frames] = enhancedMessages(track)
    const exact = frames.map((message, index): FlvMessage => {
      const ns = Math.round((index * 1_001 * 1e9) / 30_000)
      const sample = track.samples[index]
      const payload = exVideo({
        packetType: exVideoTypes.codedFrames,
        frameType: sample?.sync ? 1 : 2,
        nanos: ns % 1e6,
        fourCc: 'hvc1',
        body: withComposition(0, sample?.data ?? new Uint8Array()),
      })
      return { ...message, timestampMs: Math.floor(ns / 1e6), payload }
    })
    await publishMessages(house.headend, access.key, [...(start ? [start] : []), ...exact])
    const served = await servedSeconds(access.hlsUrl, { video: SECONDS - 0.1 })
    const seen = await readAll('nanos', only(served, 'video'))
    expect(seen.frames).toBe(track.samples.length)
    const steps = seen.packets.slice(1).map(({ ptsSeconds }, index) => {
      return Math.round((ptsSeconds - (seen.packets[index]?.ptsSeconds ?? 0)) * 90_000)
    })
    expect(new Set(steps)).toEqual(new Set([3_003]))
  })
})

describe('multitrack', () => {
  const { track: main } = audios['AAC'] as AudioCase
  const second = coded(
    ['-f', 'lavfi', '-i', `sine=880:r=44100:d=${SECONDS}`, '-ac', '1'],
    ...['-c:a', 'aac', '-b:a', '48k'],
  )
  const large = videos['HEVC'] as VideoCase
  const small = hevc(picture('80x48', '25', SECONDS), 2)

  it('makes a rendition of each audio track', async () => {
    const access = house.at('two-audio')
    const messages = interleave(
      enhancedMessages(large.track),
      enhancedMessages(main),
      enhancedMessages(second, { trackId: 1 }),
    )
    await publishMessages(house.headend, access.key, messages)
    const served = await servedSeconds(access.hlsUrl, { video: SECONDS, audio: SECONDS - 0.1 })
    const sounds = served.renditions.filter(({ kind }) => kind === 'audio')
    expect(sounds).toHaveLength(2)
    expect((await readAll('two-1', sounds[0] as ServedRendition)).packets.map(({ hash }) => hash)).toEqual(hashes(main))
    expect((await readAll('two-2', sounds[1] as ServedRendition)).packets.map(({ hash }) => hash)).toEqual(
      hashes(second),
    )
    expect(served.masterText.match(/TYPE=AUDIO.*DEFAULT=YES/g)).toHaveLength(1)
    const { text } = await readMpd(access.dashUrl)
    expect([...text.matchAll(/codecs="([^"]+)"/g)].map(([, codecs]) => codecs)).toEqual([
      large.codecs,
      'mp4a.40.2',
      'mp4a.40.2',
    ])
  })

  it('makes a rendition of each video track, cut at the same instants', async () => {
    const access = house.at('two-video')
    const messages = interleave(
      enhancedMessages(large.track, { trackId: 0 }),
      enhancedMessages(small, { trackId: 1 }),
      enhancedMessages(main),
    )
    await publishMessages(house.headend, access.key, messages)
    await expectTwoPictures(access.hlsUrl)
  })

  it('takes several tracks out of one message', async () => {
    const access = house.at('packed')
    const [largeStart, ...largeFrames] = enhancedMessages(large.track, { trackId: 0 })
    const [smallStart] = enhancedMessages(small, { trackId: 1 })
    const together = largeFrames.map((message, index): FlvMessage => {
      const body = (track: EncodedTrack) => {
        const { compositionMs = 0, data = new Uint8Array() } = track.samples[index] ?? {}
        return withComposition(Math.round(compositionMs), data)
      }
      const payload = exVideo({
        packetType: exVideoTypes.codedFrames,
        frameType: large.track.samples[index]?.sync ? 1 : 2,
        layout: 'many',
        tracks: [
          { trackId: 0, fourCc: 'hvc1', body: body(large.track) },
          { trackId: 1, fourCc: 'hvc1', body: body(small) },
        ],
      })
      return { ...message, payload }
    })
    const starts = [largeStart, smallStart].filter((message) => message !== undefined)
    await publishMessages(house.headend, access.key, interleave([...starts, ...together], enhancedMessages(main)))
    await expectTwoPictures(access.hlsUrl)
  })

  async function expectTwoPictures(hlsUrl: string): Promise<void> {
    const served = await servedSeconds(hlsUrl, { video: SECONDS, audio: SECONDS - 0.1 })
    const pictures = served.renditions.filter(({ kind }) => kind === 'video')
    expect(served.attributes.map((attributes) => /RESOLUTION=(\w+)/.exec(attributes)?.[1])).toEqual(['160x90', '80x48'])
    const [first, other] = await Promise.all(pictures.map((rendition, at) => readAll(`video-${at}`, rendition)))
    expect(first?.packets.map(({ hash }) => hash)).toEqual(hashes(large.track))
    expect(other?.packets.map(({ hash }) => hash)).toEqual(hashes(small))
    expect(other?.packets.map(({ ptsSeconds }) => ptsSeconds)).toEqual(first?.packets.map((p) => p.ptsSeconds))
    const cuts = pictures.map(({ segments }) => segments.map(({ duration }) => duration))
    expect(cuts[1]).toEqual(cuts[0])
    expect(cuts[0]).toEqual([1, 1, 1, 1])
  }
})
