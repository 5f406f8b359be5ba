import { expect, it } from 'vitest'
import { parseTtml } from '../../../../src/media/text/ttml.ts'
import { readTtmlClock, readTtmlTime } from '../../../../src/media/text/ttml-time.ts'
import { writeTtml } from '../../../../src/media/text/ttml-writer.ts'
import { ttmlOfCueText } from '../../../../src/media/text/vtt-markup.ts'

const parse = (text: string) => parseTtml(new TextEncoder().encode(text))
const document = (body: string, attributes = '', head = '') =>
  `<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang="en" ${attributes}>${head}<body>${body}</body></tt>`
const timesOf = (text: string) => parse(text).cues.map(({ startMs, endMs, text: shown }) => [startMs, endMs, shown])

it.each([
  ['00:00:01.5', 1_500],
  ['01:00:00:12', 3_600_500],
  ['100:00:00', 360_000_000],
  ['1.5s', 1_500],
  ['250ms', 250],
  ['2m', 120_000],
  ['0.5h', 1_800_000],
  ['48f', 2_000],
  ['5t', 500],
])('reads the time %s', (text, ms) => {
  const parameters: Record<string, string> = { frameRate: '24', tickRate: '10' }
  expect(
    readTtmlTime(
      text,
      readTtmlClock((name) => parameters[name]),
    ),
  ).toBe(ms)
})

it('counts frames by their multiplier, and ticks by frames where nothing else is said', () => {
  const parameters: Record<string, string> = { frameRate: '30', frameRateMultiplier: '1000 1001' }
  const clock = readTtmlClock((name) => parameters[name])
  expect(readTtmlTime('00:00:10:00', clock)).toBe(10_000)
  expect(readTtmlTime('30f', clock)).toBeCloseTo(1_001, 9)
  expect(readTtmlTime('30t', clock)).toBeCloseTo(1_001, 9)
  for (const nonsense of ['1', '1:2:3', '00:00:00:', 'x', '1e3s', '-1s'])
    expect(readTtmlTime(nonsense, clock)).toBeUndefined()
})

it('adds times up, ends what its parent ends, and follows a sequence', () => {
  expect(
    timesOf(
      document(
        `<div begin="10s" end="20s"><p begin="1s" dur="2s">a</p><p begin="9s" end="15s">b</p><p begin="11s">gone</p></div>
         <div timeContainer="seq" begin="30s"><p dur="1s">c</p><p dur="2s">d</p></div>`,
      ),
    ),
  ).toEqual([
    [11_000, 13_000, 'a'],
    [19_000, 20_000, 'b'],
    [30_000, 31_000, 'c'],
    [31_000, 33_000, 'd'],
  ])
})

it('cuts a paragraph where its spans come and go', () => {
  const cues = timesOf(
    document('<div><p begin="1s" end="5s"><span>one</span><span begin="1s" end="3s"> two</span></p></div>'),
  )
  expect(cues).toEqual([
    [1_000, 2_000, 'one'],
    [2_000, 4_000, 'one two'],
    [4_000, 5_000, 'one'],
  ])
})

it('keeps italics, bold, colours, lines and what is said of the place, in styles and inline', () => {
  const head =
    '<head><styling><style xml:id="loud" tts:fontWeight="bold"/><style xml:id="y" style="loud" tts:color="#FFFF00FF"/></styling>' +
    '<layout><region xml:id="up" tts:origin="10% 5%" tts:extent="80% 20%" tts:displayAlign="before" tts:textAlign="start"/></layout></head>'
  const { cues } = parse(
    document(
      '<div region="up"><p begin="0s" end="1s">a &lt;b&gt;\n  <br/> <span style="y">c</span> <span tts:fontStyle="italic">d<metadata>no</metadata></span></p></div>',
      '',
      head,
    ),
  )
  expect(cues[0]?.text).toBe('a &lt;b&gt;\n<c.yellow><b>c</b></c> <i>d</i>')
  expect(cues[0]?.settings).toBe('line:5% align:start')
})

it('writes the paragraphs of a source as they were, at other times, in its own frame', () => {
  const source = parse(
    document(
      '<div region="r"><p begin="1s" end="9s" tts:color="red">x<br/><span>y &amp; z</span></p></div>',
      '',
      '<head/>',
    ),
  )
  const written = writeTtml(source.cues, source, 'en', { plusMs: 10_000, fromMs: 12_000, toMs: 18_000 })
  expect(written).toContain(
    '<p begin="00:00:12.000" end="00:00:18.000" tts:color="red" region="r">x<br/><span>y &amp; z</span></p>',
  )
  expect(written).toContain('<head/>')
  expect(parse(written).cues).toMatchObject([{ startMs: 12_000, endMs: 18_000, text: '<c.red>x\ny &amp; z</c>' }])
})

it('makes TTML of WebVTT: tags of styles, entities, the top', () => {
  expect(ttmlOfCueText('<v Anna>a <i>b<b>c</i>d</b> &amp;&lt;&nbsp;&bogus; <c.red.x>e</c><00:01.000>f</u>')).toBe(
    'a <span tts:fontStyle="italic">b<span tts:fontWeight="bold">c</span></span>d &amp;&lt;\u00a0&amp;bogus; <span tts:color="red">e</span>f',
  )
  const cues = [{ startMs: 0, endMs: 1_000, text: 'one\n<i>two</i>', settings: 'line:5% align:start' }]
  const written = writeTtml(cues, {}, 'de')
  expect(written).toContain('xml:lang="de"')
  expect(written).toContain(
    'region="top" style="s" tts:textAlign="start">one<br/><span tts:fontStyle="italic">two</span></p>',
  )
  expect(parse(written).cues).toMatchObject([
    { startMs: 0, endMs: 1_000, text: 'one\n<i>two</i>', settings: 'line:10% align:start' },
  ])
})

it('counts paragraphs whose times are none, and leaves them out', () => {
  const { cues, skipped } = parse(
    document('<div><p begin="soon">a</p><p begin="2s" end="1s">b</p><p begin="soon"/><p end="1s">c</p></div>'),
  )
  expect([cues.map(({ text }) => text), skipped]).toEqual([['c'], 2])
})

it.each([
  [
    'a document type',
    '<!DOCTYPE tt [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tt xmlns="http://www.w3.org/ns/ttml">&b;</tt>',
    /document type/,
  ],
  ['an unknown entity', document('<div><p>&bomb;</p></div>'), /&bomb; is not known/],
  ['a depth of 100', document('<div>'.repeat(100) + '</div>'.repeat(100)), /deeper than 64/],
  ['tags that do not match', '<tt xmlns="http://www.w3.org/ns/ttml"><a></b></tt>', /closes/],
  ['an end that is missing', '<tt xmlns="http://www.w3.org/ns/ttml"><a>', /not closed/],
  ['another root', '<html xmlns="http://www.w3.org/1999/xhtml"/>', /no TTML/],
  ['another namespace', '<tt xmlns="urn:x"/>', /no TTML/],
  ['nothing', '', /no element/],
])('refuses %s', (_what, text, problem) => {
  expect(() => parse(text)).toThrowError(problem)
})
