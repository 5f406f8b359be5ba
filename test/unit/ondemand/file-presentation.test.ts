import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import { FragmentedMp4Reader } from '../../../src/media/isobmff/fragmented-reader.ts'
import { type FilePresentation, openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import type { SourceFile } from '../../../src/ondemand/source-file.ts'
import { childUris } from '../../../src/origin/child-urls.ts'
import { frames, probe } from '../../support/progressive-opinion.ts'
import { type CountedFile, joinedRendition, memoryFile, readIntoMemory } from '../../support/source-files.ts'
import { type MediaFiles, makeMediaFiles } from './media-files.ts'

const { signal } = new AbortController()
let folder: string
let media: MediaFiles

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-files-'))
  media = await makeMediaFiles(folder)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

function open(...paths: readonly string[]): Promise<FilePresentation> {
  return openFilePresentation('asset-1', paths.map(readIntoMemory), signal)
}

type Packet = { readonly seconds: number; readonly key: boolean; readonly hash: string }

/** The packets of each stream of a file in the order of decoding, as ffprobe finds them. */
function packetsOf(path: string): Packet[][] {
  const { packets, streams } = probe(path)
  return streams.map(({ time_base }, index) => {
    const [ticks = 1, seconds = 1] = time_base.split('/').map(Number)
    return packets
      .filter(({ stream_index }) => stream_index === index)
      .map(({ pts, flags, data_hash }) => ({
        seconds: (pts * ticks) / seconds,
        key: flags.startsWith('K'),
        hash: data_hash.replace('MD5:', ''),
      }))
  })
}

/** The samples of a rendition. */
async function samplesOf(presentation: FilePresentation, index: number): Promise<Packet[]> {
  const timescale = presentation.view.renditions[index]?.tracks[0]?.timescale ?? 1
  const events = new FragmentedMp4Reader().push(await joinedRendition(presentation, index))
  return events.flatMap((event) => {
    if (event.type === 'init') return []
    const { dtsTicks, compositionTicks, independent, data } = event.sample
    return [{ seconds: (dtsTicks + compositionTicks) / timescale, key: independent, hash: hash('md5', data) }]
  })
}

/**
 * Every packet of the source is in the renditions, with the same bytes, at the same time but for whole seconds that are the same for all
 * tracks. Gives those seconds.
 */
async function expectSamePackets(path: string, presentation: FilePresentation): Promise<number> {
  const sources = packetsOf(path)
  const shifts: number[] = []
  for (const { index } of presentation.view.renditions) {
    const ours = await samplesOf(presentation, index)
    const source = sources[index] ?? []
    expect(ours.map(({ key, hash: sum }) => `${key} ${sum}`)).toEqual(
      source.map(({ key, hash: sum }) => `${key} ${sum}`),
    )
    const shift = Math.round((ours[0]?.seconds ?? 0) - (source[0]?.seconds ?? 0))
    const apart = ours.map(({ seconds }, i) => Math.abs(seconds - shift - (source[i]?.seconds ?? 0)))
    expect(Math.max(...apart)).toBeLessThan(0.001)
    shifts.push(shift)
  }
  expect(new Set(shifts).size).toBe(1)
  return shifts[0] ?? 0
}

describe('a file as a presentation', () => {
  it('has the packets of the file, cut at its key frames, and says of each segment what is read', async () => {
    const file = readIntoMemory(media.base)
    const presentation = await openFilePresentation('asset-1', [file], signal)
    const { view } = presentation
    expect(view).toMatchObject({ ended: true, archived: true, firstSequence: 0, endSequence: 2 })
    expect(view.header).toMatchObject({ id: 'asset-1', targetDurationMs: 6_000, hasWallClock: false })
    expect(view.renditions.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['video-1 video', 'audio-1 audio'])
    expect(view.segment(0)).toMatchObject({ startTicks: 90_000, durationTicks: 540_000, wallMs: 0, gap: false })
    expect(view.segment(1)).toMatchObject({ startTicks: 630_000, durationTicks: 180_000, gap: false })
    expect(view.segment(2)).toBeUndefined()
    expect(view.track(1)).toMatchObject({ timescale: 12_800, frameRate: 25, rendition: 'video-1' })
    expect(await expectSamePackets(media.base, presentation)).toBe(1)
    for (const { index, tracks } of view.renditions) {
      let bits = 0
      for (let sequence = 0; sequence < 2; sequence++) {
        const said = view.renditionSegment(index, sequence)
        const [bytes, ...others] = (await presentation.read(index, sequence, signal)) ?? []
        expect(others).toEqual([])
        expect(bytes?.byteLength).toBe(said?.sizeBytes)
        expect(said?.independent).toBe(true)
        expect(view.findSegment(index, said?.startTicks ?? 0)).toEqual(said)
        bits += (said?.sizeBytes ?? 0) * 8
      }
      expect(tracks[0]?.averageBandwidth).toBeGreaterThan(bits / 8.1)
      expect(tracks[0]?.bandwidth).toBeGreaterThanOrEqual(tracks[0]?.averageBandwidth ?? 0)
    }
    expect(await presentation.read(0, 2, signal)).toBeUndefined()
    expect(await presentation.read(7, 0, signal)).toBeUndefined()
    // Interleaved sound is read along with the pictures.
    expect(file.reads.length).toBeLessThanOrEqual(2 + 4 * 2 * 2)
  })

  it('decodes to the very pictures and sounds', async () => {
    const presentation = await open(media.base)
    const sums = (path: string, stream: string, ...args: string[]) =>
      frames(path, stream, ...args).map(({ sum }) => sum)
    const written = [0, 1].map((index) => join(folder, `rendition-${index}.mp4`))
    for (const [index, path] of written.entries()) writeFileSync(path, await joinedRendition(presentation, index))
    expect(sums(written[0] ?? '', 'v')).toEqual(sums(media.base, 'v'))
    expect(sums(written[1] ?? '', 'a')).toEqual(sums(media.base, 'a', '-ignore_editlist', '1'))
  })

  it('is the same however the file lays its samples out', async () => {
    const base = await open(media.base)
    const expected = [await samplesOf(base, 0), await samplesOf(base, 1)]
    for (const name of ['front', 'signed', 'fragments', 'quicktime'] as const) {
      const presentation = await open(media[name])
      expect([await samplesOf(presentation, 0), await samplesOf(presentation, 1)]).toEqual(expected)
      expect(presentation.view.endSequence).toBe(2)
    }
  })

  it('takes times as they are where there is no edit list', async () => {
    for (const name of ['plain', 'frames', 'indexed'] as const) {
      const presentation = await open(media[name])
      expect(await expectSamePackets(media[name], presentation)).toBe(0)
      expect(presentation.view.segment(0)?.startTicks).toBe(0)
    }
  })

  it('asks for fragments ahead where an index says where they are', async () => {
    const atOnce = async (path: string) => {
      const file = readIntoMemory(path)
      let [underWay, most] = [0, 0]
      const counted: SourceFile = {
        ...file,
        read: async (range, reading) => {
          most = Math.max(most, ++underWay)
          const bytes = await file.read(range, reading)
          // As long as others need to ask, too.
          for (let i = 0; i < 20; i++) await undefined
          underWay--
          return bytes
        },
      }
      await openFilePresentation('id', [counted], signal)
      return most
    }
    expect(await atOnce(media.indexed)).toBeGreaterThan(2)
    expect(await atOnce(media.frames)).toBe(1)
  })

  it('reads 64-bit offsets', async () => {
    const front = new Uint8Array(readFileSync(media.base))
    const patched = widened(front)
    const presentation = await openFilePresentation('asset-1', [memoryFile('wide.mp4', patched)], signal)
    const plain = await open(media.base)
    for (const index of [0, 1]) {
      const [ours, theirs] = [await joinedRendition(presentation, index), await joinedRendition(plain, index)]
      expect(Buffer.compare(ours, theirs)).toBe(0)
    }
  })

  it('says how pictures are turned and stretched', async () => {
    const turned = readFileSync(media.base)
    const matrix = [0, 0x10000, 0, -0x10000, 0, 0, 90 << 16, 0, 0x40000000]
    const inHeader = turned.indexOf('tkhd') + 4 + 40
    for (const [i, element] of matrix.entries()) turned.writeInt32BE(element, inHeader + i * 4)
    const pixels = turned.indexOf('pasp') + 4
    turned.writeUInt32BE(4, pixels)
    turned.writeUInt32BE(3, pixels + 4)
    const file = memoryFile('turned.mp4', new Uint8Array(turned))
    const { view } = await openFilePresentation('id', [file], signal)
    const init = Buffer.from(view.track(1)?.init ?? [])
    const header = init.indexOf('tkhd') + 4 + 40
    expect(matrix.map((_, i) => init.readInt32BE(header + i * 4))).toEqual(matrix)
    expect(init.readUInt32BE(header + 36) / 0x10000).toBe(Math.round((160 * 4) / 3))
    const stretched = init.indexOf('pasp') + 4
    expect([init.readUInt32BE(stretched), init.readUInt32BE(stretched + 4)]).toEqual([4, 3])
  })

  it('keeps sound where it was, before and after the pictures', async () => {
    const late = await open(media.late)
    expect(await expectSamePackets(media.late, late)).toBe(1)
    const early = await open(media.early)
    expect(await expectSamePackets(media.early, early)).toBe(1)
    expect(early.view.segment(0)?.startTicks).toBe(90_000)
  })

  it('begins at the key frame before the edit, with the sound from there on', async () => {
    const { view } = await open(media.cut)
    const [pictures, sound] = [view.renditionSegment(0, 0), view.renditionSegment(1, 0)]
    const startSeconds = (pictures?.startTicks ?? 0) / 12_800
    expect(view.segment(0)?.startTicks).toBe(startSeconds * 90_000)
    const soundLead = startSeconds - (sound?.startTicks ?? 0) / 48_000
    expect(soundLead).toBeGreaterThanOrEqual(0)
    expect(soundLead).toBeLessThan(0.15)
  })

  it('streams each codec that ffmpeg writes', async () => {
    const codecs: string[] = []
    for (const name of ['hevc', 'vp9', 'av1', 'sounds'] as const) {
      const presentation = await open(media[name])
      await expectSamePackets(media[name], presentation)
      codecs.push(...presentation.view.renditions.map(({ tracks }) => tracks[0]?.config.codecString ?? ''))
    }
    expect(codecs.map((text) => text.replace(/^(hvc1|vp09|av01)\..*/, '$1'))).toEqual([
      ...['hvc1', 'ac-3', 'vp09', 'fLaC', 'av01', 'opus', 'ec-3', 'mp4a.6B'],
    ])
  })

  it('lists languages, and tracks that it does not stream', async () => {
    const { view, unstreamed } = await open(media.languages)
    expect(view.renditions.map(({ tracks }) => tracks[0]?.language)).toEqual([undefined, 'en', 'de'])
    const bitrates = view.renditions.slice(1).map(({ tracks }) => tracks[0]?.nominalBitrate)
    expect(new Set(bitrates).size).toBe(2)
    expect(unstreamed).toMatchObject([{ fileName: 'languages.mp4', handler: 'sbtl', entry: 'tx3g' }])
  })

  it('cuts where there is no key frame rather than never, and says so', async () => {
    const options = { segmentDurationMs: 1_000 }
    const presentation = await openFilePresentation('id', [readIntoMemory(media.oneKey)], signal, options)
    const { view } = presentation
    expect(view.endSequence).toBe(8)
    const independent = Array.from({ length: 8 }, (_, sequence) => view.renditionSegment(0, sequence)?.independent)
    expect(independent).toEqual([true, ...new Array(7).fill(false)])
    await expectSamePackets(media.oneKey, presentation)
  })

  it('has one identity for the same bytes, and another for others', async () => {
    const epochOf = async (file: CountedFile) => (await openFilePresentation('id', [file], signal)).view.header.epoch
    const [first, again] = [await epochOf(readIntoMemory(media.base)), await epochOf(readIntoMemory(media.base))]
    expect(again).toBe(first)
    const bytes = new Uint8Array(readFileSync(media.base))
    expect(await epochOf(memoryFile('other.mp4', bytes))).not.toBe(first)
    const longer = new Uint8Array([...bytes, 0, 0, 0, 8, ...Buffer.from('free')])
    expect(await epochOf(memoryFile('base.mp4', longer))).not.toBe(first)
  })
})

describe('manifests of a file', () => {
  it('are on-demand, and say nothing of a wall clock that nobody knows', async () => {
    const { view } = await open(media.base)
    const [pictures] = view.renditions
    if (!pictures) throw new Error('no rendition')
    const playlist = buildMediaPlaylist(view, pictures, childUris('child', 'digest'))
    expect(playlist).toContain('#EXT-X-PLAYLIST-TYPE:VOD')
    expect(playlist).toContain('#EXT-X-ENDLIST')
    expect(playlist).not.toContain('PROGRAM-DATE-TIME')
    expect(playlist.match(/#EXTINF:[\d.]+/g)).toEqual(['#EXTINF:6.000000', '#EXTINF:2.000000'])
    const mpd = buildMpd(view, childUris('alias', 'digest'))
    expect(mpd).toContain('type="static"')
    expect(mpd).toContain('mediaPresentationDuration="PT8S"')
    // What is presented at 1 s in the segments is at 0 for players: sound's priming lies before.
    expect(mpd).toContain('presentationTimeOffset="12800"')
    expect(mpd).toContain('presentationTimeOffset="48000"')
  })
})

describe('a set of files', () => {
  it('is one presentation whose renditions are cut alike, its sound taken once', async () => {
    const { view } = await open(media.base, media.half)
    expect(view.renditions.map(({ name }) => name)).toEqual(['video-1', 'video-2', 'audio-1'])
    expect(view.endSequence).toBe(2)
    for (let sequence = 0; sequence < 2; sequence++) {
      const seconds = [0, 1].map((index) => {
        const timescale = view.renditions[index]?.tracks[0]?.timescale ?? 1
        return (view.renditionSegment(index, sequence)?.startTicks ?? 0) / timescale
      })
      expect(seconds[1]).toBeCloseTo(seconds[0] ?? 0, 3)
    }
  })

  it('refuses renditions whose key frames differ, and names where', async () => {
    const options = { segmentDurationMs: 2_000 }
    const opening = openFilePresentation('id', [media.base, media.otherKeys].map(readIntoMemory), signal, options)
    await expect(opening).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringContaining('"base.mp4" and "otherKeys.mp4" differ: at 2.000 s'),
      details: { files: ['base.mp4', 'otherKeys.mp4'], seconds: 2 },
    })
  })

  it('refuses renditions of different lengths', async () => {
    await expect(open(media.base, media.short)).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringContaining('"base.mp4" lasts 8.000 s and "short.mp4" 1.520 s'),
    })
  })
})

