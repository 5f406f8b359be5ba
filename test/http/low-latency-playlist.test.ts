import { gunzipSync } from 'node:zlib'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { afterEach, describe, expect, it } from 'vitest'
import { buildMediaPlaylist } from '../../src/manifest/hls-media.ts'
import { childUris, contentDigest } from '../../src/origin/child-urls.ts'
import { FakeLive } from './origin-fixture.ts'
import { PARTS_PER_SEGMENT, PartedLive, TARGET_SECONDS, untilBlocked } from './parted-live.ts'
import { hintIn, partsIn, serveLive, stopServed, tenAnd } from './served-live.ts'

// It counts the open segment as one of three.
hlsParser.setOptions({ silent: true, strictMode: false })

afterEach(stopServed)

describe('what a playlist of parts says', () => {
  it('declares its part target, the hold-backs, the skip boundary and that it can be waited for', async () => {
    const { get } = await serveLive(tenAnd(3))
    const { text } = await get()
    expect(text).toContain('#EXT-X-PART-INF:PART-TARGET=0.501\n')
    expect(text).toContain(
      '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.503,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12.0\n',
    )
    expect(text).toContain('#EXT-X-TARGETDURATION:4\n')
  })

  it('lists the parts of the last three target durations and of the open segment, which add up to their segments', async () => {
    const { get } = await serveLive(tenAnd(3))
    const { text } = await get()
    expect(partsIn(text)).toEqual(
      Array.from(
        { length: 3 * PARTS_PER_SEGMENT + 3 },
        (_none, at) => `video-1/1.${7 * PARTS_PER_SEGMENT + 1 + at}.m4s`,
      ),
    )
    const closed = text.slice(0, text.lastIndexOf('#EXTINF')).split('#EXTINF').slice(-3)
    for (const lines of closed) {
      const durations = [...lines.matchAll(/DURATION=([\d.]+)/g)].map((match) => Number(match[1]))
      expect(durations).toHaveLength(PARTS_PER_SEGMENT)
      expect(durations.reduce((sum, duration) => sum + duration)).toBeCloseTo(TARGET_SECONDS, 6)
      for (const duration of durations.slice(0, -1)) {
        expect(duration).toBeGreaterThanOrEqual(0.85 * 0.501)
        expect(duration).toBeLessThanOrEqual(0.501)
      }
      expect(lines.match(/INDEPENDENT=YES/g)).toHaveLength(1)
    }
  })

  it('names in its hint the URL that the next part has, also when that begins a segment', async () => {
    const live = new PartedLive().segments(4).open()
    const { get } = await serveLive(live)
    for (let made = 0; made < 2 * PARTS_PER_SEGMENT; made++) {
      if (made === PARTS_PER_SEGMENT) live.part(1, PARTS_PER_SEGMENT).close().open()
      const hint = hintIn((await get()).text)
      live.part(0)
      expect(partsIn((await get()).text).at(-1)).toBe(hint)
    }
  })

  it('reports where every other rendition is', async () => {
    const live = tenAnd(3).part(1, 2)
    const { get, audio } = await serveLive(live)
    expect((await get()).text).toContain('#EXT-X-RENDITION-REPORT:URI="audio-1.m3u8",LAST-MSN=10,LAST-PART=1\n')
    expect((await get('', audio)).text).toContain(
      '#EXT-X-RENDITION-REPORT:URI="video-1.m3u8",LAST-MSN=10,LAST-PART=2\n',
    )
    live.part(0, 6).part(1, 7).close()
    expect((await get()).text).toContain('#EXT-X-RENDITION-REPORT:URI="audio-1.m3u8",LAST-MSN=10,LAST-PART=8\n')
  })

  it('lists what is missing as parts with GAP=YES, and a rendition that has fallen behind goes on', async () => {
    const live = new PartedLive().segments(4).open().part(0, PARTS_PER_SEGMENT).close()
    const { get, audio } = await serveLive(live)
    const { text } = await get('?_HLS_msn=4&_HLS_part=0', audio)
    const last = text.split('#EXTINF').at(-2) ?? ''
    const gaps = last.match(/^#EXT-X-PART:DURATION=0\.5\d*,URI="audio-1\/\d+\.m4s",GAP=YES$/gm)
    expect(gaps).toHaveLength(8)
    expect(last).toContain('#EXT-X-GAP')
    live.open().part(0).part(1)
    expect(partsIn((await get('?_HLS_msn=5&_HLS_part=0', audio)).text).at(-1)).toBe('audio-1/2.37.m4s')
  })

  it('says what begins with the open segment before its first part', async () => {
    const live = new PartedLive().segments(4).gap().discontinuity().open().part(0, 2)
    const { get } = await serveLive(live)
    const { text } = await get()
    expect(text).toMatch(
      /#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:[^\n]+\n#EXT-X-PART:[^\n]+1\.37\.m4s",INDEPENDENT=YES\n#EXT-X-PART/,
    )
    expect(hintIn(text)).toBe('video-1/1.39.m4s')
  })

  it('keeps in a delta update what lies within six target durations, in version 9', async () => {
    const { get } = await serveLive(new PartedLive({ rewindWindowMs: 120_000 }).segments(30).open().part(0, 3))
    const [whole, delta] = [(await get()).text, (await get('?_HLS_skip=YES')).text]
    const skipped = Number(/^#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)$/m.exec(delta)?.[1])
    expect(delta).toContain('#EXT-X-VERSION:9\n')
    expect(30 - skipped).toBeGreaterThanOrEqual(6)
    expect(30 - skipped).toBeLessThanOrEqual(8)
    const segmentsOf = (text: string) => text.split('\n').filter((line) => /^(video|#EXT-X-PART:)/.test(line))
    const kept = segmentsOf(delta)
    expect(segmentsOf(whole).slice(-kept.length)).toEqual(kept)
    expect((await get('?_HLS_skip=no')).text).toBe(whole)
  })

  it('is read by hls-parser and m3u8-parser as it is meant', async () => {
    const { get } = await serveLive(tenAnd(3))
    const { text } = await get()
    const read = hlsParser.parse(text) as hlsParser.types.MediaPlaylist
    expect(read.partTargetDuration).toBe(0.501)
    expect(read.lowLatencyCompatibility).toMatchObject({ canBlockReload: true, partHoldBack: 1.503 })
    expect(read.segments.map(({ parts }) => parts.length)).toEqual([0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 4])
    expect(read.segments.at(-1)?.parts.at(-1)).toMatchObject({ hint: true, uri: 'video-1/1.94.m4s' })
    expect(read.renditionReports).toMatchObject([{ uri: 'audio-1.m3u8', lastMSN: 9, lastPart: 8 }])
    const parser = new Parser()
    parser.push(text)
    parser.end()
    const { manifest } = parser as unknown as {
      manifest: Record<string, unknown> & { segments: { parts?: unknown[] }[] }
    }
    expect(manifest).toMatchObject({
      partInf: { partTarget: 0.501 },
      serverControl: { canBlockReload: true, partHoldBack: 1.503, canSkipUntil: 24 },
      renditionReports: [{ uri: 'audio-1.m3u8', lastMsn: 9, lastPart: 8 }],
    })
    expect(manifest.segments.map(({ parts }) => parts?.length ?? 0)).toEqual([0, 0, 0, 0, 0, 0, 0, 9, 9, 9])
    expect(manifest.preloadSegment).toMatchObject({ parts: { length: 3 }, preloadHints: [{ uri: 'video-1/1.94.m4s' }] })
  })

  it('is the same compressed, part after part', async () => {
    const live = tenAnd(0)
    const { get, video } = await serveLive(live)
    for (let made = 0; made < 12; made++) {
      if (made === PARTS_PER_SEGMENT) live.part(1, PARTS_PER_SEGMENT).close().open()
      live.part(0)
      const [plain, zipped] = await Promise.all([get(), get('', video, { 'accept-encoding': 'gzip' })])
      expect(zipped.headers['content-encoding']).toBe('gzip')
      expect(gunzipSync(zipped.body).toString()).toBe(plain.text)
      expect(zipped.headers.etag).not.toBe(plain.headers.etag)
    }
  })

  it('is put together, however long it is, to what it is as a whole', async () => {
    const live = new PartedLive({ rewindWindowMs: 2_700_000 }).segments(769).open()
    const { get, video } = await serveLive(live)
    const digest = contentDigest(live.presentation.header)
    for (let made = 0; made <= 3 * PARTS_PER_SEGMENT; made++) {
      if (made > 0 && made % PARTS_PER_SEGMENT === 0) live.part(1, PARTS_PER_SEGMENT).close().open()
      live.part(0)
      // The first part of each segment, when all changes, and one in its middle.
      if (made % PARTS_PER_SEGMENT > 1) continue
      const { presentation } = live
      for (const [url, rendition] of presentation.renditions.entries()) {
        const whole = buildMediaPlaylist(presentation, rendition, childUris('child', digest))
        expect((await get('', url === 0 ? video : video.replace('video-1', 'audio-1'))).text).toBe(whole)
      }
    }
  })

  it('leaves the master playlist, the MPD and the key frames as they are', async () => {
    const live = tenAnd(1)
    const { get, base, video } = await serveLive(live)
    const others = [`${base}/loc-1/index.m3u8`, `${base}/loc-1/index.mpd`, video.replace('.m3u8', '-iframes.m3u8')]
    const tagsOf = () => Promise.all(others.map(async (url) => (await get('', url)).headers.etag))
    const before = await tagsOf()
    live.part(0, 3).part(1)
    expect(await tagsOf()).toEqual(before)
    expect((await get('?_HLS_msn=99', others[2])).text).not.toMatch(/EXT-X-(PART|PRELOAD|RENDITION|SERVER)/)
  })

  it('ends without a hint, and then becomes what it is on demand', async () => {
    const live = new PartedLive().segments(10).apply({ type: 'ended' })
    const { get } = await serveLive(live)
    const ended = (await get()).text
    expect(ended).toMatch(/EXT-X-PART:/)
    expect(ended).toMatch(/#EXT-X-ENDLIST\n$/)
    expect(ended).not.toMatch(/PRELOAD-HINT|RENDITION-REPORT/)
    live.apply({ type: 'archived' })
    expect((await get()).text).not.toMatch(/EXT-X-(PART|PRELOAD|RENDITION|SERVER)/)
  })

  it('says nothing of parts where segments are stored whole, whatever is asked for', async () => {
    const { get } = await serveLive(new FakeLive().addTracks().addSegments(4))
    const { text, status } = await get('?_HLS_msn=100&_HLS_part=3')
    expect(status).toBe(200)
    expect(text).toBe((await get()).text)
    expect(text).not.toMatch(/EXT-X-(PART|PRELOAD|RENDITION|SERVER)/)
  })

  it('serves sound alone in parts', async () => {
    const live = new PartedLive({}, true).segments(4).open().part(1, 2)
    const { get, server, video } = await serveLive(live)
    expect(video).toContain('audio-1.m3u8')
    const waiting = get('?_HLS_msn=4&_HLS_part=2')
    await untilBlocked(server, 1)
    live.part(1)
    const { text } = await waiting
    expect(partsIn(text).at(-1)).toBe('audio-1/2.39.m4s')
    expect(text).not.toContain('RENDITION-REPORT')
  })
})
