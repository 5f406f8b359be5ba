import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildMediaPlaylist, canSkip } from '../../../src/manifest/hls-media.ts'
import type { PresentationHeader } from '../../../src/presentation/records.ts'
import type { PresentationView, Rendition } from '../../../src/presentation/view.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { loadInHlsJs } from './hls-js.ts'
import { mergeDelta, readPlaylist, resolve } from './playlist-client.ts'
import { presentationOf, sampleUris } from './sample-manifests.ts'

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 3_600_000, archiveWindowMs: 7_200_000 }

hlsParser.setOptions({ strictMode: true })

beforeAll(() => void vi.stubGlobal('self', globalThis))
afterAll(() => void vi.unstubAllGlobals())

function startLog(): SampleLog {
  return new SampleLog(header).add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1'))
}

function rendition(view: PresentationView, index = 0): Rendition {
  return view.renditions[index] as Rendition
}

function whole(view: PresentationView, index = 0): string {
  return buildMediaPlaylist(view, rendition(view, index), sampleUris)
}

function delta(view: PresentationView, index = 0): string {
  return buildMediaPlaylist(view, rendition(view, index), sampleUris, { skip: true })
}

describe('delta updates', () => {
  test('keep what is newer than the boundary, with its init segment and its time', () => {
    const view = presentationOf(header, startLog().segments(400).records)
    const text = delta(view)
    expect(text.split('\n').slice(0, 11)).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:9',
      '#EXT-X-TARGETDURATION:2',
      '#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24.0,HOLD-BACK=6.0',
      '#EXT-X-MEDIA-SEQUENCE:0',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      '#EXT-X-SKIP:SKIPPED-SEGMENTS=387',
      '#EXT-X-MAP:URI="init-1.mp4"',
      '#EXT-X-PROGRAM-DATE-TIME:2026-11-21T05:32:54.000Z',
      '#EXTINF:2.000000,',
      'video-1/161571525660000.m4s',
    ])
    expect(readPlaylist(text).segments).toHaveLength(13)
    expect(canSkip(view)).toBe(true)
  })

  test('are offered where they save something, alike in every rendition, until the presentation is archived', () => {
    const offers = (log: SampleLog) => {
      const view = presentationOf(header, log.records)
      const found = view.renditions.map(({ index }) => whole(view, index).includes('CAN-SKIP-UNTIL=24.0,HOLD-BACK=6.0'))
      expect(new Set([...found, canSkip(view), delta(view).includes('EXT-X-SKIP')]).size).toBe(1)
      return canSkip(view)
    }
    const log = startLog().segments(268)
    expect(offers(log)).toBe(false)
    expect(offers(log.segment())).toBe(true)
    expect(offers(log.end())).toBe(true)
    expect(offers(log.archive())).toBe(false)
  })

  test('the whole is answered where they can not be', () => {
    const short = presentationOf(header, startLog().segments(20).records)
    expect(delta(short)).toBe(whole(short))
    const log = startLog().segments(400).end().archive()
    const archived = presentationOf(header, log.records)
    expect(delta(archived)).toBe(whole(archived))
    const longLost = presentationOf(header, startLog().segments(1_500).lose(3).records)
    expect(delta(longLost)).toBe(whole(longLost))
  })

  test('name the codec change and the discontinuity at their first segment, and none that is skipped', () => {
    const log = startLog().segments(380).discontinuity().add(videoTrack(9, 'video-1')).segments(13)
    const changed = delta(presentationOf(header, log.records))
    expect(changed).toContain('SKIPPED-SEGMENTS=380\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="init-9.mp4"\n')
    const later = delta(presentationOf(header, log.segment().records))
    expect(later).toContain('SKIPPED-SEGMENTS=381\n#EXT-X-MAP:URI="init-9.mp4"\n#EXT-X-PROGRAM-DATE-TIME')
    expect(later).not.toContain('EXT-X-DISCONTINUITY')
  })

  test('name the init segment also where all that is kept is a gap', () => {
    const log = startLog().segments(300)
    for (let gaps = 0; gaps < 40; gaps++) log.gap()
    const text = delta(presentationOf(header, log.records))
    expect(text).toContain('SKIPPED-SEGMENTS=327\n#EXT-X-MAP:URI="init-1.mp4"\n#EXT-X-PROGRAM-DATE-TIME')
    expect(text.match(/EXT-X-GAP/g)).toHaveLength(13)
  })

  test('keep what was lost until every player that can use them knows of it', () => {
    const log = startLog().segments(400)
    const held = readPlaylist(whole(presentationOf(header, log.records)))
    log.lose(350, 352)
    for (let more = 0; more < 20; more++) {
      const view = presentationOf(header, log.records)
      const merged = mergeDelta(held, delta(view))
      const skipped = readPlaylist(delta(view)).skipped
      expect(skipped).toBe(more <= 13 ? 350 : 387 + more)
      // A player that has not reloaded since then lacks what is skipped now.
      expect(merged === undefined).toBe(more > 13)
      if (merged) expect(resolve(merged)).toEqual(resolve(readPlaylist(whole(view))))
      log.segment()
    }
  })

  test('an ended one tells the end', () => {
    const log = startLog().segments(400)
    const held = readPlaylist(whole(presentationOf(header, log.records)))
    const view = presentationOf(header, log.segment().end().records)
    const merged = mergeDelta(held, delta(view))
    expect(merged?.ended).toBe(true)
    expect(merged && resolve(merged)).toEqual(resolve(readPlaylist(whole(view))))
  })

  test('m3u8-parser and hls-parser see what is skipped', () => {
    const view = presentationOf(header, startLog().segments(350).discontinuity().segments(50).records)
    for (const index of [0, 1]) {
      const parser = new Parser()
      parser.push(delta(view, index))
      parser.end()
      const { skip, serverControl, segments } = parser.manifest
      expect([skip, segments.length]).toEqual([{ skippedSegments: 387 }, 13])
      expect(serverControl).toMatchObject({ canSkipUntil: 24, holdBack: 6 })
      // It holds to a draft in which delta updates came with blocking reloads only.
      const text = delta(view, index).replace('CONTROL:', 'CONTROL:CAN-BLOCK-RELOAD=YES,')
      const parsed = hlsParser.parse(text)
      if (parsed.isMasterPlaylist) throw new Error('not a media playlist')
      expect([parsed.skip, parsed.segments.length, parsed.segments[0]?.mediaSequenceNumber]).toEqual([387, 13, 387])
    }
  })
})

