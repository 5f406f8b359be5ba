import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkSegment } from '../../src/conformance/cmaf-rules.ts'
import { checkMpd } from '../../src/conformance/dash-rules.ts'
import { checkPlaylist } from '../../src/conformance/hls-rules.ts'
import { parseWebVtt } from '../../src/media/text/web-vtt.ts'
import { readTextTrack } from '../../src/ondemand/file-texts.ts'
import { readFileTracks } from '../../src/ondemand/file-tracks.ts'
import { mp4boxReading } from '../support/served.ts'
import { memoryFile } from '../support/source-files.ts'
import { START_SECONDS } from './origin-fixture.ts'
import { get, text, urisOf } from './playlist-reading.ts'
import { ENGLISH, setOf, subtitles, TextedStage } from './texted-stage.ts'

let stage: TextedStage
beforeEach(async () => {
  stage = await new TextedStage().start()
})
afterEach(() => stage.stop())

it('lists texts in HLS from version 4 on, with what they are for', async () => {
  const master = `${stage.base}/index.m3u8`
  const [english, french] = await subtitles(master)
  expect(english?.line.replace(/URI=.*/, '')).toBe(
    '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English (SDH)",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",',
  )
  expect(french?.line).toContain('NAME="Français",LANGUAGE="fr"')
  expect(await text(master)).toMatch(/#EXT-X-STREAM-INF:.*SUBTITLES="text"/)
  expect(await subtitles(`${stage.base}/stream.ism/manifest(format=m3u8-cmaf,audio-only=true)`)).toEqual([])
})

it('gives a recording segments of WebVTT on the grid of its media, placed by the clock of fragments or of transport streams', async () => {
  const [english, french] = await subtitles(`${stage.base}/index.m3u8`)
  const playlist = await text(english?.url ?? '')
  expect(checkPlaylist(playlist)).toEqual([])
  expect(playlist.match(/#EXTINF:2/g)).toHaveLength(5)
  expect(playlist).toContain('#EXT-X-ENDLIST')
  const segments = await Promise.all(urisOf(playlist, english?.url ?? '').map(text))
  const ticks = (START_SECONDS * 90_000) % 2 ** 33
  for (const segment of segments) expect(segment).toContain(`X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:${ticks}\n`)
  expect(
    segments.map((segment) => parseWebVtt(Buffer.from(segment)).cues.map((cue) => [cue.startMs, cue.endMs, cue.text])),
  ).toEqual([
    [[1_000, 5_000, 'long']],
    [[1_000, 5_000, 'long']],
    [[1_000, 5_000, 'long']],
    [[6_500, 7_000, 'late <i>x</i>']],
    [],
  ])
  const trois = await Promise.all(urisOf(await text(french?.url ?? ''), french?.url ?? '').map(text))
  expect(trois.map((segment) => segment.includes('00:00:03.000 --> 00:00:04.500\ntrois'))).toEqual([
    false,
    true,
    true,
    false,
    false,
  ])
  const [transport] = await subtitles(`${stage.base}/stream.ism/manifest(format=m3u8-aapl)`)
  const [first] = urisOf(await text(transport?.url ?? ''), transport?.url ?? '')
  const pts = (START_SECONDS * 90_000 + 900_000) % 2 ** 33
  expect(await text(first ?? '')).toContain(`MPEGTS:${pts}\n`)
})

it('answers segments that never change, with validators, in gzip where that is wanted', async () => {
  const [english] = await subtitles(`${stage.base}/index.m3u8`)
  const [url = ''] = urisOf(await text(english?.url ?? ''), english?.url ?? '')
  stage.blobs.set('a.en.sdh.vtt', ENGLISH.replace('long', 'very '.repeat(100)))
  const plain = await get(url)
  expect(plain.headers).toMatchObject({
    'content-type': 'text/vtt; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
  })
  expect((await get(url, { 'if-none-match': String(plain.headers['etag']) })).status).toBe(304)
  expect((await get(url.replace(/\d+\.vtt/, '17.vtt'))).status).toBe(404)
  stage.set = setOf(stage.fileOf('b.en.vtt', 'en', `WEBVTT\n\n00:00.000 --> 00:09.000\n${'very '.repeat(100)}\n`))
  const [long] = await subtitles(`${stage.base}/index.m3u8`)
  const [segment = ''] = urisOf(await text(long?.url ?? ''), long?.url ?? '')
  const zipped = await get(segment, { 'accept-encoding': 'gzip' })
  expect([zipped.headers['content-encoding'], gunzipSync(zipped.body).toString()]).toEqual([
    'gzip',
    await text(segment),
  ])
  expect(zipped.headers['etag']).not.toBe((await get(segment)).headers['etag'])
  // What is not beside the presentation any more is not there.
  expect((await get(url)).status).toBe(404)
})

async function fragmentsOf(mpd: string, language: string) {
  const [, set = ''] =
    new RegExp(`(<AdaptationSet[^>]* contentType="text" lang="${language}"[^]*?</AdaptationSet>)`).exec(mpd) ?? []
  const [, media = '', init = ''] = /media="([^"]*)" initialization="([^"]*)"/.exec(set) ?? []
  const [, from = '0', every = '0', repeats = '0'] = /<S t="(\d+)" d="(\d+)" r="(\d+)"/.exec(set) ?? []
  const at = (uri: string) => new URL(uri, `${stage.base}/index.mpd`).href
  const urls = Array.from({ length: Number(repeats) + 1 }, (_, n) =>
    at(media.replace('$Time$', String(Number(from) + n * Number(every)))),
  )
  const [head, ...segments] = await Promise.all([at(init), ...urls].map((url) => get(url)))
  expect(new Set([head, ...segments].map((answer) => answer?.status))).toEqual(new Set([200]))
  return { set, init: head?.body ?? Buffer.alloc(0), segments: segments.map(({ body }) => body) }
}

it.each([
  ['', 'en', 'wvtt'],
  ['', 'fr', 'stpp.ttml.im1t'],
  ['?text=stpp', 'en', 'stpp.ttml.im1t'],
  ['?text=wvtt', 'fr', 'wvtt'],
])('has texts in DASH%s: %s as %s, which mp4box reads, and this house too', async (query, language, codec) => {
  const mpd = await text(`${stage.base}/index.mpd${query}`)
  expect(checkMpd(mpd)).toEqual([])
  const { set: adaptationSet, init, segments } = await fragmentsOf(mpd, language)
  expect(adaptationSet).toContain(`mimeType="application/mp4" codecs="${codec}"`)
  expect(adaptationSet).toContain(language === 'en' ? 'value="caption"' : 'value="subtitle"')
  expect(segments).toHaveLength(5)
  for (const [index, segment] of segments.entries()) {
    const startTicks = (START_SECONDS + 2 * index) * 90_000
    expect(checkSegment(segment, { startTicks, durationTicks: 180_000, toleranceTicks: 0 })).toEqual([])
  }
  expect(mp4boxReading({ initUrl: '', init, segments }).codec).toMatch(new RegExp(`^${codec.slice(0, 4)}`))
  const source = memoryFile('text.mp4', Buffer.concat([init, ...segments]))
  const { texts: tracks } = await readFileTracks(source, createHash('sha256'), new AbortController().signal)
  const [track] = tracks
  expect(track?.told).toMatchObject({ language, codec: codec.slice(0, 4) })
  const { cues } = await readTextTrack(track as NonNullable<typeof track>, new AbortController().signal)
  const offset = START_SECONDS * 1_000
  expect(cues.map(({ startMs, endMs, text: shown }) => [startMs - offset, endMs - offset, shown])).toEqual(
    language === 'fr'
      ? [[3_000, 4_500, 'trois']]
      : [
          [1_000, 5_000, 'long'],
          [6_500, 7_000, 'late <i>x</i>'],
        ],
  )
})

it('has texts in DASH as whole files, or none', async () => {
  const mpd = await text(`${stage.base}/index.mpd?text=file`)
  expect(checkMpd(mpd)).toEqual([])
  const urls = [...mpd.matchAll(/<BaseURL>([^<]*)</g)].map(
    ([, uri]) => new URL(uri ?? '', `${stage.base}/index.mpd`).href,
  )
  expect(await Promise.all(urls.map(text))).toEqual([
    expect.stringContaining('00:00:01.000 --> 00:00:05.000 line:0\nlong\n'),
    expect.stringContaining('<p begin="00:00:03.000" end="00:00:04.500">trois</p>'),
  ])
  expect(await text(`${stage.base}/index.mpd?text=none`)).not.toContain('text')
  expect((await get(`${stage.base}/index.mpd?text=all`)).status).toBe(400)
})

it('keeps to a start and an end, and the times of what is left', async () => {
  const at = (seconds: number) => new Date((START_SECONDS + seconds) * 1_000).toISOString()
  const query = `?start=${at(4)}&end=${at(8)}`
  const [english] = await subtitles(`${stage.base}/index.m3u8${query}`)
  const urls = urisOf(await text(english?.url ?? ''), english?.url ?? '')
  const segments = await Promise.all(urls.map(text))
  expect(segments.map((segment) => parseWebVtt(Buffer.from(segment)).cues.map(({ startMs }) => startMs))).toEqual([
    [1_000],
    [6_500],
  ])
  const mpd = await text(`${stage.base}/index.mpd${query}&text=file`)
  const [, uri = ''] = /<BaseURL>([^<]*)</.exec(mpd) ?? []
  expect(parseWebVtt(Buffer.from(await text(new URL(uri, `${stage.base}/index.mpd`).href))).cues).toMatchObject([
    { startMs: 0, endMs: 1_000, text: 'long' },
    { startMs: 2_500, endMs: 3_000 },
  ])
})
