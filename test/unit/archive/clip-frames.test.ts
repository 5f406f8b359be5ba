import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSegmentRange } from '../../../src/archive/segment-ranges.ts'
import type { SegmentSource } from '../../../src/origin/ports.ts'
import type { Presentation } from '../../../src/presentation/presentation.ts'
import { planOf } from '../../support/downloaded.ts'
import { frames, probe } from '../../support/progressive-opinion.ts'
import { between, ClipBench } from './clip-bench.ts'

const bench = new ClipBench()

describe('a clip from one picture to another', () => {
  /** Mean difference of two pictures' brightness, by ffmpeg's PSNR of a clip's track against the recording's pictures. */
  function psnr(name: string, track: number, first: number, count: number): number {
    const original = bench.wholeTrack(track)
    const select = `[1:v]select='between(n,${first},${first + count - 1})',setpts=N[b];[0:v]setpts=N[a];[a][b]psnr`
    const args = ['-hide_banner', '-nostdin', '-i', join(bench.scratch, `${name}.mp4`), '-i', original]
    const { stderr } = spawnSync('ffmpeg', [...args, '-filter_complex', select, '-f', 'null', '-'], {
      encoding: 'utf8',
    })
    return Number(/min:([\d.]+|inf)/.exec(stderr)?.[1]?.replace('inf', 'Infinity'))
  }

  /** The clip as one MP4, as it is downloaded. */
  async function downloaded(name: string, renditions: readonly string[]): Promise<string> {
    const view = await bench.loaded()
    view.apply({ type: 'ended' })
    const kept = { presentation: view, startSeconds: bench.recording.startSeconds, source: { read: rangeOf(view) } }
    const path = join(bench.scratch, `${name}.mp4`)
    writeFileSync(path, await (await planOf(kept, renditions)).bytes())
    return path
  }

  function rangeOf(view: Presentation): SegmentSource['read'] {
    const readable = { view, storage: bench.storage, folder: 'as_2', spooled: async () => undefined }
    return (_id, ...rest) => readSegmentRange(readable, ...rest)
  }

  it.each([
    { name: 'over segments', from: 5.3, to: 17.72, rows: [5.28, 6, 16, 17, 17.72] },
    { name: 'within one group of pictures', from: 5.3, to: 5.72, rows: [5.28, 5.72] },
    { name: 'over a key frame within a segment', from: 4.52, to: 5.48, rows: [4.52, 5, 5.48] },
    { name: 'from a key frame on', from: 5, to: 8.4, rows: [5, 6, 8, 8.4] },
    { name: 'to a key frame', from: 4.2, to: 7, rows: [4.2, 5, 6, 7] },
  ])(
    '$name has those pictures, and nothing else',
    async ({ name, from, to, rows }) => {
      const made = await bench.clip({ range: between(from, to), exact: 'frame' })
      const view = await bench.loaded()
      const starts: number[] = []
      for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
        starts.push(view.segment(sequence)!.startTicks / 90_000 - bench.recording.startSeconds)
      }
      for (const start of rows.slice(0, -1)) expect(starts.some((each) => Math.abs(each - start) < 0.001)).toBe(true)
      expect(starts[0]).toBeCloseTo(rows[0]!, 3)
      expect(made.durationMs).toBeCloseTo((rows.at(-1)! - rows[0]!) * 1_000, 1)
      const count = Math.round((rows.at(-1)! - rows[0]!) * 25)
      for (const [index, rendition] of ['video-1', 'video-2'].entries()) {
        const file = `${name} ${rendition}`
        const path = await downloaded(file, [rendition])
        expect(frames(path, 'v', '-autorotate', '0')).toHaveLength(count)
        expect(psnr(file, index + 1, Math.round(rows[0]! * 25), count)).toBeGreaterThan(35)
      }
      const { streams, packets } = probe(await downloaded(`${name} both`, ['video-1', 'audio-1']))
      expect(streams.map(({ codec_type }) => codec_type)).toEqual(['video', 'audio'])
      expect(Math.abs(Number(streams[1]!.duration) - count / 25)).toBeLessThan(0.045)
      const shown = packets.filter(({ stream_index }) => stream_index === 0).map(({ pts }) => pts)
      expect(shown.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, at) => at * 3_600))
    },
    60_000,
  )

  it('says where it was encoded anew, and keeps the middle as it was', async () => {
    await bench.clip({ range: between(5.3, 17.72), exact: 'frame' })
    const view = await bench.loaded()
    expect(view.renditions.map(({ tracks }) => tracks.map(({ track }) => track))).toEqual([[4, 1], [5, 2], [3]])
    const stretches: number[] = []
    for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
      stretches.push(view.segment(sequence)!.discontinuitySequence)
    }
    expect(stretches).toEqual([0, 1, 1, 1, 1, 1, 1, 2])
    const middle = await bench.segment(view, 0, view.firstSequence + 2)
    const original = [...bench.recording.bytes]
      .filter(([key]) => key.startsWith('0/'))
      .map(([, bytes]) => Buffer.from(bytes))
    expect(original.some((bytes) => bytes.equals(middle!))).toBe(true)
  }, 60_000)
})
