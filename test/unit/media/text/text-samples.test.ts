import { expect, it } from 'vitest'
import { readStppSamples, writeStppSample } from '../../../../src/media/text/stpp.ts'
import { parseTtml } from '../../../../src/media/text/ttml.ts'
import { readTx3gSamples } from '../../../../src/media/text/tx3g.ts'
import { readWvttSamples, writeWvttSamples } from '../../../../src/media/text/wvtt.ts'

const cues = [
  { startMs: 500, endMs: 4_500, text: 'over <b>both</b>', id: 'a', settings: 'line:0' },
  { startMs: 1_000, endMs: 2_000, text: 'early' },
  { startMs: 5_000, endMs: 6_000, text: 'late' },
]
const placement = { zeroTicks: 900_000, ticksPerMs: 90 }
const at = (ms: number) => 900_000 + ms * 90

it('writes wvtt samples without a hole, and reads the very cues from those of two segments', () => {
  const first = writeWvttSamples(cues, at(0), at(4_000), placement)
  const second = writeWvttSamples(cues, at(4_000), at(8_000), placement)
  const samples = [...first, ...second]
  expect(samples.map(({ startTicks }) => (startTicks - 900_000) / 90)).toEqual([
    0, 500, 1_000, 2_000, 4_000, 4_500, 5_000, 6_000,
  ])
  for (const [index, { startTicks, durationTicks }] of samples.entries()) {
    expect(startTicks + durationTicks).toBe(samples[index + 1]?.startTicks ?? at(8_000))
  }
  expect(Buffer.from(samples[0]?.data ?? []).toString('latin1')).toBe('\0\0\0\x08vtte')
  const read = readWvttSamples(samples, 'WEBVTT\n\nSTYLE\n::cue {}', placement)
  expect(read).toEqual({ cues, blocks: ['STYLE\n::cue {}'], skipped: 0 })
})

it('gives the golden bytes of a wvtt sample', () => {
  const [sample] = writeWvttSamples([{ startMs: 0, endMs: 1, text: 'é' }], 0, 90, { zeroTicks: 0, ticksPerMs: 90 })
  const bytes = Buffer.from(sample?.data ?? [])
  expect(bytes.subarray(0, 16).toString('latin1')).toBe('\0\0\0\x1evttc\0\0\0\x0cvsid')
  expect(bytes.subarray(20).toString('hex')).toBe('0000000a7061796cc3a9')
})

it('writes stpp samples with times of the track, and reads the very cues from those of two segments', () => {
  const source = parseTtml(
    new TextEncoder().encode(
      '<tt:tt xmlns:tt="http://www.w3.org/ns/ttml"><tt:body><tt:div><tt:p begin="1s" end="7s">a</tt:p><tt:p begin="2s" end="3s">b</tt:p></tt:div></tt:body></tt:tt>',
    ),
  )
  const samples = [0, 4_000].map((ms) => writeStppSample(source.cues, source, 'en', at(ms), at(ms + 4_000), placement))
  expect(Buffer.from(samples[0]?.data ?? []).toString()).toContain('begin="00:00:11.000" end="00:00:14.000"')
  const read = readStppSamples(samples, placement)
  expect(read.skipped).toBe(1)
  expect(read.cues.map(({ startMs, endMs, text }) => [startMs, endMs, text])).toEqual([
    [1_000, 7_000, 'a'],
    [2_000, 3_000, 'b'],
  ])
})

it('reads tx3g with its styles, which count characters', () => {
  const text = Buffer.from('😀 bold <i>')
  const styl = Buffer.alloc(8 + 2 + 12)
  styl.writeUInt32BE(styl.length)
  styl.write('styl', 4)
  styl.writeUInt16BE(1, 8)
  styl.writeUInt16BE(2, 10)
  styl.writeUInt16BE(6, 12)
  styl[16] = 3
  const data = Buffer.concat([Buffer.from([0, text.length]), text, styl])
  const samples = [
    { startTicks: 1_000, durationTicks: 500, data },
    { startTicks: 1_500, durationTicks: 500, data: Buffer.from([0, 0]) },
    { startTicks: 2_000, durationTicks: 500, data: Buffer.from([0, 9, 65]) },
  ]
  expect(readTx3gSamples(samples, { zeroTicks: 0, ticksPerMs: 1 })).toEqual({
    cues: [{ startMs: 1_000, endMs: 1_500, text: '😀 <b><i>bold</i></b> &lt;i&gt;' }],
    blocks: [],
    skipped: 1,
  })
})

it('counts wvtt samples that are broken', () => {
  const samples = [{ startTicks: 0, durationTicks: 90, data: Buffer.from([0, 0, 0, 99, 1, 2, 3, 4, 5]) }]
  expect(readWvttSamples(samples, '', { zeroTicks: 0, ticksPerMs: 90 })).toEqual({ cues: [], blocks: [], skipped: 1 })
})
