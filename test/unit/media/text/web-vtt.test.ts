import { expect, it } from 'vitest'
import { cuesWithin, reachesOf } from '../../../../src/media/text/text-document.ts'
import { knownSettings, parseWebVtt } from '../../../../src/media/text/web-vtt.ts'
import { vttTime, webVttHeader, writeWebVtt } from '../../../../src/media/text/web-vtt-writer.ts'

const parse = (text: string) => parseWebVtt(new TextEncoder().encode(text))

it('reads cues with ids, settings and markup, hours or not, over CRLF and a byte order mark', () => {
  const { cues, blocks, skipped } = parse(
    [
      '\ufeffWEBVTT - a film',
      'Kind: captions',
      '',
      'NOTE a remark --',
      'over two lines',
      '',
      'STYLE',
      '::cue(b) { color: red }',
      '',
      'REGION',
      'id:fred',
      'width:40%',
      '',
      'first',
      '00:01.500 --> 00:02.750 line:0 align:start nonsense:1 position:10%,line-left',
      '<i>Hello</i>,',
      'you & me',
      '',
      '101:00:00.000 --> 101:00:01.001\tsize:50%',
      'late',
      '',
    ].join('\r\n'),
  )
  expect(skipped).toBe(0)
  expect(blocks).toEqual(['STYLE\n::cue(b) { color: red }', 'REGION\nid:fred\nwidth:40%'])
  expect(cues).toEqual([
    {
      startMs: 1_500,
      endMs: 2_750,
      id: 'first',
      settings: 'line:0 align:start position:10%,line-left',
      text: '<i>Hello</i>,\nyou & me',
    },
    { startMs: 363_600_000, endMs: 363_601_001, settings: 'size:50%', text: 'late' },
  ])
})

it.each([
  ['times that are none', '00:00,000 --> 00:01.000'],
  ['an end before the beginning', '00:02.000 --> 00:01.000'],
  ['no length', '00:02.000 --> 00:02.000'],
  ['seconds past 59', '00:00.000 --> 00:61.000'],
])('counts and leaves out a cue with %s', (_what, timing) => {
  const { cues, skipped } = parse(`WEBVTT\n\n${timing}\nbroken\n\n00:03.000 --> 00:04.000\ngood\n`)
  expect([cues.map(({ text }) => text), skipped]).toEqual([['good'], 1])
})

it('ends a cue where the times of the next one stand', () => {
  const { cues } = parse('WEBVTT\n\n00:01.000 --> 00:02.000\none\n00:03.000 --> 00:04.000\ntwo')
  expect(cues.map(({ text }) => text)).toEqual(['one', 'two'])
})

it.each(['', 'WEBVTTX\n', '1\n00:00:01,000 --> 00:00:02,000\nSubRip\n', 'WEB'])(
  'refuses what is no WebVTT: %j',
  (text) => {
    expect(() => parse(text)).toThrowError(/does not begin with WEBVTT/)
  },
)

it('refuses more than a text may have', () => {
  expect(() => parseWebVtt(new Uint8Array(8 * 2 ** 20 + 1))).toThrowError(/at most 8388608 are read/)
  expect(() => parse(`WEBVTT\n\n${'00:01.000 --> 00:02.000\nx\n\n'.repeat(100_001)}`)).toThrowError(/100000 cues/)
})

it('gives back what it reads, and nothing that would end a cue too early', () => {
  const source = parse('WEBVTT\n\nSTYLE\n::cue { color: red }\n\na\n00:01.000 --> 00:02.000 line:0\none\ntwo\n')
  const written = writeWebVtt(source.cues, source)
  expect(parse(written)).toEqual(source)
  expect(webVttHeader(source)).toBe('WEBVTT\n\nSTYLE\n::cue { color: red }')
  const hostile = { startMs: 0, endMs: 1_000, id: 'a\n--> b', text: 'one\n\n\n00:05.000 --> 00:06.000\ntwo' }
  const read = parse(writeWebVtt([hostile], { blocks: [] }))
  expect(read.cues).toHaveLength(1)
  expect(read.cues[0]?.text).toBe('one\n00:05.000 --&gt; 00:06.000\ntwo')
})

it('writes where local time lies in the transport stream', () => {
  const map = { localMs: 0, transportTicks: 900_000 }
  expect(writeWebVtt([], { blocks: [] }, { map })).toBe('WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n')
  expect(vttTime(494_385 * 3_600_000 + 61_007)).toBe('494385:01:01.007')
})

it('keeps only settings that WebVTT has', () => {
  expect(knownSettings('line:-1,end vertical:rl size:101 region:a')).toBe('line:-1,end vertical:rl region:a')
  expect(knownSettings('line:x constructor:1')).toBeUndefined()
})

it('finds the cues of a stretch, long ones from before too', () => {
  const cues = [
    { startMs: 0, endMs: 10_000, text: 'long' },
    { startMs: 1_000, endMs: 2_000, text: 'early' },
    { startMs: 5_000, endMs: 6_000, text: 'within' },
    { startMs: 9_000, endMs: 9_500, text: 'late' },
  ]
  const found = (from: number, to: number) => cuesWithin(cues, reachesOf(cues), from, to).map(({ text }) => text)
  expect(found(4_000, 9_000)).toEqual(['long', 'within'])
  expect(found(2_000, 5_000)).toEqual(['long'])
  expect(found(10_000, 20_000)).toEqual([])
})
