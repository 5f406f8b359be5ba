import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { parseTtml } from '../../src/media/text/ttml.ts'
import { parseWebVtt } from '../../src/media/text/web-vtt.ts'
import { rawRequest } from '../http/raw-request.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { openBrowser } from '../support/browser.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { until } from '../support/playlist.ts'
import { type ShownBy, shownOn, shownTexts } from '../support/text-page.ts'

const scratch = mkdtempSync(join(tmpdir(), 'texts-'))
const path = (name: string) => join(scratch, name)
let headend: Headend
let browser: Browser
let api: ApiUser
let accountId = ''
let assetId: unknown
let base = ''
const fileIds = new Map<string, unknown>()

const ENGLISH = [
  [500, 1_900, 'first'],
  [2_000, 9_250, 'over <i>three</i> segments'],
  [3_123, 4_456, 'two\nlines & more'],
  [11_001, 11_999, 'last'],
] as const
const clock = (ms: number) => new Date(ms).toISOString().slice(11, 23)
const vttOf = (cues: readonly (readonly [number, number, string])[]) =>
  `WEBVTT\n\n${cues.map(([from, to, text]) => `${clock(from)} --> ${clock(to)}\n${text.replace('&', '&amp;')}\n`).join('\n')}`
const FRENCH = `<?xml version="1.0"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling"
 ttp:frameRate="25" xml:lang="fr"><head><layout><region xml:id="r" tts:origin="10% 80%" tts:extent="80% 20%"/></layout></head>
<body><div region="r"><p begin="00:00:01:00" end="00:00:03:05">un</p><p begin="5s" dur="4s">deux</p></div></body></tt>`

