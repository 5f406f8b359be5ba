import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { readStppSamples } from '../../../../src/media/text/stpp.ts'
import { TextBudget } from '../../../../src/media/text/text-budget.ts'
import { TEXT_LIMITS, type TextDocument, textMemoryBytes } from '../../../../src/media/text/text-document.ts'
import { parseTtml } from '../../../../src/media/text/ttml.ts'
import { writeTtml } from '../../../../src/media/text/ttml-writer.ts'
import { readTx3gSamples } from '../../../../src/media/text/tx3g.ts'
import { parseWebVtt } from '../../../../src/media/text/web-vtt.ts'
import { writeWebVtt } from '../../../../src/media/text/web-vtt-writer.ts'
import { readWvttSamples, writeWvttSamples } from '../../../../src/media/text/wvtt.ts'

const MUTATIONS = 2_500
const vtt = Buffer.from(
  'WEBVTT\n\nSTYLE\n::cue {}\n\nid\n00:00:01.000 --> 00:00:02.000 line:0\n<i>a</i> &amp;\n\n00:03.000 --> 00:04.000\nb\n',
)
const ttml = Buffer.from(
  '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25"><head><styling><style xml:id="s"/></styling></head><body><div><p begin="00:00:01:05" dur="2s" style="s">a<br/><span begin="1s">b &amp; c</span></p></div></body></tt>',
)
const wvtt = Buffer.from(
  writeWvttSamples([{ startMs: 0, endMs: 1, text: 'a', id: 'x', settings: 'line:0' }], 0, 90, {
    zeroTicks: 0,
    ticksPerMs: 90,
  })[0]?.data ?? [],
)
const tx3g = Buffer.from('\0\x03abc\0\0\0\x16styl\0\x01\0\0\0\x02\0\x01\x03\x10\xff\xff\xff\xff', 'latin1')
const pieces = [
  '-->',
  '\n\n',
  '<',
  '>',
  '</',
  '&',
  '&#x',
  ';',
  '"',
  ' begin="',
  ':',
  '.',
  '\0',
  '\xff',
  '99999999999',
  '<!--',
  ']]>',
]

