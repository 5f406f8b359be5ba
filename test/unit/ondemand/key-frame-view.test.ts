import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { MediaPlaylist } from '../../../src/manifest/hls-media.ts'
import { type FilePresentation, openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import { childUris } from '../../../src/origin/child-urls.ts'
import { FilteredView } from '../../../src/presentation/filtered-view.ts'
import { TextedView } from '../../../src/presentation/texted-view.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { ffmpeg } from '../../support/ffmpeg.ts'
import { probe } from '../../support/progressive-opinion.ts'
import { readIntoMemory } from '../../support/source-files.ts'

const { signal } = new AbortController()
/** Key frames of the file, in seconds: more than segments of four seconds begin with. */
const KEYS = [0, 1, 2.2, 4, 5, 7.52]
let folder: string
const path = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'key-frames-'))
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25:duration=8']
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '999', '-sc_threshold', '0']
  await ffmpeg(
    ...[...pictures, '-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=8'],
    ...['-map', '0:v', '-map', '1:a', ...x264, '-force_key_frames', KEYS.join(), '-c:a', 'aac', path('many.mp4')],
    ...['-map', '0:v', ...x264, '-force_key_frames', '0,4', path('few.mp4')],
    ...['-map', '0:v', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '1', '-t', '1', path('all.mp4')],
  )
}, 30_000)

afterAll(() => rmSync(folder, { recursive: true }))

function open(name: string): Promise<FilePresentation> {
  return openFilePresentation('asset-1', [readIntoMemory(path(name))], signal, { segmentDurationMs: 4_000 })
}

function playlistOf(view: PresentationView): string {
  const [rendition] = view.renditions
  if (!rendition) throw new Error('no rendition')
  return new MediaPlaylist(view, rendition, childUris('child', 'digest'), { lists: 'key-frames-apart' }).toString()
}

describe('key frames of a file', () => {
  it('are segments of their own, each as it is in the file, and a picture by itself', async () => {
    const presentation = await open('many.mp4')
    const view = presentation.view.keyFrames?.(0)
    if (!view) throw new Error('no key frames')
    expect(presentation.view.keyFrames?.(1)).toBeUndefined()
    const [rendition] = view.renditions
    expect(rendition).toMatchObject({ index: 2, name: 'video-1', kind: 'video' })
    const { packets } = probe(path('many.mp4'))
    const keys = packets.filter(({ stream_index, flags }) => stream_index === 0 && flags.startsWith('K'))
    expect(keys).toHaveLength(KEYS.length)
    expect([view.firstSequence, view.endSequence]).toEqual([0, KEYS.length])
    const init = view.track(1)?.init ?? new Uint8Array()
    for (const [sequence, seconds] of KEYS.entries()) {
      const said = view.renditionSegment(2, sequence)
      // Everything is a whole second later, so that no decode time is below 0.
      expect((said?.startTicks ?? 0) / 12_800).toBeCloseTo(seconds + 1, 9)
      expect((said?.durationTicks ?? 0) / 12_800).toBeCloseTo((KEYS[sequence + 1] ?? 8) - seconds, 9)
      expect(view.findSegment(2, said?.startTicks ?? 0)).toEqual(said)
      const [bytes = new Uint8Array()] = (await presentation.read(2, sequence, signal)) ?? []
      expect(bytes.byteLength).toBe(said?.sizeBytes)
      if (sequence % 3 !== 2) continue
      const piece = path(`piece-${sequence}.mp4`)
      writeFileSync(piece, concatBytes([init, bytes]))
      const { packets: own } = probe(piece)
      expect(own.map(({ data_hash, flags }) => [data_hash, flags[0]])).toEqual([[keys[sequence]?.data_hash, 'K']])
      expect(own[0]?.pts).toBe(said?.startTicks)
    }
    expect(await presentation.read(2, KEYS.length, signal)).toBeUndefined()
    expect(view.findSegment(2, 12_801)).toBeUndefined()
  })

  it('are listed one by one, and of a part of the file those of its segments', async () => {
    const { view } = await open('many.mp4')
    const all = playlistOf(view.keyFrames?.(0) as PresentationView)
    expect(all).toContain('#EXT-X-TARGETDURATION:4\n')
    expect(all).toContain('#EXT-X-I-FRAMES-ONLY\n')
    expect(all).not.toContain('BYTERANGE')
    const addresses = KEYS.map((seconds) => `video-1/${Math.round((seconds + 1) * 12_800)}.key.m4s`)
    expect(all.match(/^video-1\/\d.*/gm)).toEqual(addresses)
    const durations = [...all.matchAll(/#EXTINF:([\d.]+)/g)].map(([, seconds]) => Number(seconds))
    expect(durations).toEqual([1, 1.2, 1.8, 1, 2.52, 0.48])
    const part = new FilteredView(new TextedView(view, []), { filters: [], startMs: 5_500 })
    const some = part.keyFrames(0) as PresentationView
    expect(playlistOf(some).match(/^video-1\/\d.*/gm)).toEqual(addresses.slice(3))
    expect(some).toBe(part.keyFrames(0))
  })

  it('are not apart where segments begin with all there are', async () => {
    const { view } = await open('few.mp4')
    expect(view.endSequence).toBe(2)
    expect(view.keyFrames?.(0)).toBeUndefined()
  })

  it('are all pictures where the file says so', async () => {
    const presentation = await open('all.mp4')
    const view = presentation.view.keyFrames?.(0)
    expect(view?.endSequence).toBe(25)
    const read = await Promise.all(Array.from({ length: 25 }, (_, at) => presentation.read(1, at, signal)))
    expect(read.every((fragments) => (fragments?.[0]?.byteLength ?? 0) > 100)).toBe(true)
  })
})
