import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decryptSample, encryptedSamples, encryptionOf } from '../support/cenc-reader.ts'
import {
  CBCS,
  CENC,
  clearFile,
  decoded,
  IV,
  KEY,
  KID,
  PACKAGER,
  protectedFile,
  store,
} from '../support/protected-media.ts'
import { encode, encodeAudio, encodeVideo, type Media } from '../support/recording.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const small = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=2']
const large = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=25:d=2']
const tone = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000:d=2', '-ac', '2']
const x265 = (parameters: string) => [
  '-c:v',
  'libx265',
  '-x265-params',
  `log-level=none:keyint=25${parameters}`,
  '-tag:v',
  'hvc1',
]
const aom = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-g', '25']
const vpx = ['-c:v', 'libvpx-vp9', '-g', '25']

/** Every codec, with the tools that its headers tell of. */
const coded: Record<string, () => Media> = {
  'H.264': () => encodeVideo(2),
  'H.264, four slices, weighted': () => encodeVideo(2, '320x180', '-x264-params', 'slices=4:weightp=2:bframes=3'),
  'H.264, CAVLC': () => encodeVideo(2, '320x180', '-profile:v', 'baseline', '-bf', '0'),
  'H.264, interlaced': () => encodeVideo(2, '320x180', '-flags', '+ildct+ilme', '-x264-params', 'tff=1:interlaced=1'),
  'H.264, 4:4:4': () => encodeVideo(2, '320x180', '-pix_fmt', 'yuv444p', '-x264-params', 'weightp=2'),
  HEVC: () => encode(...small, ...x265(''), '-preset', 'fast'),
  'HEVC, three slices, weighted, wavefronts': () => encode(...large, ...x265(':slices=3:weightb=1:bframes=4:wpp=1')),
  'HEVC, 10 bits, no offsets': () => encode(...small, '-pix_fmt', 'yuv420p10le', ...x265(':no-sao=1')),
  VP9: () => encode(...small, ...vpx, '-deadline', 'realtime', '-cpu-used', '8'),
  'VP9, hidden frames, tiles': () =>
    encode(...large, ...vpx, '-deadline', 'good', '-cpu-used', '5', '-lag-in-frames', '16', '-auto-alt-ref', '1'),
  AV1: () => encode(...small, ...aom),
  'AV1, tiles, look-ahead': () => encode(...large, ...aom, '-tiles', '2x2', '-lag-in-frames', '19'),
  'AV1, film grain': () => encode(...large, ...aom, '-aom-params', 'film-grain-test=1'),
  'AV1, another encoder': () => encode(...large, '-c:v', 'libsvtav1', '-preset', '10', '-g', '25'),
  AAC: () => encodeAudio(2),
  'AC-3': () => encode(...tone, '-c:a', 'ac3', '-b:a', '192k'),
  'E-AC-3': () => encode(...tone, '-c:a', 'eac3', '-b:a', '192k'),
}

describe('what is encrypted here', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'headend-protection-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const packager = (input: Uint8Array, kind: string, ...more: readonly string[]): Buffer => {
    const [from, to] = [join(folder, 'in.mp4'), join(folder, 'out.mp4')]
    writeFileSync(from, input)
    execFileSync(PACKAGER, [`in=${from},stream=${kind},output=${to}`, ...more], { stdio: 'pipe' })
    return readFileSync(to)
  }

  it.each(Object.entries(coded))('ffmpeg and shaka-packager decrypt, and encrypt alike: %s', async (_, make) => {
    const stored = store(make(), 1_000)
    const { kind } = stored.track.config
    const clear = clearFile(stored)
    const frames = await decoded(clear)
    expect(frames.length).toBeGreaterThanOrEqual(50)
    const plain = encryptedSamples(Buffer.from(clear), 0).map(({ data }) => hex(data))
    for (const protection of [CENC, CBCS]) {
      const { scheme } = protection
      const file = Buffer.from(protectedFile(stored, protection))
      expect(await decoded(file, KEY)).toEqual(frames)
      expect(await decoded(file, KID)).not.toEqual(frames)

      const keys = ['--keys', `label=:key_id=${hex(KID)}:key=${hex(KEY)}`]
      const back = packager(file, kind, '--enable_raw_key_decryption', ...keys)
      expect(encryptedSamples(back, 0).map(({ data }) => hex(data))).toEqual(plain)

      const withIv = ['--keys', `${keys[1]}${scheme === 'cbcs' ? `:iv=${hex(IV)}` : ''}`]
      const how = ['--enable_raw_key_encryption', '--clear_lead', '0', '--protection_scheme', scheme]
      const theirs = packager(clear, kind, ...how, ...withIv)
      const [mine, other] = [encryptionOf(file)!, encryptionOf(theirs)!]
      expect(mine).toEqual(other)
      const [ours, others] = [encryptedSamples(file, mine.ivSize), encryptedSamples(theirs, other.ivSize)]
      expect(ours.map(({ subsamples }) => subsamples)).toEqual(others.map(({ subsamples }) => subsamples))
      if (scheme === 'cbcs') expect(ours.map(({ data }) => hex(data))).toEqual(others.map(({ data }) => hex(data)))
      expect(others.map((sample) => hex(decryptSample(sample, KEY, other)))).toEqual(plain)
    }
  })

  it.each(['cens', 'cbc1'])('%s of another packager is read', (scheme) => {
    const stored = store(encodeVideo(1, '320x180', '-x264-params', 'slices=3'))
    const keys = `label=:key_id=${hex(KID)}:key=${hex(KEY)}`
    const how = ['--enable_raw_key_encryption', '--clear_lead', '0', '--protection_scheme', scheme, '--keys', keys]
    const theirs = packager(clearFile(stored), 'video', ...how)
    const found = encryptionOf(theirs)!
    expect(found.scheme).toBe(scheme)
    const plain = encryptedSamples(Buffer.from(clearFile(stored)), 0).map(({ data }) => hex(data))
    const samples = encryptedSamples(theirs, found.ivSize)
    expect(samples.map((sample) => hex(decryptSample(sample, KEY, found)))).toEqual(plain)
  })
})
