import { afterEach, beforeEach, expect, it } from 'vitest'
import { contentDigest } from '../../src/origin/child-urls.ts'
import { turnsUntil } from './counted-live.ts'
import { START_SECONDS } from './origin-fixture.ts'
import { get } from './playlist-reading.ts'
import { ENGLISH, FRENCH, MARKER, setOf, subtitles, TextedStage } from './texted-stage.ts'

let stage: TextedStage
beforeEach(async () => {
  stage = await new TextedStage().start()
})
afterEach(() => stage.stop())

it('tells of a broken file once, leaves it out, and tries again what storage did not give', async () => {
  stage.set = setOf(stage.fileOf('a.en.vtt', 'en', ENGLISH), stage.fileOf('b.de.vtt', 'de', 'SubRip'))
  expect(await subtitles(`${stage.base}/index.m3u8`)).toHaveLength(1)
  stage.set = setOf(...stage.set.texts, stage.fileOf('c.fr.vtt', 'fr', `${ENGLISH} `))
  expect(await subtitles(`${stage.base}/index.m3u8`)).toHaveLength(2)
  expect(stage.broken).toEqual([
    { assetId: 'p1', fileName: 'b.de.vtt', problem: 'webvtt at byte 0: it does not begin with WEBVTT' },
  ])
  stage.isDown = true
  stage.set = setOf(stage.fileOf('d.en.vtt', 'en', `${ENGLISH}\n`))
  expect(await subtitles(`${stage.base}/index.m3u8`)).toEqual([])
  stage.isDown = false
  expect(await subtitles(`${stage.base}/index.m3u8`)).toEqual([])
  await stage.clock.advance(5_000)
  // Who comes now sets off another try, and is answered with what there was.
  expect(await subtitles(`${stage.base}/index.m3u8`)).toEqual([])
  expect(await subtitles(`${stage.base}/index.m3u8`)).toHaveLength(1)
})

it('gives the same media whatever texts stand beside it, markers and all', async () => {
  const folder = `${stage.base}/c/${contentDigest(stage.live.presentation.header)}`
  const at = (START_SECONDS + 8) * 90_000
  const paths = [`${folder}/video-1/${at}.m4s`, `${folder}/video-1-iframes.m3u8`, `${folder}/video-1.m3u8`]
  const texted = stage.set
  stage.set = setOf()
  const bare = await Promise.all(paths.map((path) => get(path)))
  expect(bare.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(bare[0]?.body.equals(Buffer.concat([MARKER, stage.live.joined(0, 4)]))).toBe(true)
  expect(bare[1]?.body.toString()).toContain(`@${MARKER.byteLength}`)
  stage.set = texted
  expect(await subtitles(`${stage.base}/index.m3u8`)).toHaveLength(2)
  for (const [index, path] of paths.entries()) {
    const { headers, body } = await get(path)
    expect([path, headers['etag'], body.equals(bare[index]?.body ?? Buffer.alloc(0))]).toEqual([
      ...[path, bare[index]?.headers['etag'], true],
    ])
  }
})

it('lets no media wait for texts, and manifests once', async () => {
  let release = () => {}
  stage.held = new Promise((resolve) => {
    release = resolve
  })
  const first = subtitles(`${stage.base}/index.m3u8`)
  await turnsUntil(() => stage.reads === 2)
  const segment = `${stage.base}/c/${contentDigest(stage.live.presentation.header)}/video-1/${START_SECONDS * 90_000}.m4s`
  expect((await get(segment)).status).toBe(200)
  await stage.clock.advance(5_000)
  expect(await first).toEqual([])
  await stage.clock.advance(5_000)
  expect(await subtitles(`${stage.base}/index.m3u8`)).toEqual([])
  await turnsUntil(() => stage.reads === 4)
  expect(await subtitles(`${stage.base}/index.m3u8`)).toEqual([])
  expect(stage.reads).toBe(4)
  release()
  await stage.clock.advance(0)
  expect(await subtitles(`${stage.base}/index.m3u8`)).toHaveLength(2)
})

it('reads the same bytes as what their name says, though they are broken under another', async () => {
  stage.set = setOf(
    stage.fileOf('a.fr.vtt', 'fr', FRENCH, { title: 'As WebVTT' }),
    stage.fileOf('a.fr.ttml', 'fr', FRENCH, { format: 'ttml', title: 'As TTML' }),
  )
  const listed = await subtitles(`${stage.base}/index.m3u8`)
  stage.set = setOf(...stage.set.texts.toReversed())
  expect([listed, await subtitles(`${stage.base}/index.m3u8`)].map((found) => found.map(({ line }) => line))).toEqual([
    [expect.stringContaining('NAME="As TTML"')],
    [expect.stringContaining('NAME="As TTML"')],
  ])
})