async function upload(name: string, bytes: Buffer | string): Promise<void> {
  const file = await api.ask(201, 'POST', `/v1/assets/${assetId}/files`, { name })
  const { controlUrl, apiKey } = headend.quickstart
  const answer = await fetch(`${controlUrl}/v1/assets/${assetId}/files/${file['id']}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, 'headend-account': accountId },
    body: bytes,
  })
  expect(answer.status).toBe(200)
  fileIds.set(name, file['id'])
}

beforeAll(async () => {
  writeFileSync(
    path('inside.srt'),
    '1\n00:00:01,000 --> 00:00:02,500\nwithin\n\n2\n00:00:07,000 --> 00:00:08,000\nagain\n',
  )
  const made = ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25', '-f', 'lavfi', '-i', 'sine=sample_rate=48000'],
    ...['-i', path('inside.srt'), '-map', '0:v', '-map', '1:a', '-map', '2:s', '-t', '12', '-c:v', 'libx264'],
    ...['-preset', 'ultrafast', '-g', '50', '-sc_threshold', '0', '-pix_fmt', 'yuv420p', '-c:a', 'aac'],
    ...['-c:s', 'mov_text', '-metadata:s:s:0', 'language=nld', path('film.mp4')],
  )
  ;[headend, browser] = await Promise.all([
    startHeadend({ config: { bootstrap: { channels: [], programs: [] } } }),
    openBrowser(),
    made,
  ])
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  const { body } = await api.call('GET', '/v1/accounts?limit=1')
  accountId = String((body['items'] as Json[])[0]?.['id'])
  assetId = (await api.ask(201, 'POST', '/v1/assets', { name: 'film' }))['id']
  await upload('film.mp4', readFileSync(path('film.mp4')))
  await upload('film.en.vtt', vttOf(ENGLISH))
  await upload('film.de.forced.vtt', vttOf([[1_000, 2_000, 'Achtung']]))
  await upload('film.fr.ttml', FRENCH)
  await upload('film.es.vtt', 'this is no WebVTT')
  const { id } = await api.ask(201, 'POST', '/v1/locators', { assetId })
  base = `${headend.quickstart.streamingUrl}/${id}`
})

afterAll(async () => {
  await browser?.close()
  await headend?.stop()
  rmSync(scratch, { recursive: true, force: true })
})

async function textAt(url: string): Promise<string> {
  const { status, body } = await rawRequest(url)
  expect([status, url]).toEqual([200, url])
  return body.toString()
}

/** The attributes of the playlists of texts, by their names. */
async function listed(master: string): Promise<Map<string, { readonly line: string; readonly url: string }>> {
  const lines = (await textAt(master)).split('\n').filter((line) => line.includes('TYPE=SUBTITLES'))
  return new Map(
    lines.map((line) => {
      const [, name = ''] = /NAME="([^"]*)"/.exec(line) ?? []
      const [, uri = ''] = /URI="([^"]*)"/.exec(line) ?? []
      return [name, { line, url: new URL(uri, master).href }]
    }),
  )
}

/** What ffmpeg reads of the texts of a master playlist, one after the other. */
function ffmpegTexts(master: string, stream: number): [number, number, string][] {
  const result = spawnSync(
    'ffmpeg',
    ['-v', 'error', '-strict', 'experimental', '-copyts', '-i', master, '-map', `0:s:${stream}`, '-f', 'webvtt', '-'],
    { encoding: 'utf8', timeout: 20_000 },
  )
  const { cues } = parseWebVtt(Buffer.from(result.stdout))
  // A cue stands in each segment that it touches.
  return [
    ...new Map(
      cues.map(({ startMs, endMs, text }) => [`${startMs} ${endMs} ${text}`, [startMs, endMs, text]]),
    ).values(),
  ] as [number, number, string][]
}

it('lists the texts of files and of the film itself, all but the broken one, which an event tells of', async () => {
  const texts = await listed(`${base}/index.m3u8`)
  expect([...texts.keys()]).toEqual(['Nederlands', 'Deutsch (forced)', 'English', 'Français'])
  expect(texts.get('Deutsch (forced)')?.line).toContain('FORCED=YES')
  expect(texts.get('English')?.line).toContain('LANGUAGE="en"')
  const found = await until(
    'the event',
    5_000,
    async () =>
      ((await api.call('GET', '/v1/events?limit=100')).body['items'] as Json[]).filter(
        ({ type }) => type === 'asset.text-unreadable',
      ),
    (events) => (events?.length ?? 0) > 0,
  )
  expect(found.map(({ data }) => data)).toMatchObject([{ fileName: 'film.es.vtt' }])
})

it.each(['index.m3u8', 'film.ism/manifest(format=m3u8-aapl)'])('gives ffmpeg the very cues by %s', async (name) => {
  const master = `${base}/${name}`
  const names = [...(await listed(master)).keys()]
  const english = ffmpegTexts(master, names.indexOf('English'))
  expect(english.map(([from, to]) => [from, to])).toEqual(ENGLISH.map(([from, to]) => [from, to]))
  expect(english[2]?.[2]).toBe('two\nlines & more')
  expect(ffmpegTexts(master, names.indexOf('Français'))).toEqual([
    [1_000, 3_200, 'un'],
    [5_000, 9_000, 'deux'],
  ])
  expect(ffmpegTexts(master, names.indexOf('Nederlands'))).toEqual([
    [1_000, 2_500, 'within'],
    [7_000, 8_000, 'again'],
  ])
})

it('shows a cue at its time in hls.js, dash.js and shaka-player, of WebVTT and of IMSC1, in fragments and as whole files', async () => {
  const mpd = `${base}/index.mpd`
  const all: readonly [ShownBy, string, string][] = [
    ['hls.js', `${base}/index.m3u8`, 'en'],
    ['hls.js', `${base}/film.ism/manifest(format=m3u8-aapl)`, 'en'],
    ['dash.js', mpd, 'en'],
    ['dash.js', mpd, 'fr'],
    ['shaka', mpd, 'en'],
    ['shaka', mpd, 'fr'],
    ['dash.js', `${mpd}?text=file`, 'en'],
    ['shaka', `${mpd}?text=file`, 'fr'],
  ]
  // shaka-player, slow to begin beside others, has its turn in the long lane.
  const asked = all.filter(([by]) => by !== 'shaka' || inject('cases') === 'all')
  const shown: string[][] = []
  for (let at = 0; at < asked.length; at += 4) {
    const batch = asked
      .slice(at, at + 4)
      .map(async ([by, url, language]) => [language, await shownTexts(browser, by, url, language, 6.5)])
    shown.push(...(await Promise.all(batch)))
  }
  expect(shown).toEqual(asked.map(([, , language]) => [language, language === 'en' ? 'over three segments' : 'deux']))
})

it.each(['hls', 'dash'])('offers texts in the menu of the watch page, by %s', async (protocol) => {
  const url = encodeURIComponent(`${base}/index.${protocol === 'hls' ? 'm3u8' : 'mpd'}`)
  const page = await browser.newPage()
  await page.goto(`${headend.quickstart.controlUrl}/player/?url=${url}`)
  await page.locator('#text').click()
  await page.locator('#texts button', { hasText: 'Français' }).click()
  await page.evaluate(
    '(() => { const video = document.querySelector("video"); video.playbackRate = 0.1; video.currentTime = 6 })()',
  )
  expect(await shownOn(page, ['#text-layer'])).toBe('deux')
  expect(await page.locator('#text').getAttribute('aria-label')).toBe('Subtitles: Français')
  await page.close()
})

it('takes a text away, and adds one, while the film and the other texts stay where they are', async () => {
  const before = await listed(`${base}/index.m3u8`)
  const english = before.get('English')?.url ?? ''
  const playlist = await textAt(english)
  await api.ask(204, 'DELETE', `/v1/assets/${assetId}/files/${fileIds.get('film.fr.ttml')}`)
  await upload('film.it.sdh.vtt', vttOf([[1_000, 2_000, 'ciao']]))
  const after = await until(
    'the new list',
    10_000,
    () => listed(`${base}/index.m3u8`),
    (texts) => texts?.has('Italiano (SDH)') === true && !texts.has('Français'),
  )
  expect(after.get('Italiano (SDH)')?.line).toContain('CHARACTERISTICS="public.accessibility')
  expect(after.get('English')?.url).toBe(english)
  expect(await textAt(english)).toBe(playlist)
  expect((await rawRequest(before.get('Français')?.url ?? '')).status).toBe(404)
  expect(parseTtml(Buffer.from(FRENCH)).cues).toHaveLength(2)
})
