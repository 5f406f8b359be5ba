import { describe, expect, it } from 'vitest'
import type { PresentationHeader } from '../../src/presentation/records.ts'
import { dash, hls, listed, origin, START_SECONDS, sampleLog, sequences } from './filtered-origin.ts'

const iso = (seconds: number) => new Date((START_SECONDS + seconds) * 1_000).toISOString()

describe('start and end in a URL', () => {
  const live = { rewindWindowMs: 20_000, archiveWindowMs: 7_200_000 }

  it('start over: from there on nothing leaves the window while it goes on', async () => {
    const log = sampleLog(60, live)
    const at = await origin(log)
    const { urls } = await hls(at, `index.m3u8?start=${iso(31)}`)
    expect(new URL(urls[0] ?? '').search).toBe(`?start=${START_SECONDS + 30}`)
    const before = await listed(at, urls[0] ?? '')
    expect([...sequences(before.list), before.endList]).toEqual([15, 59, undefined])
    const mpd = await dash(at, `index.mpd?start=${START_SECONDS + 31.5}`)
    expect(mpd.media[0]?.urls).toEqual(before.list.map(({ url }) => url))
    log.segments(5).end()
    at.catchUp()
    const after = await listed(at, urls[0] ?? '')
    expect([...sequences(after.list), after.endList]).toEqual([15, 64, true])
    expect(sequences((await listed(at, (urls[0] ?? '').replace(/\?.*/, ''))).list)).toEqual([55, 64])
  })

  it('catch up: what lies between is on-demand while the presentation goes on', async () => {
    const log = sampleLog(60, live)
    const at = await origin(log)
    const path = (format: string) => `index.${format}?start=${iso(31)}&end=${iso(51).replace('Z', '+00:00')}`
    const part = await listed(at, (await hls(at, path('m3u8'))).urls[0] ?? '')
    expect(part).toMatchObject({ endList: true, playlistType: 'VOD' })
    expect(sequences(part.list)).toEqual([15, 25])
    const mpd = await dash(at, path('mpd'))
    expect(mpd.text).toContain('type="static"')
    const text = mpd.text
    log.segments(3)
    at.catchUp()
    expect((await at.get(path('mpd'))).text).toBe(text)
  })

  it('end where the end comes while somebody watches', async () => {
    const log = sampleLog(20, live)
    const at = await origin(log)
    const url = (await hls(at, `index.m3u8?start=${iso(30)}&end=${iso(44)}`)).urls[0] ?? ''
    expect((await listed(at, url)).endList).toBeUndefined()
    log.segments(2)
    at.catchUp()
    const ended = await listed(at, url)
    expect([...sequences(ended.list), ended.endList, ended.playlistType]).toEqual([15, 21, true, undefined])
    log.segments(8)
    at.catchUp()
    expect(await listed(at, url)).toMatchObject({ endList: true, playlistType: 'VOD', list: ended.list })
  })

  it.each([
    [`start=${iso(1)}`, 200],
    [`start=${iso(-50)}`, 200],
    [`end=${iso(500)}`, 200],
    [`end=${iso(10)}`, 410],
    [`start=${iso(1)}&end=${iso(19)}`, 410],
    [`start=${iso(500)}`, 412],
    [`start=${iso(500)}&end=${iso(600)}`, 412],
    ['start=', 400],
    ['start=-10', 400],
    ['start=yesterday', 400],
    ['start=2026-02-30', 400],
    ['start=2026-11-21T20:00:00', 400],
    [`start=${iso(30)}&start=${iso(31)}`, 400],
    [`start=${iso(30)}&end=${iso(30)}`, 400],
    [`start=${iso(40)}&end=${iso(30)}`, 400],
  ])('with %s are answered with %i', async (query, status) => {
    const at = await origin(sampleLog(60, live).evict(10))
    const answer = await at.get(`index.m3u8?${query}`)
    expect(answer.status, answer.text).toBe(status)
    if (status === 200)
      expect(sequences((await listed(at, (await hls(at, `index.m3u8?${query}`)).urls[0] ?? '')).list)[0]).toBe(
        query.startsWith('end') ? 50 : 10,
      )
  })

  it('count from the beginning where nobody knows when it was', async () => {
    const header: Partial<PresentationHeader> = { hasWallClock: false }
    const at = await origin(sampleLog(10, header).end().archive())
    const url = (await hls(at, `index.m3u8?start=${START_SECONDS + 5}&end=${START_SECONDS + 9}`)).urls[0] ?? ''
    expect(sequences((await listed(at, url)).list)).toEqual([2, 4])
  })

  it('past the end of what has ended are 404', async () => {
    const at = await origin(sampleLog(10).end())
    expect((await at.get(`index.m3u8?start=${iso(500)}`)).status).toBe(404)
  })
})