describe('hls.js', () => {
  test('asks for delta updates, and believes after each what the whole playlist says', () => {
    const log = startLog().segments(50).discontinuity().segments(400)
    let held = loadInHlsJs(whole(presentationOf(header, log.records)), undefined)
    for (let round = 0; round <= 55; round++) {
      if (round === 5) log.gap()
      if (round === 9) log.discontinuity().add(videoTrack(9, 'video-1'))
      if (round === 20) log.lose(log.nextSequence - 30, log.nextSequence - 28)
      // The first one listed is the one with the discontinuity; then it is gone.
      if (round === 30) log.evict(50)
      if (round === 40) log.evict(51)
      if (round === 55) log.end()
      else log.segment()
      const view = presentationOf(header, log.records)
      expect(held.asksToSkip).toBe(true)
      const text = delta(view)
      expect(text).toContain('EXT-X-SKIP')
      held = loadInHlsJs(text, held)
      const fresh = loadInHlsJs(whole(view), undefined)
      expect(held.failed).toBe(false)
      expect(held.isLive).toBe(fresh.isLive)
      expect(JSON.stringify(held.segments.map(told), null, 1)).toBe(JSON.stringify(fresh.segments.map(told), null, 1))
    }
  })

  test('that was away while the presentation ended and was archived knows the segments it had, and those before', () => {
    const short = { ...header, rewindWindowMs: 60_000 }
    const log = new SampleLog(short).add(videoTrack(1, 'video-1')).segments(100).discontinuity().segments(100)
    const held = loadInHlsJs(whole(presentationOf(short, log.records)), undefined)
    expect([held.segments[0]?.sn, held.isLive]).toEqual([170, true])
    const archived = whole(presentationOf(short, log.segments(2).end().archive().records))
    const came = loadInHlsJs(archived, held)
    expect([came.segments[0]?.sn, came.segments.length, came.isLive]).toEqual([0, 202, false])
    expect(came.segments.map(told)).toEqual(loadInHlsJs(archived, undefined).segments.map(told))
  })

  test('asks for the whole when it has missed too much', () => {
    const log = startLog().segments(400)
    const held = loadInHlsJs(whole(presentationOf(header, log.records)), undefined)
    expect(loadInHlsJs(delta(presentationOf(header, log.segments(20).records)), held).failed).toBe(true)
  })
})

function told({ sn, cc, url, gap, init, duration, dateMs }: ReturnType<typeof loadInHlsJs>['segments'][number]) {
  return {
    sn,
    cc,
    gap,
    duration: Math.round(duration * 1_000),
    ...(!gap && { url, init }),
    dateMs: dateMs && Math.round(dateMs / 10),
  }
}
