import { expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import type { TextDocument } from '../../../../src/media/text/text-document.ts'
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
