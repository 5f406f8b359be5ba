import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readAttributes } from '../../../src/conformance/hls-playlist.ts'
import { checkPlaylist, checkReload } from '../../../src/conformance/hls-rules.ts'

const LIVE = `#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0,CAN-SKIP-UNTIL=24.0
#EXT-X-PART-INF:PART-TARGET=1.0
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-MAP:URI="v/1.init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:4.000,
v/10.m4s
#EXT-X-PART:DURATION=1.0,URI="v/11.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=1.0,URI="v/11.1.m4s"
#EXT-X-PART:DURATION=1.0,URI="v/11.2.m4s"
#EXT-X-PART:DURATION=0.5,URI="v/11.3.m4s"
#EXTINF:3.500,
v/11.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:20.000Z
#EXT-X-PART:DURATION=1.0,URI="v/12.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="v/12.1.m4s"
#EXT-X-RENDITION-REPORT:URI="a.m3u8",LAST-MSN=12,LAST-PART=0
`

const rules = (text: string) => [...new Set(checkPlaylist(text).map(({ rule }) => rule))]

describe('the rules of a media playlist', () => {
  it('find nothing in what keeps them', () => {
    expect(checkPlaylist(LIVE)).toEqual([])
    expect(checkReload(LIVE, LIVE)).toEqual([])
  })

  it("find nothing in ffmpeg's playlists, of either container", () => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-conformance-'))
    try {
      for (const type of ['fmp4', 'mpegts']) {
        const source = ['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=9', '-c:v', 'libx264', '-g', '50']
        const hls = ['-f', 'hls', '-hls_time', '2', '-hls_segment_type', type, '-hls_flags', 'program_date_time']
        execFileSync('ffmpeg', ['-v', 'error', ...source, ...hls, join(folder, `${type}.m3u8`)])
        const text = readFileSync(join(folder, `${type}.m3u8`), 'utf8')
        expect(text).toContain('#EXTINF')
        expect(checkPlaylist(text)).toEqual([])
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it.each([
    ['hls-syntax', LIVE.replace('#EXTM3U\n', '')],
    ['hls-syntax', LIVE.replace('#EXTINF:4.000,\n', '')],
    ['hls-syntax', LIVE.replace('DURATION=1.0,URI="v/11.0.m4s"', 'DURATION=1.0,DURATION=1.0')],
    ['hls-syntax', LIVE.replace('#EXT-X-MEDIA-SEQUENCE:10', '#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-MEDIA-SEQUENCE:10')],
    ['hls-version', LIVE.replace('VERSION:8', 'VERSION:3')],
    ['hls-version', LIVE.replace('#EXT-X-MAP', '#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-MAP')],
    ['hls-target-duration', LIVE.replace('TARGETDURATION:4', 'TARGETDURATION:3')],
    ['hls-target-duration', LIVE.replace('#EXT-X-TARGETDURATION:4\n', '')],
    ['hls-map', LIVE.replace('#EXT-X-MAP:URI="v/1.init.mp4"\n', '')],
    ['hls-map', LIVE.replace('v/10.m4s', 'v/10.ts')],
    [
      'hls-program-date-time',
      LIVE.replace('#EXTINF:3.5', '#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:05.000Z\n#EXTINF:3.5'),
    ],
    ['hls-part-duration', LIVE.replace('DURATION=1.0,URI="v/11.1', 'DURATION=1.1,URI="v/11.1')],
    ['hls-part-duration', LIVE.replace('DURATION=1.0,URI="v/11.1', 'DURATION=0.8,URI="v/11.1')],
    ['hls-part-sum', LIVE.replace('#EXTINF:3.500', '#EXTINF:3.600')],
    ['hls-server-control', LIVE.replace('CAN-SKIP-UNTIL=24.0', 'CAN-SKIP-UNTIL=23.0')],
    ['hls-server-control', LIVE.replace('PART-HOLD-BACK=3.0', 'PART-HOLD-BACK=2.5')],
    ['hls-server-control', LIVE.replace('PART-HOLD-BACK=3.0,', '')],
    ['hls-preload-hint', LIVE.replace('URI="v/12.1.m4s"', 'URI="v/12.0.m4s"')],
    ['hls-preload-hint', `${LIVE}#EXT-X-ENDLIST\n`],
    ['hls-rendition-report', LIVE.replace(',LAST-MSN=12', '')],
    ['hls-rendition-report', LIVE.replace('URI="a.m3u8"', 'URI="https://elsewhere.example/a.m3u8"')],
    ['hls-date-range', `${LIVE}#EXT-X-DATERANGE:ID="a",START-DATE="never"\n`],
    ['hls-date-range', `${LIVE}#EXT-X-DATERANGE:START-DATE="2026-01-01T00:00:00Z"\n`],
    [
      'hls-date-range',
      `${LIVE}#EXT-X-DATERANGE:ID="a",START-DATE="2026-01-01T00:00:01Z",END-DATE="2026-01-01T00:00:00Z"\n`,
    ],
  ] as const)('name %s where it is broken', (rule, text) => {
    expect(rules(text)).toContain(rule)
  })

  it('takes gaps and lists of key frames for what they are', () => {
    const frames = LIVE.replace('VERSION:8', 'VERSION:8\n#EXT-X-I-FRAMES-ONLY').replace(
      'v/10.m4s',
      '#EXT-X-GAP\nv/10.m4s',
    )
    expect(rules(frames)).toEqual([])
  })
})

describe('the rules of a reload', () => {
  const reload = (after: string) => [...new Set(checkReload(LIVE, after).map(({ rule }) => rule))]

  it('let the window move on', () => {
    const lines = LIVE.split('\n')
    const moved = lines.filter((line) => line !== 'v/10.m4s' && line !== '#EXTINF:4.000,').join('\n')
    expect(reload(`${moved.replace('SEQUENCE:10', 'SEQUENCE:11')}#EXTINF:1.0,\nv/12.m4s\n`)).toEqual([])
  })

  it.each([
    ['hls-reload-sequence', LIVE.replace('SEQUENCE:10', 'SEQUENCE:9')],
    ['hls-reload-sequence', LIVE.replace('#EXTINF:3.500,\nv/11.m4s\n', '')],
    ['hls-reload-changed', LIVE.replace('v/11.m4s', 'v/eleven.m4s')],
    ['hls-reload-changed', LIVE.replace('DISCONTINUITY-SEQUENCE:1', 'DISCONTINUITY-SEQUENCE:2')],
    ['hls-reload-changed', LIVE.replace('TARGETDURATION:4', 'TARGETDURATION:5')],
  ] as const)('name %s where it is broken', (rule, after) => {
    expect(reload(after)).toContain(rule)
  })

  it('name what goes on after the end', () => {
    const ended = `${LIVE}#EXT-X-ENDLIST\n`
    const rule = 'hls-reload-after-end'
    expect(checkReload(ended, LIVE).map((violation) => violation.rule)).toEqual([rule])
    expect(checkReload(ended, ended)).toEqual([])
  })
})

it('an attribute list is read by the letter', () => {
  expect(readAttributes('A=1,B="x,y=z",C-D=0x1f')).toEqual(
    new Map([
      ['A', '1'],
      ['B', 'x,y=z'],
      ['C-D', '0x1f'],
    ]),
  )
  for (const wrong of ['A', 'A=', 'a=1', 'A=1 B=2', 'A="x', 'A=1,A=2', 'A=1,,B=2']) {
    expect([wrong, readAttributes(wrong)]).toEqual([wrong, undefined])
  }
})
