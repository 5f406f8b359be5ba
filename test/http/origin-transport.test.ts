import { rmSync } from 'node:fs'
import hlsParser from 'hls-parser'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ffprobe, run } from '../support/ffmpeg.ts'
import { temporaryFolder } from '../support/headend.ts'
import { type Checked, checkSegments } from '../support/ts-checker.ts'
import { type EncodedOptions, encodedLive } from './encoded-fixture.ts'
import { type FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { get, segmentsOf, text, urisOf } from './playlist-reading.ts'
import { encodeSources, SECONDS, sourcesIn } from './transport-sources.ts'

hlsParser.setOptions({ strictMode: true })

/** Of the ID3 tag before packed audio. */
const TAG_BYTES = 73
const folder = temporaryFolder()
const sources = sourcesIn(folder)
beforeAll(() => encodeSources(sources))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

type Served = { readonly live: FakeLive; readonly base: string; readonly ism: string }

async function serve(
  source: keyof typeof sources,
  options: EncodedOptions & { readonly state?: 'live' | 'ended' } = {},
) {
  const live = encodedLive(sources[source], options)
  if (options.state !== 'live') {
    live.presentation.apply({ type: 'ended' })
    if (options.state !== 'ended') live.presentation.apply({ type: 'archived' })
  }
  const { server, base } = await startOrigin(live)
  running.push(server)
  return { live, base, ism: `${base}/loc-1/stream.ism` } satisfies Served
}

/** MD5 of each decoded frame or packet of audio. */
async function decoded(input: string, map: string): Promise<string[]> {
  const { stdout, stderr } = await run('ffmpeg', ['-v', 'error', '-i', input, '-map', map, '-f', 'framemd5', '-'])
  expect(stderr).toBe('')
  return stdout.split('\n').flatMap((line) => (/^\d/.test(line) ? [line.split(',').at(-1)!.trim()] : []))
}

async function firstTimes(input: string): Promise<number[]> {
  const { streams } = await ffprobe('-show_entries', 'stream=start_time', input)
  return (streams as { start_time: string }[]).map(({ start_time }) => Number(start_time))
}

function checked(segments: readonly Uint8Array[]): Checked {
  const result = checkSegments(segments)
  expect(result.violations).toEqual([])
  return result
}

describe('HLS version 4', () => {
  it('has pictures in transport streams and audio packed, as they were', async () => {
    const { ism } = await serve('avc')
    const url = `${ism}/manifest(format=m3u8-aapl)`
    const master = await text(url)
    hlsParser.parse(master)
    expect(master.split('\n').slice(0, 5)).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:4',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      expect.stringMatching(
        /^#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-aac",NAME="audio-1",LANGUAGE="en".*URI="\.\.\/c\/[^/]+\/audio-1\/v4\.m3u8"$/,
      ),
      expect.stringMatching(/^#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-ac3",NAME="audio-2".*audio-2\/v4\.m3u8"$/),
    ])
    const [aac = '', ac3 = '', video = '', again, iframes = ''] = urisOf(master, url)
    expect(again).toBe(video)
    const lists = await Promise.all([aac, ac3, video, iframes].map(text))
    for (const list of lists) {
      const parsed = hlsParser.parse(list)
      expect(parsed.isMasterPlaylist ? 0 : parsed.segments.length).toBe(SECONDS)
      expect(list).toContain('#EXT-X-VERSION:4\n')
      expect(list).not.toContain('EXT-X-MAP')
      expect(list).toMatch(/#EXT-X-PLAYLIST-TYPE:VOD\n[\s\S]*#EXT-X-ENDLIST\n$/)
    }
    expect(lists[2]).toMatch(/(#EXTINF:1\.000000,\n\d+\.ts\n){3}/)
    const { streams } = checked(await segmentsOf(video))
    expect(streams.map(({ pid, streamType }) => [pid, streamType])).toEqual([[0x100, 0x1b]])
    expect(streams[0]?.pes).toHaveLength(SECONDS * 25)

    const sounds = [aac, ac3]
    for (const [index, list] of [video, ...sounds].entries()) {
      const map = index === 0 ? '0:v' : `0:a:${index - 1}`
      expect(await decoded(list, '0:0')).toEqual(await decoded(sources.avc, map))
    }
    // ffmpeg dates packed audio by the tag that it read last, which with short segments is a later one's: tags are read here.
    const [picture = 0, ...tones] = await firstTimes(sources.avc)
    const first = streams[0]!.pes[0]!.pts
    for (const [index, list] of sounds.entries()) {
      const heard = (await segmentsOf(list)).map((segment) => Number(segment.readBigUInt64BE(TAG_BYTES - 8)))
      expect(Math.abs((heard[0]! - first) / 90_000 - (tones[index]! - picture))).toBeLessThan(0.001)
      for (const [at, ticks] of heard.entries()) expect(Math.abs(ticks - heard[0]! - at * 90_000)).toBeLessThan(3_000)
    }
  })

  it('says in packed audio when it is heard, and keeps its types apart', async () => {
    const { ism } = await serve('avc')
    const list = `${ism}/QualityLevels(130002)/Manifest(audio,format=m3u8-aapl)`
    const [uri = ''] = urisOf(await text(list), list)
    const aac = await get(uri)
    expect(aac.headers['content-type']).toBe('audio/aac')
    expect(aac.headers['cache-control']).toContain('immutable')
    const owner = 'com.apple.streaming.transportStreamTimestamp\0'
    expect(aac.body.subarray(0, 10)).toEqual(Buffer.from([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 63]))
    expect(aac.body.subarray(10, 20)).toEqual(Buffer.from([0x50, 0x52, 0x49, 0x56, 0, 0, 0, 53, 0, 0]))
    expect(aac.body.subarray(20, 20 + owner.length).toString('latin1')).toBe(owner)
    expect(aac.body.readBigUInt64BE(20 + owner.length)).toBe(900_000n)
    expect(aac.body.readUInt16BE(TAG_BYTES)).toBe(0xfff1)
    const range = await get(uri, { range: 'bytes=73-74' })
    expect([range.status, range.body]).toEqual([206, Buffer.from([0xff, 0xf1])])
    expect((await get(uri, { 'if-none-match': `${aac.headers['etag']}` })).status).toBe(304)
    expect((await get(uri.replace(/aac$/, 'ac3'))).status).toBe(404)
    const ac3 = await get(`${ism}/QualityLevels(130003)/Fragments(audio-2=${START_SECONDS * 48_000},format=m3u8-aapl)`)
    expect([ac3.status, ac3.headers['content-type']]).toEqual([200, 'audio/ac3'])
    expect(ac3.headers['cache-control']).not.toContain('immutable')
    expect(ac3.body.readUInt16BE(TAG_BYTES)).toBe(0x0b77)
  })

  it('lists key frames as streams of one picture', async () => {
    const { ism } = await serve('avc')
    const url = `${ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl,type=keyframes)`
    const list = await text(url)
    expect(list).toContain('#EXT-X-I-FRAMES-ONLY\n')
    const segments = await segmentsOf(url)
    const { streams } = checkSegments(segments, { contiguous: false })
    expect(streams[0]?.pes.map(({ randomAccess }) => randomAccess)).toEqual([true, true, true])
    const all = await decoded(sources.avc, '0:v')
    for (const [index, uri] of urisOf(list, url).entries()) {
      expect(uri).toMatch(/\.iframe\.ts$/)
      expect(await decoded(uri, '0:v')).toEqual([all[index * 25]])
    }
  })

  it('carries 10-bit HEVC and E-AC-3', async () => {
    const { ism } = await serve('hevc')
    const url = `${ism}/manifest(format=m3u8-aapl)`
    const [audio = '', video = ''] = urisOf(await text(url), url)
    const { streams } = checked(await segmentsOf(video))
    expect(streams[0]?.streamType).toBe(0x24)
    expect(await decoded(video, '0:0')).toEqual(await decoded(sources.hevc, '0:v'))
    expect(await decoded(audio, '0:0')).toEqual(await decoded(sources.hevc, '0:a'))
    const muxed = checked(await segmentsOf(await onlyVideo(`${ism}/manifest(format=m3u8-aapl-v3)`)))
    expect(muxed.streams.map(({ streamType }) => streamType)).toEqual([0x24, 0x87])
  })
})

async function onlyVideo(url: string): Promise<string> {
  return urisOf(await text(url), url)[0]!
}

describe('HLS version 3', () => {
  it('has the default audio in every stream, and alone', async () => {
    const { ism } = await serve('avc')
    const url = `${ism}/manifest(format=m3u8-aapl-v3)`
    const master = await text(url)
    expect(master).toMatch(
      /^#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:BANDWIDTH=\d+,CODECS="avc1\.\w+,mp4a\.40\.2",RESOLUTION=160x90\n\S+\/video-1\+audio-1\/v3\.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=\d+,CODECS="mp4a\.40\.2"\n\S+\/audio-1\/v3\.m3u8\n$/,
    )
    const [muxed = '', alone = ''] = urisOf(master, url)
    const list = await text(muxed)
    hlsParser.parse(list)
    expect(list.split('\n').filter((line) => /^#EXT-X-(?!DISC|PROG)/.test(line))).toEqual([
      '#EXT-X-VERSION:3',
      '#EXT-X-TARGETDURATION:1',
      '#EXT-X-MEDIA-SEQUENCE:0',
      '#EXT-X-PLAYLIST-TYPE:VOD',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      '#EXT-X-ENDLIST',
    ])
    const { streams } = checked(await segmentsOf(muxed))
    expect(streams.map(({ streamType }) => streamType)).toEqual([0x1b, 0x0f])
    expect(await decoded(muxed, '0:v')).toEqual(await decoded(sources.avc, '0:v'))
    const tones = await decoded(sources.avc, '0:a:0')
    expect(await decoded(muxed, '0:a')).toEqual(tones)
    expect(await decoded(alone, '0:a')).toEqual(tones)
    const [picture = 0, tone = 0] = await firstTimes(sources.avc)
    const { streams: found } = await ffprobe('-show_entries', 'stream=codec_type,start_time', muxed)
    const at = (kind: string) =>
      Number((found as Record<string, string>[]).find(({ codec_type }) => codec_type === kind)?.['start_time'])
    expect(Math.abs(at('audio') - at('video') - (tone - picture))).toBeLessThan(0.001)
  })

  it('answers in the grammar of AMS with the same bytes', async () => {
    const { ism } = await serve('avc')
    const url = `${ism}/QualityLevels( 1000001 )/manifest(video, format=M3U8-aapl-v3)`
    const [uri = ''] = urisOf(await text(url), url)
    const time = /(\d+)\.ts$/.exec(uri)?.[1]
    const own = await get(uri)
    const ams = await get(`${ism}/QualityLevels(1000001)/Fragments(video=${time},format=m3u8-aapl-v3)`)
    expect(ams.headers['content-type']).toBe('video/mp2t')
    expect(ams.body.equals(own.body)).toBe(true)
    const alone = await get(`${ism}/QualityLevels(1000001)/Fragments(video=${time},format=m3u8-aapl)`)
    expect(alone.body.length).toBeLessThan(own.body.length)
  })
})

describe('what playlists of transport streams say', () => {
  it('names gaps in version 4, and in version 3 as long as numbers count', async () => {
    const gaps = [{ segment: 1 }]
    const { ism } = await serve('avc', { gaps, state: 'ended' })
    for (const format of ['m3u8-aapl', 'm3u8-aapl-v3']) {
      const list = await text(`${ism}/QualityLevels(1000001)/Manifest(video,format=${format})`)
      expect(list).toMatch(/#EXT-X-GAP\n#EXTINF:1\.000000,\n[^\n]+\n#EXT-X-PROGRAM-DATE-TIME:[^\n]+\n#EXTINF/)
    }
    const kept = await serve('avc', { gaps })
    expect(await text(`${kept.ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl)`)).toContain('#EXT-X-GAP')
    const url = `${kept.ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl-v3)`
    const list = await text(url)
    expect(list).not.toContain('GAP')
    expect(list.match(/#EXTINF/g)).toHaveLength(2)
    expect(list).toMatch(/\.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:[^\n]+\n#EXTINF/)
    // What is left fits together without its neighbours.
    expect(checkSegments(await segmentsOf(url), { contiguous: false }).violations).toEqual([])
  })

  it('leaves audio that is missing out of a stream, not the picture', async () => {
    const { ism } = await serve('avc', { gaps: [{ segment: 1, rendition: 'audio-1' }] })
    const segments = await segmentsOf(`${ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl-v3)`)
    const programs = segments.map((segment) => checkSegments([segment]).streams.map(({ pid }) => pid))
    expect(programs).toEqual([[0x100, 0x101], [0x100], [0x100, 0x101]])
    const version = (segment: Buffer) => (segment[188 + 10]! >>> 1) & 31
    expect(version(segments[0]!)).toBe(version(segments[2]!))
    expect(version(segments[0]!)).not.toBe(version(segments[1]!))
  })

  it('lists no parts of a low-latency presentation, and each new segment', async () => {
    const { live, ism } = await serve('avc', { state: 'live', header: { rewindWindowMs: 60_000, partDurationMs: 500 } })
    for (const format of ['m3u8-aapl', 'm3u8-aapl-v3']) {
      const url = `${ism}/QualityLevels(1000001)/Manifest(video,format=${format})`
      const before = await text(url)
      expect(before).not.toMatch(/EXT-X-(PART|PRELOAD|RENDITION-REPORT)|CAN-BLOCK/)
      const sequence = live.presentation.endSequence
      const head = { sequence, discontinuitySequence: 0, startTicks: (START_SECONDS + sequence) * 90_000, wallMs: 0 }
      live.presentation.apply({ type: 'gap', ...head, durationTicks: 90_000 })
      const after = await text(url)
      expect(after.startsWith(before)).toBe(true)
      expect(after.slice(before.length)).toMatch(/^#EXT-X-GAP\n#EXTINF:1\.000000,\n\S+\/\d+\.ts\n$/)
    }
  })

  it('has discontinuities where the log has them, and times go on', async () => {
    const { ism } = await serve('avc', { discontinuities: [2], state: 'live', header: { rewindWindowMs: 60_000 } })
    const list = await text(`${ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl)`)
    expect(list.match(/#EXT-X-DISCONTINUITY\n/g)).toHaveLength(1)
    expect(list).not.toContain('ENDLIST')
    checked(await segmentsOf(`${ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl)`))
  })

  it('leaves out what transport streams have no place for', async () => {
    const { ism } = await serve('odd')
    const master = await text(`${ism}/manifest(format=m3u8-aapl)`)
    expect(master).not.toMatch(/opus|TYPE=AUDIO/)
    expect(await text(`${ism}/manifest(format=m3u8-aapl-v3)`)).toContain('/video-1/v3.m3u8\n')
    const refused = await Promise.all(
      ['manifest(format=m3u8-aapl,audio-only=true)', 'QualityLevels(130002)/Manifest(audio,format=m3u8-aapl)'].map(
        (path) => get(`${ism}/${path}`),
      ),
    )
    for (const { status, body } of refused) {
      expect([status, JSON.parse(body.toString()).type]).toEqual([400, 'urn:headend:problem:media-unsupported'])
      expect(body.toString()).toContain('opus')
    }
  })

  it('is 404 for what there is not', async () => {
    const { ism, base } = await serve('avc', { state: 'live' })
    const url = `${ism}/manifest(format=m3u8-aapl-v3)`
    const children = (await onlyVideo(url)).replace(/\/video-1.*$/, '')
    expect(children.startsWith(base)).toBe(true)
    const first = START_SECONDS * 90_000 + 7_200
    const statuses = await Promise.all(
      [
        'audio-1/v4-iframes.m3u8',
        'video-1+audio-1/v4.m3u8',
        'video-1+audio-9/v3.m3u8',
        'audio-1+video-1/v3.m3u8',
        `video-1+audio-1/${first}.iframe.ts`,
        `video-1/${first}.aac`,
        `video-1/${first + 1}.ts`,
        `audio-1/${START_SECONDS * 44_100}.ts`,
        'video-1/99999999999999999.ts',
        `video-1/${first + SECONDS * 90_000}.ts`,
      ].map(async (path) => (await get(`${children}/${path}`)).status),
    )
    expect(statuses).toEqual([404, 404, 404, 404, 404, 404, 404, 404, 404, 412])
    const init = await get(`${ism}/QualityLevels(1000001)/Fragments(video=i,format=m3u8-aapl)`)
    expect(init.status).toBe(404)
    const old = await get(`${ism}/QualityLevels(1000001)/Manifest(video,format=m3u8-aapl-v3,type=keyframes)`)
    expect(old.status).toBe(404)
  })
})
