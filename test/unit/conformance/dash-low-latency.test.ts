import { describe, expect, it } from 'vitest'
import { checkMpd, checkMpdReload } from '../../../src/conformance/dash-rules.ts'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { CountedLive } from '../../http/counted-live.ts'
import { sampleUris } from '../manifest/sample-manifests.ts'

const MPD = buildMpd(new CountedLive().segments(0, 3).presentation, sampleUris, { lowLatency: true })

describe('the rules of low latency', () => {
  it('find nothing in what keeps them', () => {
    expect(checkMpd(MPD)).toEqual([])
    expect(checkMpdReload(MPD, MPD)).toEqual([])
  })

  it.each([
    ['an offset as long as a segment', MPD.replaceAll('availabilityTimeOffset="1"', 'availabilityTimeOffset="2"')],
    ['no offset', MPD.replaceAll(' availabilityTimeOffset="1"', '')],
    ['times of an open segment', MPD.replaceAll('$Number$', '$Time$')],
    ['a number off its time', MPD.replaceAll('startNumber="850000000"', 'startNumber="850000001"')],
    ['media off its period', MPD.replaceAll('presentationTimeOffset="17', 'presentationTimeOffset="16')],
    ['no clock', MPD.replaceAll(/<ProducerReferenceTime[\s\S]*?<\/ProducerReferenceTime>\n/g, '')],
    ['a clock that shows nothing', MPD.replaceAll('wallClockTime="2023-11-14T22:13:20.000Z"', 'wallClockTime="soon"')],
    ['another clock than there is', MPD.replace('referenceId="0"', 'referenceId="4"')],
    ['no target', MPD.replace(/<ServiceDescription[\s\S]*?<\/ServiceDescription>\n/, '')],
    ['a target beyond its bounds', MPD.replace('target="2100"', 'target="9000"')],
    ['a rate that is never 1', MPD.replace('min="0.95"', 'min="1.01"')],
  ])('find %s', (_what, text) => {
    expect(text).not.toBe(MPD)
    expect(checkMpd(text).map(({ rule }) => rule)).toContain('dash-low-latency')
  })

  it('find numbers that count from elsewhere than before', () => {
    const after = MPD.replaceAll('startNumber="850000000"', 'startNumber="850000002"')
    expect(checkMpdReload(MPD, after).map(({ rule }) => rule)).toContain('dash-reload')
  })
})
