import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { afterAll, describe, expect, it } from 'vitest'
import { RenditionTrack } from '../../src/channel/rendition-track.ts'
import { describeTrack } from '../../src/channel/track-description.ts'
import { buildMpd } from '../../src/manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../../src/manifest/hls-master.ts'
import { buildFragment } from '../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../src/media/cmaf/init-segment.ts'
import { captionScanOf } from '../../src/media/codecs/captions.ts'
import type { CodecConfig } from '../../src/media/media.ts'
import { openFilePresentation } from '../../src/ondemand/file-presentation.ts'
import { captioned, captionSei } from '../support/captions.ts'
import { encode, encodeVideo, Recording } from '../support/recording.ts'
import { serveRecording } from '../support/smooth-client.ts'
import { memoryFile } from '../support/source-files.ts'
import { presentationOf, sampleUris } from '../unit/manifest/sample-manifests.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from '../unit/presentation/sample-log.ts'

hlsParser.setOptions({ strictMode: true })

const folder = mkdtempSync(join(tmpdir(), 'captions-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const plain = encodeVideo(3)
const media = captioned(plain, 'HELLO WORLD', 1)

function servicesOf(config: CodecConfig, samples: readonly { readonly data: Uint8Array }[]) {
  const scan = captionScanOf(config)
  for (const { data } of samples) scan?.add(data)
  return scan?.services.map(({ instreamId }) => instreamId)
}

describe('captions in pictures', () => {
  it('are found in AVC and in HEVC, and nothing where there are none', () => {
    expect(servicesOf(plain.config, plain.samples)).toEqual([])
    expect(servicesOf(media.config, media.samples)).toEqual(['CC1', 'SERVICE1'])
    const hevc = encode(
      ...['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=0.4', '-c:v', 'libx265', '-preset', 'ultrafast'],
      ...['-x265-params', 'log-level=none'],
    )
    expect(servicesOf(hevc.config, hevc.samples)).toEqual([])
    expect(servicesOf(hevc.config, captioned(hevc, 'HI').samples)).toEqual(['CC1'])
  })

  it('are what is said to be valid: fields, and the services of packets', () => {
    const [sample] = plain.samples
    const with608 = (type: number, valid: boolean, pair = 0x9420) => {
      const sei = captionSei('avc', [[type, pair >>> 8, pair & 255]])
      // `cc_valid` is the third bit of a triplet's head.
      if (!valid) sei[sei.indexOf(0xfc | type, 16)] = 0xf8 | type
      return servicesOf(plain.config, [{ data: sei }, { data: sample?.data ?? sei }])
    }
    expect([with608(0, true), with608(1, true), with608(0, false)]).toEqual([['CC1'], ['CC3'], []])
    // Nulls, as encoders send them in every picture of a field that says nothing.
    expect([with608(0, true, 0x8080), with608(1, true, 0x8080), with608(0, true, 0), with608(1, true, 0x0080)]).toEqual(
      [...[[], [], [], []]],
    )
    expect([with608(0, true, 0x80c8), with608(1, true, 0xc880)]).toEqual([['CC1'], ['CC3']])
    const service = (head: number) => servicesOf(plain.config, [{ data: captionSei('avc', [[3, 2, head]]) }])
    expect([service(0x41), service(0xe1), service(0x01)]).toEqual([['SERVICE2'], [], []])
  })

  it('that are torn are passed over', () => {
    const sei = captionSei('avc', [[0, 0x94, 0x20]])
    for (let size = 0; size < sei.byteLength; size++) {
      const services = servicesOf(plain.config, [{ data: sei.subarray(0, size) }])
      expect(services?.filter((id) => id !== 'CC1')).toEqual([])
    }
    expect(servicesOf(plain.config, [{ data: new Uint8Array(64).fill(0xff) }])).toEqual([])
  })

  it('are a fact of the track: what is said of them, else what its first pictures carry', () => {
    const described = (captions?: readonly { instreamId: string }[]) => {
      const track = new RenditionTrack({ name: 'video-1', config: media.config }, 1, 90_000)
      for (const { data, ...sample } of media.samples.slice(0, 12)) track.push({ ...sample, data }, 3_600)
      const total = { samples: 12, sizeBytes: 10_000, durationTicks: 43_200, startTicks: 0 }
      return describeTrack(track, total, [], captions).captions
    }
    expect(described()).toEqual([{ instreamId: 'CC1' }, { instreamId: 'SERVICE1' }])
    expect(described([{ instreamId: 'CC2' }])).toEqual([{ instreamId: 'CC2' }])
    expect(described([])).toBeUndefined()
  })
})

/** The captions that players' parsers find. */
function captionGroup(manifest: object): readonly { readonly instreamId: string }[] {
  const { mediaGroups } = manifest as { mediaGroups?: Record<string, Record<string, object>> }
  return Object.values(mediaGroups?.['CLOSED-CAPTIONS']?.['cc'] ?? {})
}

describe('manifests', () => {
  const captions = [
    { instreamId: 'CC1', language: 'en', name: 'English' },
    { instreamId: 'CC3' },
    { instreamId: 'SERVICE1', language: 'de-AT', name: 'English' },
  ]
  const viewOf = (more: object) => {
    const log = new SampleLog(sampleHeader).add(videoTrack(1, 'video-1', more)).add(audioTrack(2, 'audio-1'))
    return presentationOf(sampleHeader, [...log.segments(3).records, { type: 'ended' }])
  }

  it('tell of them in a group, and every variant of that', () => {
    const text = buildMasterPlaylist(viewOf({ captions }), sampleUris)
    expect(text.match(/#EXT-X-(VERSION|MEDIA:TYPE=CLOSED).*/g)).toEqual([
      '#EXT-X-VERSION:7',
      '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID="CC1"',
      '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC3",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID="CC3"',
      '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="English (SERVICE1)",LANGUAGE="de-AT",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID="SERVICE1"',
    ])
    expect(text.match(/CLOSED-CAPTIONS="cc"/g)).toHaveLength(1)
    const read = hlsParser.parse(text)
    const [variant] = 'variants' in read ? read.variants : []
    expect(variant?.closedCaptions.map(({ instreamId }) => instreamId)).toEqual(['CC1', 'CC3', 'SERVICE1'])
    const parser = new Parser()
    parser.push(text)
    parser.end()
    expect(captionGroup(parser.manifest)).toHaveLength(3)
  })

  it('describe them to DASH players, each kind by its own scheme', () => {
    const text = buildMpd(viewOf({ captions }), sampleUris)
    expect(text.match(/<Accessibility.*/g)).toEqual([
      '<Accessibility schemeIdUri="urn:scte:dash:cc:cea-608:2015" value="CC1=eng;CC3"/>',
      '<Accessibility schemeIdUri="urn:scte:dash:cc:cea-708:2015" value="1=lang:deu"/>',
    ])
    const read = captionGroup(parseMpd(text, { manifestUri: 'http://x/' }))
    expect(read.map(({ instreamId }) => instreamId)).toContain('CC1')
  })

  it('say as ever that there are none where none are known', () => {
    const [without, empty] = [viewOf({}), viewOf({ captions: [] })]
    expect(buildMasterPlaylist(empty, sampleUris)).toBe(buildMasterPlaylist(without, sampleUris))
    expect(buildMasterPlaylist(without, sampleUris)).toContain('CLOSED-CAPTIONS=NONE')
    expect(buildMpd(empty, sampleUris)).toBe(buildMpd(without, sampleUris))
  })
})

it('fragments and transport streams carry what the encoder sent: ffmpeg reads the words', async () => {
  const recording = new Recording([{ rendition: 'video-1', media, atSeconds: 0 }])
  recording.presentation.apply({ type: 'ended' })
  const { server, base } = await serveRecording(recording)
  const get = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer())
  const lines = async (url: string) =>
    (await get(url))
      .toString()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => new URL(line, url).href)
  const master = `${base}/manifest(format=m3u8-aapl)`
  const [playlist = ''] = await lines(master)
  const files = {
    'fragments.mp4': Buffer.from(recording.joined(1)),
    'stream.ts': Buffer.concat(await Promise.all((await lines(playlist)).map(get))),
  }
  await server.stop()
  for (const [name, bytes] of Object.entries(files)) {
    const file = join(folder, name)
    writeFileSync(file, bytes)
    const probe = (...args: string[]) => execFileSync('ffprobe', ['-v', 'error', ...args], { encoding: 'utf8' })
    const frames = probe('-show_entries', 'frame_side_data=side_data_type', '-of', 'csv=p=0', file)
    expect(frames.match(/A53/g)?.length, name).toBe(media.samples.length)
    const subtitles = execFileSync(
      'ffmpeg',
      ['-v', 'error', '-f', 'lavfi', '-i', `movie=${file}[out+subcc]`, '-map', '0:s', '-f', 'srt', 'pipe:1'],
      { encoding: 'utf8' },
    )
    expect(subtitles, name).toContain('HELLO WORLD')
  }
})

