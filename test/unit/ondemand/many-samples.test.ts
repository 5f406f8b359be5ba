import { expect, it } from 'vitest'
import { planCuts } from '../../../src/ondemand/cut-plan.ts'
import { readTextTrack, type TextTrack } from '../../../src/ondemand/file-texts.ts'
import { sumSegments } from '../../../src/ondemand/segment-columns.ts'
import type { SourceTrack } from '../../../src/ondemand/source-track.ts'
import { memoryFile } from '../../support/source-files.ts'

const wordsOf = (...words: readonly number[]) => {
  const bytes = new DataView(new ArrayBuffer(words.length * 4))
  for (const [at, word] of words.entries()) bytes.setUint32(at * 4, word)
  return bytes
}

/** Pictures of a tick each, every one of which is a key frame. */
function pictures(count: number, fileBytes = 0, timescale = 1_000): SourceTrack {
  const tables = {
    durations: { entries: 1, view: wordsOf(count, 1) },
    compositions: undefined,
    sizes: { entries: count, fixedBytes: 1, fieldBits: 32, view: wordsOf() },
    chunkRuns: { entries: 1, view: wordsOf(1, count, 1) },
    chunkOffsets: { entries: 1, view: wordsOf(0), fieldBytes: 4 as const },
    syncSamples: undefined,
  }
  const config = { kind: 'video' } as SourceTrack['config']
  return {
    ...{ file: memoryFile('intra.mp4', new Uint8Array(fileBytes)), path: 'moov/trak', config, tables },
    ...{ timescale, scale: 1, shiftTicks: 0, decodeLeadTicks: 0, firstSample: 0, endSample: count },
    ...{ earliestTicks: 0, contentTicks: 0, endTicks: count, hasEqualDecodeTimes: false },
  }
}

it('lets others have their turn while it looks through hundreds of thousands of key frames, and stops when nobody wants it', async () => {
  let turns = 0
  let isOver = false
  const look = () => {
    turns++
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  const plan = await planCuts([pictures(300_000)], 6, new AbortController().signal)
  isOver = true
  expect(plan.instants).toHaveLength(51)
  expect(turns).toBeGreaterThan(5)
  const abort = new AbortController()
  const given = planCuts([pictures(300_000)], 6, abort.signal)
  abort.abort(new Error('nobody waits'))
  await expect(given).rejects.toThrow('nobody waits')
})

it('refuses what would make millions of objects of a segment that has hardly any bytes', async () => {
  const { signal } = new AbortController()
  const segmentsOf = async (track: SourceTrack) => {
    const plan = await planCuts([track], 6, signal)
    return sumSegments(track, plan, plan.keySamples[0], signal)
  }
  const few = await segmentsOf(pictures(100_000, 100_000, 1_000_000))
  expect([...few.samples]).toEqual([100_000])
  await expect(segmentsOf(pictures(100_001, 100_001, 1_000_000))).rejects.toThrow('100001 samples in one segment')
})

it('reads a text that lies in small pieces all over a film piece by piece, and keeps nothing of what lies between', async () => {
  const [count, apart] = [200, 50_000]
  const film = new Uint8Array(count * apart)
  for (let at = 0; at < count; at++) film.set([0, 3, ...Buffer.from(String(100 + at))], at * apart)
  const file = memoryFile('film.mp4', film)
  const tables = {
    durations: { entries: 1, view: wordsOf(count, 1_000) },
    compositions: undefined,
    sizes: { entries: count, fixedBytes: 5, fieldBits: 32, view: wordsOf() },
    chunkRuns: { entries: 1, view: wordsOf(1, 1, 1) },
    chunkOffsets: {
      ...{ entries: count, fieldBytes: 4 as const },
      view: wordsOf(...Array.from({ length: count }, (_, at) => at * apart)),
    },
    syncSamples: undefined,
  }
  const media = { codec: 'tx3g', timescale: 1_000, edited: { mediaTicks: 0, delaySeconds: 0 }, header: '' }
  const track = { file, media, samples: { tables, startTicks: 0 } } as unknown as TextTrack
  const { cues } = await readTextTrack(track, new AbortController().signal)
  expect(cues.map(({ text }) => text)).toEqual(Array.from({ length: count }, (_, at) => String(100 + at)))
  expect(Math.max(...file.reads.map(({ first, last }) => last - first))).toBeLessThan(2 ** 20)
  expect(file.reads).toHaveLength(10)
})
