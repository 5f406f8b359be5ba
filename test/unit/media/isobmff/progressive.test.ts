import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFile, MP4BoxBuffer } from 'mp4box'
import { afterAll, describe, expect, it } from 'vitest'
import type { TrackFragment } from '../../../../src/media/isobmff/movie-fragment.ts'
import { RunLengthColumn, WordColumn } from '../../../../src/media/isobmff/progressive-columns.ts'
import { ProgressiveFile } from '../../../../src/media/isobmff/progressive-file.ts'
import { SampleTableBuilder } from '../../../../src/media/isobmff/progressive-samples.ts'
import type { VideoConfig } from '../../../../src/media/media.ts'
import { encodeVideo } from '../../../support/recording.ts'

const directory = mkdtempSync(join(tmpdir(), 'progressive-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const config = encodeVideo(0.2).config as VideoConfig

/** Samples of one size and duration, one behind the other, the first of them independent. */
function fragment(baseDecodeTicks: number, count: number, durationTicks: number, sizeBytes: number): TrackFragment {
  const samples = Array.from({ length: count }, (_, at) => ({
    offset: 100 + at * sizeBytes,
    sizeBytes,
    durationTicks,
    compositionTicks: 0,
    independent: at === 0,
  }))
  return { trackId: 1, baseDecodeTicks, samples }
}

function builderOf(changes = false): SampleTableBuilder {
  return new SampleTableBuilder({ kind: 'video', timescale: 90_000, changes })
}

describe('columns', () => {
  it('hold words in blocks, and runs as counts and values', () => {
    const words = new WordColumn()
    for (let at = 0; at < 200_000; at++) words.push(at * 21_474)
    const bytes = Buffer.concat(words.pieces())
    expect(bytes.byteLength).toBe(800_000)
    for (const at of [0, 1_023, 1_024, 199_999]) expect(bytes.readUInt32BE(at * 4)).toBe(at * 21_474)
    const runs = new RunLengthColumn()
    runs.push(-5, 3)
    runs.push(7, 0)
    runs.push(7)
    runs.push(7, 2)
    const { entries, pieces } = runs.finish(5)
    expect(entries).toBe(2)
    expect(Buffer.concat(pieces)).toEqual(Buffer.from('00000003000000000000000300000' + '00c', 'hex'))
  })
})

describe('a day of more than 4 GB', () => {
  const builder = builderOf()
  const seconds = 25 * 3_600
  for (let at = 0; at < seconds / 10; at++) {
    builder.beginSegment(at, config)
    builder.addFragment(fragment(1_760_000_000 * 90_000 + at * 900_000, 10, 90_000, 100_000))
  }
  const table = builder.finish()
  const file = new ProgressiveFile([table], 1_760_000_000_000)
  const path = join(directory, 'day.mp4')
  const head: Uint8Array[] = []
  for (const piece of file.pieces({ first: 0, last: file.headBytes - 1 })) if ('bytes' in piece) head.push(piece.bytes)
  writeFileSync(path, Buffer.concat(head))

  it('has offsets and times of 64 bits, which mp4box.js and ffprobe read', () => {
    expect(file.sizeBytes - file.headBytes).toBe(seconds * 100_000)
    const bytes = Buffer.concat(head)
    const reader = createFile()
    reader.appendBuffer(MP4BoxBuffer.fromArrayBuffer(Uint8Array.from(bytes).buffer, 0), true)
    const track = reader.getInfo().tracks[0]!
    expect(track.nb_samples).toBe(seconds)
    expect(track.duration).toBe(seconds * 90_000)
    const { mdia, tkhd } = reader.moov.traks[0]!
    expect([tkhd.version, mdia.mdhd.version]).toEqual([1, 1])
    const offsets = mdia.minf.stbl.co64.chunk_offsets
    expect(offsets.length).toBe(seconds / 10)
    expect(Number(offsets.at(-1))).toBe(file.sizeBytes - 1_000_000)
    expect(reader.mdats[0]!.size).toBe(seconds * 100_000 + 16)
    truncateSync(path, file.sizeBytes)
    const fields = 'stream=duration,nb_frames:packet=pos,size'
    const args = ['-v', 'quiet', '-read_intervals', '89999%+#1', '-show_entries', fields, '-of', 'json', path]
    const { stdout } = spawnSync('ffprobe', args, { encoding: 'utf8' })
    const { streams, packets } = JSON.parse(stdout)
    expect(streams).toEqual([{ duration: '90000.000000', nb_frames: '90000' }])
    expect(packets.at(-1)).toEqual({ size: '100000', pos: String(file.sizeBytes - 1_000_000) })
  })

  it('takes few bytes of memory for each sample', () => {
    expect(table.memoryBytes / table.sampleCount).toBeLessThan(12)
  })

  it('says of a range where it lies', () => {
    const first = file.headBytes + 8_999_999_999
    const pieces = [...file.pieces({ first, last: first })]
    expect(pieces).toEqual([{ source: { track: 0, sequence: 8_999, offset: 100 + 999_999, sizeBytes: 1 } }])
    const joint = file.headBytes + 5_000_000
    expect([...file.pieces({ first: joint - 1, last: joint })]).toEqual([
      { source: { track: 0, sequence: 4, offset: 100 + 999_999, sizeBytes: 1 } },
      { source: { track: 0, sequence: 5, offset: 100, sizeBytes: 1 } },
    ])
  })
})

describe('a table', () => {
  it('refuses time that goes back far, and has what overlaps shown when it was', () => {
    const builder = builderOf()
    builder.beginSegment(0, config)
    builder.addFragment(fragment(2_000_000, 2, 100, 10))
    expect(() => builder.addFragment(fragment(1_000_100, 1, 100, 10))).toThrow(/goes back to 1000100/)
    const { samples } = fragment(1_999_950, 3, 100, 10)
    const reordered = samples.map((sample) => ({ ...sample, compositionTicks: 250 }))
    builder.addFragment({ trackId: 1, baseDecodeTicks: 1_999_950, samples: reordered })
    const table = builder.finish()
    const words = ({ pieces }: { pieces: readonly Uint8Array[] }) => {
      const bytes = Buffer.concat(pieces)
      return Array.from({ length: bytes.byteLength / 4 }, (_, at) => bytes.readUInt32BE(at * 4))
    }
    // Decoded at 0, 100, 101, 102 and 150 from the first; shown at 0, 100, 200, 300 and 400.
    expect(words(table.stts)).toEqual([1, 100, 2, 1, 1, 48, 1, 100])
    expect(words(table.ctts!)).toEqual([2, 0, 1, 99, 1, 198, 1, 250])
  })

  it('shortens a picture into which the next one falls', () => {
    const builder = builderOf()
    builder.beginSegment(0, config)
    builder.addFragment(fragment(1_000, 2, 100, 10))
    builder.beginSegment(1, config)
    builder.addFragment(fragment(1_150, 1, 100, 10))
    const table = builder.finish()
    expect(table.decodeTicks).toBe(250)
    expect(Buffer.concat(table.stts.pieces)).toEqual(
      Buffer.from('000000010000006400000001000000320000000100000064', 'hex'),
    )
  })

  it('has nothing of segments in which there is nothing', () => {
    const builder = builderOf()
    for (const sequence of [3, 4, 5]) builder.beginSegment(sequence, config)
    builder.addFragment(fragment(1_000, 1, 100, 10))
    builder.beginSegment(6, config)
    const table = builder.finish()
    expect([...table.chunks.sequence]).toEqual([5])
    expect(builderOf().finish().sampleCount).toBe(0)
  })

  it('puts the parameter sets in front of key frames where configurations change', () => {
    const other = { ...config, width: 64 }
    const builder = builderOf(true)
    builder.beginSegment(0, config)
    builder.addFragment(fragment(0, 3, 100, 10))
    builder.beginSegment(1, other)
    builder.addFragment(fragment(300, 3, 100, 10))
    const table = builder.finish()
    const sets = table.inserted[1]!.parameterSets!
    const file = new ProgressiveFile([table], 0)
    const pieces = [...file.pieces({ first: file.headBytes, last: file.sizeBytes - 1 })]
    const source = (sequence: number) => ({ source: { track: 0, sequence, offset: 100, sizeBytes: 30 } })
    expect(pieces).toEqual([{ bytes: sets }, source(0), { bytes: sets }, source(1)])
    expect(Buffer.concat(table.stsz.pieces).readUInt32BE(12)).toBe(sets.byteLength + 10)
    expect(table.descriptions).toEqual([config, other])
  })
})
