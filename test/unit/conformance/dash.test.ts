import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkMpd, checkMpdReload } from '../../../src/conformance/dash-rules.ts'
import { readXml } from '../../../src/conformance/xml-reader.ts'

const LIVE = `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="p" type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"
  publishTime="2026-01-01T00:00:10Z" minimumUpdatePeriod="PT2S" minBufferTime="PT2S">
<Period id="a" start="PT10S"><AdaptationSet mimeType="video/mp4">
<SegmentTemplate timescale="1000" media="$Time$.m4s" initialization="i.mp4">
<SegmentTimeline><S t="10000" d="2000" r="2"/><S d="1000"/></SegmentTimeline></SegmentTemplate>
<Representation id="v" bandwidth="1" codecs="avc1"/></AdaptationSet></Period>
<Period id="b" start="PT17S"><AdaptationSet mimeType="video/mp4">
<Representation id="v" bandwidth="1" codecs="avc1"><SegmentTemplate duration="2" media="$Number$.m4s"/></Representation>
</AdaptationSet></Period>
<UTCTiming schemeIdUri="u" value="t"/>
</MPD>`

const rules = (text: string) => [...new Set(checkMpd(text).map(({ rule }) => rule))]

describe('the rules of an MPD', () => {
  it('find nothing in what keeps them', () => {
    expect(checkMpd(LIVE)).toEqual([])
    expect(checkMpdReload(LIVE, LIVE)).toEqual([])
  })

  it("find nothing in ffmpeg's", () => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-conformance-'))
    try {
      const source = ['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=7', '-c:v', 'libx264', '-g', '50', '-f', 'dash']
      execFileSync('ffmpeg', ['-v', 'error', ...source, '-seg_duration', '2', join(folder, 'x.mpd')])
      expect(checkMpd(readFileSync(join(folder, 'x.mpd'), 'utf8'))).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it.each([
    ['dash-syntax', LIVE.replace('</MPD>', '')],
    ['dash-syntax', LIVE.replaceAll('MPD', 'MDP')],
    ['dash-attributes', LIVE.replace('publishTime="2026-01-01T00:00:10Z" ', '')],
    ['dash-attributes', LIVE.replace('minimumUpdatePeriod="PT2S"', 'minimumUpdatePeriod="2"')],
    ['dash-attributes', LIVE.replace('type="dynamic"', 'type="static"')],
    ['dash-attributes', LIVE.replace('<UTCTiming schemeIdUri="u" value="t"/>', '')],
    ['dash-attributes', LIVE.replace('bandwidth="1" ', '')],
    ['dash-attributes', LIVE.replaceAll(' mimeType="video/mp4"', '')],
    ['dash-attributes', LIVE.replace('$Time$.m4s', 'one.m4s')],
    ['dash-attributes', LIVE.replace('duration="2" ', '')],
    ['dash-timeline', LIVE.replace('<S d="1000"/>', '<S t="12000" d="1000"/>')],
    ['dash-timeline', LIVE.replace('<S d="1000"/>', '<S d="0"/>')],
    ['dash-period', LIVE.replace('id="b"', 'id="a"')],
    ['dash-period', LIVE.replace('PT17S', 'PT9S')],
  ] as const)('name %s where it is broken', (rule, text) => {
    expect(rules(text)).toContain(rule)
  })

  it.each([
    ['an older one', LIVE.replace('00:00:10Z', '00:00:09Z')],
    ['a period elsewhere', LIVE.replace('PT17S', 'PT18S')],
    ['another time of availability', LIVE.replace('1970', '1971')],
  ])('find what a reload may not be: %s', (_what, after) => {
    expect(checkMpdReload(LIVE, after).map(({ rule }) => rule)).toEqual(['dash-reload'])
  })
})

describe('readXml', () => {
  it('reads elements, attributes, text and the five entities', () => {
    const root = readXml('<?xml version="1.0"?>\n<!-- x --><a b="1 &amp; &#50;" c=\'d\'>t&lt;<e/>u</a>\n')
    expect([...(root?.attributes ?? [])]).toEqual([
      ['b', '1 & 2'],
      ['c', 'd'],
    ])
    expect([root?.text, root?.children.map(({ name }) => name)]).toEqual(['t<u', ['e']])
  })

  it.each(['', '<a>', '</a>', '<a></b>', '<a/><b/>', '<a b=1/>', 'x<a/>', '<a', '<a><![CDATA[x]]></a>'])(
    'refuses %j',
    (text) => {
      expect(readXml(text)).toBeUndefined()
    },
  )
})
