import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import { ffmpeg } from '../../support/ffmpeg.ts'
import { memoryFile } from '../../support/source-files.ts'

const { signal } = new AbortController()
const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'dinf', 'edts', 'mvex', 'moof', 'traf', 'mfra'])
/** What one broken file may take; it takes a few milliseconds where the machine has nothing else to do. */
const BOUND_MS = 1_000
const RUNS = 250

let folder: string
let plain: Buffer
let fragmented: Buffer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-broken-'))
  const [first, second] = [join(folder, 'plain.mp4'), join(folder, 'fragmented.mp4')]
  const inputs = ['-f', 'lavfi', '-i', 'testsrc2=size=64x64:rate=25:duration=1', '-f', 'lavfi', '-i', 'sine=duration=1']
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '10', '-c:a', 'aac']
  const fragments = ['-movflags', 'frag_keyframe+delay_moov']
  await ffmpeg(...inputs, ...codecs, '-movflags', 'faststart', first, ...codecs, ...fragments, second)
  plain = readFileSync(first)
  fragmented = readFileSync(second)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** Opens a file and reads all of it; what is refused is refused in words. Gives the code of the refusal. */
async function readAll(bytes: Uint8Array): Promise<string> {
  const startMs = performance.now()
  try {
    const { view, read } = await opened(bytes)
    for (const { index } of view.renditions) {
      for (let sequence = 0; sequence < view.endSequence; sequence++) {
        const said = view.renditionSegment(index, sequence)
        const fragments = await read(index, sequence)
        expect(fragments?.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(said?.sizeBytes)
      }
    }
    return 'read'
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    expect(['FORMAT_INVALID', 'MEDIA_UNSUPPORTED']).toContain(error.code)
    expect(error.message).toContain('"broken.mp4"')
    return error.code
  } finally {
    expect(performance.now() - startMs).toBeLessThan(BOUND_MS)
  }
}

async function opened(bytes: Uint8Array) {
  const presentation = await openFilePresentation('id', [memoryFile('broken.mp4', bytes)], signal)
  const read = (index: number, sequence: number) => presentation.read(index, sequence, signal)
  return { view: presentation.view, read }
}

type Place = { readonly path: string; readonly start: number; readonly size: number }

/** Every box that stands in the file, or in one that holds others. */
function boxesOf(bytes: Buffer, from = 0, to = bytes.byteLength, parent = ''): Place[] {
  const places: Place[] = []
  for (let at = from; at + 8 <= to; ) {
    const size = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const path = parent === '' ? type : `${parent}/${type}`
    places.push({ path, start: at, size })
    if (CONTAINERS.has(type)) places.push(...boxesOf(bytes, at + 8, at + size, path))
    at += size
  }
  return places
}

/** A copy in which the 32-bit words from `offset` on in the body of a box are others. */
function patched(bytes: Buffer, path: string, offset: number, ...words: readonly number[]): Uint8Array {
  return patchedAt(
    bytes,
    boxesOf(bytes).find((box) => box.path === path),
    offset,
    words,
  )
}

function patchedAt(bytes: Buffer, place: Place | undefined, offset: number, words: readonly number[]): Uint8Array {
  if (place === undefined) throw new Error('no such box')
  const copy = Buffer.from(bytes)
  for (const [index, word] of words.entries()) copy.writeUInt32BE(word >>> 0, place.start + 8 + offset + index * 4)
  return new Uint8Array(copy)
}

const STBL = 'moov/trak/mdia/minf/stbl'

describe('a file with samples that last no time', () => {
  /** Of its sound: all frames but so many are as they were. */
  const lasting = async (none: number) => {
    const sound = boxesOf(plain).findLast(({ path }) => path === `${STBL}/stts`)
    const frames = boxesOf(plain).findLast(({ path }) => path === `${STBL}/stsz`)
    const count = plain.readUInt32BE((frames?.start ?? 0) + 16)
    const { view } = await opened(patchedAt(plain, sound, 4, [2, count - none, 1_024, none, 0]))
    return view.header.hasEqualDecodeTimes
  }

  it('says that some are decoded at the same time, but for the last, which has none behind it', async () => {
    expect((await opened(new Uint8Array(plain))).view.header.hasEqualDecodeTimes).toBeUndefined()
    expect(await lasting(1)).toBeUndefined()
    expect(await lasting(2)).toBe(true)
  })
})

describe('a broken file', () => {
  it('that ends at any border of a box, or in its header, is refused', async () => {
    for (const bytes of [plain, fragmented]) {
      const first = bytes.indexOf('mdat') + 4
      for (const { start, size, path } of boxesOf(bytes)) {
        for (const end of [start, start + 4, start + 8, start + size - 1]) {
          if (end >= bytes.byteLength) continue
          const outcome = await readAll(new Uint8Array(bytes.subarray(0, end)))
          // A recording that broke off is played as far as its fragments go.
          if (bytes === plain || end < first) expect(`${path} ${end} ${outcome}`).toMatch(/FORMAT_INVALID|MEDIA_UNS/)
        }
      }
    }
  })

  it('that is a fragmented one and breaks off is played up to its last whole fragment', async () => {
    const whole = (await opened(new Uint8Array(fragmented))).view
    const last = boxesOf(fragmented)
      .filter(({ path }) => path === 'moof')
      .at(-1)
    const cut = (await opened(new Uint8Array(fragmented.subarray(0, (last?.start ?? 0) + 300)))).view
    const end = ({ renditionSegment }: typeof cut, view: typeof cut) => renditionSegment.call(view, 0, 0)?.durationTicks
    expect(cut.endSequence).toBe(1)
    expect(end(cut, cut)).toBeLessThan(end(whole, whole) ?? 0)
  })

  it('with any few bytes of its headers changed is read or refused, in bounded time', async () => {
    for (const bytes of [plain, fragmented]) {
      const headers = boxesOf(bytes).filter(({ path }) => /^(ftyp|moov|moof|sidx|mfra)$/.test(path))
      const spots = headers.flatMap(({ start, size }) => Array.from({ length: size }, (_, i) => start + i))
      const change = fc.tuple(
        fc.nat(spots.length - 1),
        fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
        fc.constantFrom(1, 2, 4),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          const copy = new Uint8Array(bytes)
          for (const [spot, value, count] of changes) copy.fill(value, spots[spot] ?? 0, (spots[spot] ?? 0) + count)
          await readAll(copy)
        }),
        { numRuns: RUNS },
      )
    }
  })

  it('that claims more than it has is refused before memory is claimed for it', async () => {
    const claims: Readonly<Record<string, Uint8Array>> = {
      'samples of one size': patched(plain, `${STBL}/stsz`, 4, 1, 0xffff_ffff),
      'samples of their own size': patched(plain, `${STBL}/stsz`, 4, 0, 0xffff_ffff),
      'sample sizes': patched(plain, `${STBL}/stsz`, 12, 0x7fff_ffff),
      chunks: patched(plain, `${STBL}/stco`, 4, 0xffff_ffff),
      'chunk runs': patched(plain, `${STBL}/stsc`, 4, 0xffff_ffff),
      'samples in a chunk': patched(plain, `${STBL}/stsc`, 12, 0),
      durations: patched(plain, `${STBL}/stts`, 4, 0xffff_ffff),
      'a duration': patched(plain, `${STBL}/stts`, 8, 25, 0xffff_ffff),
      'composition offsets': patched(plain, `${STBL}/ctts`, 4, 0xffff_ffff),
      'a composition offset': patched(plain, `${STBL}/ctts`, 12, 0x7fff_ffff),
      'sync samples': patched(plain, `${STBL}/stss`, 4, 0xffff_ffff),
      'sync samples out of order': patched(plain, `${STBL}/stss`, 8, 9, 3),
      'a place past the end': patched(plain, `${STBL}/stco`, 8, 0xffff_fff0),
      'no timescale': patched(plain, 'moov/trak/mdia/mdhd', 12, 0),
      'no timescale of the movie': patched(plain, 'moov/mvhd', 12, 0),
      'sample entries': patched(plain, `${STBL}/stsd`, 4, 0xffff_ffff),
      edits: patched(plain, 'moov/trak/edts/elst', 4, 0xffff_ffff),
      'an edit past the end': patched(plain, 'moov/trak/edts/elst', 12, 0x7fff_ffff),
      'another speed': patched(plain, 'moov/trak/edts/elst', 16, 0x20000),
      'samples of a fragment': patched(fragmented, 'moof/traf/trun', 4, 0xffff_ffff),
    }
    const before = process.memoryUsage().rss
    for (const [name, bytes] of Object.entries(claims)) {
      expect(`${name}: ${await readAll(bytes)}`).toMatch(/: (FORMAT_INVALID|MEDIA_UNSUPPORTED)$/)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6)
  })

  it('of a kilobyte that claims millions of key frames is refused before anybody looks at them', async () => {
    const count = 16_000_000
    let bytes = Buffer.from(patched(plain, `${STBL}/stsz`, 4, 1, count))
    bytes = Buffer.from(patched(bytes, `${STBL}/stts`, 4, 1, count, 1))
    bytes = Buffer.from(patched(bytes, `${STBL}/stsc`, 4, 1, 1, count))
    bytes.write('free', bytes.indexOf('stss'), 'latin1')
    await expect(opened(new Uint8Array(bytes))).rejects.toThrow(`stsz at byte 0: ${count} samples of 1 bytes`)
    expect(await readAll(new Uint8Array(bytes))).toBe('FORMAT_INVALID')
  })

  it('whose chunks overlap, so that its samples have more bytes than it, is refused', async () => {
    const place = boxesOf(plain).find(({ path }) => path === `${STBL}/stsz`)
    const copy = Buffer.from(plain)
    const at = (place?.start ?? 0) + 20
    // Each sample as long as half the file, all of them at its beginning.
    for (let i = 0; i < 25; i++) copy.writeUInt32BE(plain.byteLength >> 1, at + i * 4)
    const chunks = boxesOf(copy).find(({ path }) => path === `${STBL}/stco`)
    for (let i = 0; i < copy.readUInt32BE((chunks?.start ?? 0) + 12); i++)
      copy.writeUInt32BE(0, (chunks?.start ?? 0) + 16 + i * 4)
    expect(await readAll(new Uint8Array(copy))).toBe('FORMAT_INVALID')
  })

  it('that is nothing of the kind is refused', async () => {
    const box = (type: string, size: number) => Buffer.concat([Buffer.from([0, 0, 0, size]), Buffer.from(type)])
    const nested = (depth: number): Buffer => {
      const inner = depth === 0 ? Buffer.alloc(0) : nested(depth - 1)
      const head = Buffer.alloc(8)
      head.writeUInt32BE(8 + inner.byteLength)
      head.write('moov', 4)
      return Buffer.concat([head, inner])
    }
    const files = {
      empty: Buffer.alloc(0),
      zeros: Buffer.alloc(4_096),
      text: Buffer.from('<!doctype html><html><body>not found</body></html>'),
      boxes: Buffer.concat(new Array(100_000).fill(box('free', 8))),
      'an empty movie': box('moov', 8),
      'movies in movies': nested(2_000),
      'no movie': plain.subarray(0, 32),
    }
    for (const [name, bytes] of Object.entries(files)) {
      expect(`${name}: ${await readAll(new Uint8Array(bytes))}`).toBe(`${name}: FORMAT_INVALID`)
    }
  })

  it('names the box and the place', async () => {
    const opening = opened(patched(plain, `${STBL}/stco`, 4, 0xffff_ffff))
    await expect(opening).rejects.toMatchObject({
      code: 'FORMAT_INVALID',
      message: expect.stringContaining('"broken.mp4": moov/trak/mdia/minf/stbl/stco at byte'),
      details: { file: 'broken.mp4', path: 'moov/trak/mdia/minf/stbl/stco' },
    })
  })
})
