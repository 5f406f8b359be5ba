import { describe, expect, it } from 'vitest'
import { dash, fileOrigin, hls, listed, origin, sampleLog, sequences } from './filtered-origin.ts'

describe('filters', () => {
  it.each(['index.m3u8?filter=mobile;english', 'm.ism/manifest(format=m3u8-cmaf, filter=mobile;english)'])(
    'select tracks in HLS, down to the playlists: %s',
    async (path) => {
      const at = await origin(sampleLog(10))
      const { urls, audio, text } = await hls(at, path)
      expect(urls.map((url) => new URL(url).pathname.split('/').at(-1))).toEqual(['video-sd.m3u8'])
      expect(audio).toEqual(['audio-en'])
      expect(text).toContain('video-sd-iframes.m3u8?filter=mobile;english')
      const [whole, part] = [await hls(at, 'index.m3u8'), await listed(at, urls[0] ?? '')]
      const same = await listed(at, whole.urls.find((url) => url.includes('video-sd')) ?? '')
      expect(part.list).toEqual(same.list)
      const other = (urls[0] ?? '').replace('video-sd', 'video-hd')
      expect(await at.get(other)).toMatchObject({ status: 404 })
    },
  )

  it('select tracks in DASH, under the indexes and URLs that they have', async () => {
    const at = await origin(sampleLog(10))
    const part = await dash(at, 'index.mpd?filter=mobile;english')
    const whole = await dash(at, 'm.ism/manifest(format=mpd-time-cmaf)')
    expect(part.media.map(({ id }) => id)).toEqual(['video-sd', 'audio-en'])
    for (const one of part.media) expect(one.urls).toEqual(whole.media.find(({ id }) => id === one.id)?.urls)
    expect(part.text.match(/AdaptationSet id="\d+"/g)).toEqual(['AdaptationSet id="1"', 'AdaptationSet id="2"'])
    const location = /<Location>([^<]*)</.exec(part.text)?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect((await dash(at, `index.mpd${location}`)).media).toEqual(part.media)
  })

  it('put the first quality in front', async () => {
    const at = await origin(sampleLog(10))
    const names = async (path: string) => (await hls(at, path)).urls.map((url) => /video-\w+/.exec(url)?.[0])
    expect(await names('index.m3u8')).toEqual(['video-hd', 'video-sd'])
    expect(await names('index.m3u8?filter=low-first')).toEqual(['video-sd', 'video-hd'])
  })

  it('cut what is on-demand, whole segments under their numbers', async () => {
    const at = await origin(sampleLog(30).end().archive())
    const { urls } = await hls(at, 'index.m3u8?filter=part')
    const part = await listed(at, urls[0] ?? '')
    expect(part).toMatchObject({ endList: true, playlistType: 'VOD' })
    expect(sequences(part.list)).toEqual([5, 10])
    const whole = await listed(at, (urls[0] ?? '').replace(/\?.*/, ''))
    expect(part.list).toEqual(
      whole.list
        .slice(5, 11)
        .map((segment, index) => ({ ...segment, date: index === 0 ? part.list[0]?.date : segment.date })),
    )
    const { text, media } = await dash(at, 'index.mpd?filter=part')
    expect(text).toContain('type="static"')
    expect(text).toContain('mediaPresentationDuration="PT12S"')
    expect(media[0]?.urls).toEqual(part.list.map(({ url }) => url))
  })

  it('hold live by the table: start, forced end, back-off, window', async () => {
    const log = sampleLog(60, { rewindWindowMs: 7_200_000, archiveWindowMs: 7_200_000 })
    const at = await origin(log)
    const window = async (filter: string) => {
      const list = await listed(at, (await hls(at, `index.m3u8?filter=${filter}`)).urls[0] ?? '')
      return [...sequences(list.list), list.endList ?? false]
    }
    expect(await window('part')).toEqual([5, 59, false])
    expect(await window('forced')).toEqual([0, 10, true])
    expect(await window('late')).toEqual([0, 54, false])
    expect(await window('minute')).toEqual([30, 59, false])
    expect(await window('minute;late')).toEqual([25, 54, false])
    const late = await dash(at, 'index.mpd?filter=late')
    expect(late.media[0]?.urls).toHaveLength(55)
    expect(late.text).toContain('suggestedPresentationDelay="PT16S"')
    log.end()
    at.catchUp()
    expect(await window('part')).toEqual([5, 10, true])
    expect(await window('late')).toEqual([0, 59, true])
    expect(await window('minute')).toEqual([30, 59, true])
    log.archive()
    at.catchUp()
    expect(await window('minute')).toEqual([0, 59, true])
  })

  it('of the asset go before the account’s; those of the locator always hold, for media too', async () => {
    const plain = await origin(sampleLog(10))
    expect((await hls(plain, 'index.m3u8?filter=own')).urls.map((url) => new URL(url).search)).toEqual(['?filter=own'])
    expect((await dash(plain, 'index.mpd?filter=own')).media.map(({ id }) => id)).toEqual(['audio-fr'])
    const at = await origin(sampleLog(10), { filters: ['mobile'] })
    const { urls } = await hls(at, 'index.m3u8')
    expect(urls.map((url) => new URL(url).pathname.split('/').at(-1))).toEqual(['video-sd.m3u8'])
    const hidden = (await dash(plain, 'index.mpd')).media.find(({ id }) => id === 'video-hd')?.urls[3] ?? ''
    expect((await at.get(new URL(hidden).pathname)).status).toBe(404)
    expect((await at.get((urls[0] ?? '').replace('-sd', '-hd'))).status).toBe(404)
    expect((await dash(at, 'index.mpd?filter=english')).media.map(({ id }) => id)).toEqual(['video-sd', 'audio-en'])
  })

  it('of a locator keep a file from being had as it is', async () => {
    const paths = ['index.m3u8', 'index.mpd?filter=english', 'film.mp4']
    const whole = await fileOrigin(sampleLog(5).end(), {})
    expect(await Promise.all(paths.map(whole))).toEqual([200, 200, 200])
    const part = await fileOrigin(sampleLog(5).end(), { filters: ['mobile'] })
    expect(await Promise.all(paths.map(part))).toEqual([200, 200, 404])
  })

  it('leave the live edge of a low-latency presentation as it is', async () => {
    const log = sampleLog(0, { partDurationMs: 1_000 })
    for (let made = 0; made < 12; made++) log.segment(180_000, { parts: 2 })
    const at = await origin(log)
    const { urls } = await hls(at, 'index.m3u8?filter=mobile')
    const [part, whole] = [await at.get(urls[0] ?? ''), await at.get((urls[0] ?? '').replace(/\?.*/, ''))]
    const reports = /#EXT-X-RENDITION-REPORT:.*\n/g
    expect(part.text).toContain('#EXT-X-PART:')
    expect(part.text.replaceAll(reports, '')).toBe(whole.text.replaceAll(reports, ''))
    const named = (text: string) => [...text.matchAll(/RENDITION-REPORT:URI="([^"]*)"/g)].map(([, uri]) => uri)
    expect(named(part.text)).toEqual(['audio-en.m3u8?filter=mobile', 'audio-fr.m3u8?filter=mobile'])
    expect(named(whole.text)).toHaveLength(3)
    const behind = await at.get((urls[0] ?? '').replace('mobile', 'mobile;late'))
    expect(behind.text).not.toContain('#EXT-X-PART')
    expect(behind.text).not.toContain('CAN-BLOCK-RELOAD')
  })

  it.each([
    ['index.m3u8?filter=a', 404, 'url-unknown'],
    ['index.mpd?filter=mobile;Mobile', 404, 'url-unknown'],
    ['index.m3u8?filter=no-track', 404, 'url-unknown'],
    ['index.m3u8?filter=mobile;english;late;minute', 400, 'url-invalid'],
    ['m.ism/manifest(format=m3u8-cmaf,filter=mobile;english)?filter=late;minute', 400, 'url-invalid'],
    ['index.m3u8?filter=mobile&filter=late', 400, 'url-invalid'],
    ['index.m3u8?filter=;;', 200, undefined],
    ['index.m3u8?filter=mobile;mobile;mobile;mobile', 200, undefined],
  ])('answer %s with %i', async (path, status, type) => {
    const at = await origin(sampleLog(10))
    const answer = await at.get(path)
    expect(answer.status).toBe(status)
    if (type) expect(JSON.parse(answer.text).type).toBe(`urn:headend:problem:${type}`)
  })
})