/** Numbers that look random and are the same in every run. */
function dice(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function mutate(source: Buffer, roll: (below: number) => number): Buffer {
  const at = roll(source.length)
  const kind = roll(4)
  if (kind === 0) return source.subarray(0, at)
  if (kind === 1) {
    const copy = Buffer.from(source)
    copy[at] = roll(256)
    return copy
  }
  if (kind === 2)
    return Buffer.concat([source.subarray(0, at), source.subarray(Math.min(source.length, at + 1 + roll(8)))])
  const piece = Buffer.from(pieces[roll(pieces.length)] ?? '', 'latin1')
  return Buffer.concat([source.subarray(0, at), piece, source.subarray(at)])
}

const readers: readonly [string, Buffer, (bytes: Uint8Array) => TextDocument][] = [
  ['WebVTT', vtt, parseWebVtt],
  ['TTML', ttml, parseTtml],
  [
    'wvtt',
    wvtt,
    (data) => readWvttSamples([{ startTicks: 0, durationTicks: 90, data }], '', { zeroTicks: 0, ticksPerMs: 90 }),
  ],
  [
    'tx3g',
    tx3g,
    (data) => readTx3gSamples([{ startTicks: 0, durationTicks: 90, data }], { zeroTicks: 0, ticksPerMs: 90 }),
  ],
]

it.each(readers)(
  'reads %s that is broken in any way, or refuses it, and what it reads can be written and read again',
  (name, source, read) => {
    const roll = dice(name.length)
    let understood = 0
    for (let round = 0; round < MUTATIONS; round++) {
      let bytes = mutate(source, roll)
      if (roll(3) === 0) bytes = mutate(bytes, roll)
      let found: TextDocument
      try {
        found = read(bytes)
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        continue
      }
      understood++
      if (round % 8 !== 0) continue
      for (const { startMs, endMs } of found.cues) if (!(startMs < endMs)) throw new Error(`${startMs} to ${endMs}`)
      const again = parseWebVtt(Buffer.from(writeWebVtt(found.cues, found)))
      if (again.cues.length !== found.cues.length)
        throw new Error(JSON.stringify([String(bytes), found.cues, again.cues]))
      parseTtml(Buffer.from(writeTtml(found.cues, found, 'en')))
    }
    expect(understood).toBeGreaterThan(MUTATIONS / 20)
  },
)

/** What an origin thread may stand still for, on a machine that does other things too: without bounds these are minutes, or gigabytes. */
const LIMIT_MS = 2_500
/** A sixteenth of what there is: enough for a source of half a megabyte. */
const CHARACTERS = TEXT_LIMITS.madeCharacters / 16
const PLACEMENT = { zeroTicks: 0, ticksPerMs: 90 }

const HEAD =
  '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling">'
const many = (count: number, one: (at: number) => string) => Array.from({ length: count }, (_, at) => one(at)).join('')
const ttmlOf = (styling: string, body: string, attributes = '') =>
  Buffer.from(`${HEAD}<head><styling>${styling}</styling></head><body${attributes}><div>${body}</div></body></tt>`)
const P = '<p begin="1s" end="2s">a</p>'

/** What comes of it, in bytes; 0 where it is refused. Fails where that takes long. */
function timed(make: () => TextDocument): number {
  const startMs = performance.now()
  let sizeBytes = 0
  try {
    sizeBytes = textMemoryBytes(make())
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
  }
  expect(performance.now() - startMs).toBeLessThan(LIMIT_MS)
  return sizeBytes
}

describe('a small text that is much to do', () => {
  const web = many(9, (at) => `<style xml:id="s${at}" style="${many(8, (other) => `s${(at + other) % 9} `)}"/>`)
  const chain = many(5_000, (at) => `<style xml:id="s${at}" style="s${at - 1}" tts:color="red"/>`)
  const crowded = many(20_000, (at) => `<span begin="${at % 200}ms"/>`)
  const ids = many(20_000, () => ' s')
  const values = ` tts:color="${'x'.repeat(60_000)}"`

  it.each<[string, Buffer]>([
    ['styles that refer to each other', ttmlOf(web, `<p style="s0" begin="0s" end="1s">a</p>`)],
    [
      'a chain of styles',
      ttmlOf(
        chain,
        many(2_000, (at) => P.replace('<p', `<p style="s${at + 2_900}"`)),
      ),
    ],
    [
      'styles of the body',
      ttmlOf(
        '',
        many(20_000, () => P),
        ` style="${ids}"`,
      ),
    ],
    [
      'attributes of the body',
      ttmlOf(
        '',
        many(20_000, () => P),
        values,
      ),
    ],
    [
      'a region of a long name',
      ttmlOf(
        '',
        many(20_000, () => P),
        ` region="${'x'.repeat(60_000)}"`,
      ),
    ],
    [
      'spans that come and go',
      ttmlOf(
        '',
        many(3, () => `<p begin="0s" end="1s">a${crowded}</p>`),
      ),
    ],
    ['space that is never shown', ttmlOf('', `<p begin="0s" end="1s">${many(30_000, () => '<span> </span>')}a</p>`)],
  ])('%s: TTML', (_name, source) => {
    expect(timed(() => parseTtml(source, new TextBudget('ttml', CHARACTERS)))).toBeLessThan(6 * CHARACTERS)
  })

  it('many documents of it in one track', () => {
    const data = ttmlOf(
      '',
      many(900, () => P),
      ` style="${ids}"`,
    )
    const samples = Array.from({ length: 100 }, (_, at) => ({ startTicks: at * 90_000, durationTicks: 90_000, data }))
    expect(timed(() => readStppSamples(samples, PLACEMENT))).toBeLessThan(150 * 2 ** 20)
  })

  it('but a long film with short lines is read whole', () => {
    const source = ttmlOf(
      '<style xml:id="s" tts:fontFamily="sansSerif" tts:color="white"/>',
      many(6_200, (at) => `<p begin="${at}s" end="${at + 1}s" region="r1">A line <br/>of this film</p>`),
      ' style="s" region="r1" tts:textAlign="center"',
    )
    expect(source.byteLength).toBeGreaterThan(TEXT_LIMITS.sourceBytes / 20)
    expect(parseTtml(source, new TextBudget('ttml', CHARACTERS)).cues).toHaveLength(6_200)
  })

  it('cues that are shown all at once, in fragments', () => {
    const cues = Array.from({ length: 20_000 }, (_, at) => ({
      startMs: at,
      endMs: 86_400_000,
      text: `${at}`.repeat(40),
    }))
    const startMs = performance.now()
    const samples = writeWvttSamples(cues, 0, 90 * 30_000, PLACEMENT)
    expect(performance.now() - startMs).toBeLessThan(LIMIT_MS)
    expect(samples.reduce((sum, { data }) => sum + data.byteLength, 0)).toBeLessThan(4.1 * 2 ** 20)
    expect(samples.length).toBeLessThan(4_100)
    const { cues: read } = readWvttSamples(samples, '', PLACEMENT)
    expect(read[0]).toEqual({ startMs: 0, endMs: 30_000, text: cues[0]?.text })
    expect(read.length).toBeGreaterThan(10)
    // What follows each other is all there, each line once.
    const lines = Array.from({ length: 2_000 }, (_, at) => ({
      startMs: at * 15,
      endMs: at * 15 + 15,
      text: `line ${at}`,
    }))
    expect(readWvttSamples(writeWvttSamples(lines, 0, 90 * 30_000, PLACEMENT), '', PLACEMENT).cues).toEqual(lines)
  })

  it('styles of tx3g, of which the first that a character is in counts', () => {
    const count = 65_535
    const text = Buffer.alloc(16_000, 'a')
    const box = Buffer.alloc(10 + 12 * count)
    box.writeUInt32BE(box.byteLength)
    box.write('styl', 4, 'latin1')
    box.writeUInt16BE(count, 8)
    for (let at = 0; at < count; at++) {
      const from = at < 2 ? at : 5 + (at % 16_000)
      box.writeUInt16BE(from, 10 + 12 * at)
      box.writeUInt16BE(at === 0 ? 3 : from + 1, 12 + 12 * at)
      box[16 + 12 * at] = (at % 3) + 1
    }
    const data = Buffer.concat([Buffer.from([text.length >>> 8, text.length & 255]), text, box])
    const sample = { startTicks: 0, durationTicks: 90, data }
    let document: TextDocument | undefined
    expect(timed(() => (document = readTx3gSamples([sample], PLACEMENT)))).toBeLessThan(2 ** 20)
    expect(document?.cues[0]?.text.slice(0, 45)).toBe('<b>a</b><b>a</b><b>a</b>aa<i>a</i><b><i>a</i>')
  })
})