describe('captions of an uploaded file', () => {
  const fileOf = (samples: typeof media.samples) => {
    const config = media.config
    const init = buildInitSegment([{ trackId: 1, config, timescale: 90_000 }])
    const plan = { trackId: 1, sequenceNumber: 1, baseDecodeTicks: 0, kind: 'video', opensSegment: true } as const
    const described = samples.map((sample) => ({ ...sample, durationTicks: 3_600, compositionTicks: 0 }))
    return memoryFile('movie.mp4', Buffer.concat([init, buildFragment({ ...plan, samples: described }).bytes]))
  }
  const opened = async (samples: typeof media.samples) =>
    (await openFilePresentation('as_1', [fileOf(samples)], AbortSignal.timeout(10_000))).view

  it('are told of as those of a live one, where its first key-frame group has them', async () => {
    const view = await opened(media.samples)
    const master = buildMasterPlaylist(view, sampleUris)
    expect(master).toMatch(/TYPE=CLOSED-CAPTIONS.*INSTREAM-ID="CC1"/)
    expect(buildMpd(view, sampleUris)).toContain('urn:scte:dash:cc:cea-608:2015')
    const without = buildMasterPlaylist(await opened(plain.samples), sampleUris)
    expect(without).toContain('CLOSED-CAPTIONS=NONE')
  })

  it('are not looked for behind its second key frame', async () => {
    const second = media.samples.findIndex(({ independent }, at) => at > 0 && independent)
    expect(second).toBeGreaterThan(0)
    const late = [...plain.samples.slice(0, second), ...media.samples.slice(second)]
    expect((await opened(late)).track(1)?.captions).toBeUndefined()
  })
})