/** The same file with `co64` for `stco`, which makes the `moov`, at its end, longer. */
function widened(bytes: Uint8Array): Uint8Array {
  const source = Buffer.from(bytes)
  const rewrite = (from: number, to: number): Buffer => {
    const pieces: Buffer[] = []
    for (let at = from; at < to; ) {
      const size = source.readUInt32BE(at)
      const type = source.toString('latin1', at + 4, at + 8)
      let body: Buffer = source.subarray(at + 8, at + size)
      let name = type
      if (['moov', 'trak', 'mdia', 'minf', 'stbl'].includes(type)) body = rewrite(at + 8, at + size)
      if (type === 'stco') {
        name = 'co64'
        const wide = Buffer.alloc(8 + body.readUInt32BE(4) * 8)
        body.copy(wide, 0, 0, 8)
        for (let i = 0; i < body.readUInt32BE(4); i++) wide.writeUInt32BE(body.readUInt32BE(8 + i * 4), 12 + i * 8)
        body = wide
      }
      const head = Buffer.alloc(8)
      head.writeUInt32BE(8 + body.byteLength, 0)
      head.write(name, 4, 'latin1')
      pieces.push(head, body)
      at += size
    }
    return Buffer.concat(pieces)
  }
  return new Uint8Array(rewrite(0, source.byteLength))
}
