import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { ac3Config, parseAc3Header } from '../../../../src/media/codecs/ac3.ts'
import { eac3Config, parseEac3Header } from '../../../../src/media/codecs/eac3.ts'
import { frameSamples } from '../../../../src/media/codecs/frame-samples.ts'
import { encode, probe, tone } from '../../../support/flv-encoded.ts'

describe('AC-3', () => {
  it.each([
    [48_000, 2, '192k'],
    [44_100, 2, '192k'],
    [32_000, 1, '64k'],
    [48_000, 6, '448k'],
  ])('%i Hz, %i channels, %s: the record is the dac3 that ffmpeg writes', (rate, channels, bitrate) => {
    const { file, tracks } = encode([...tone(rate, channels), '-c:a', 'ac3', '-b:a', bitrate])
    const [track] = tracks
    const config = ac3Config(track!.samples[0]!.data)
    const opinion = probe(file)
    expect([String(config.sampleRate), config.channels]).toEqual([opinion['sample_rate'], opinion['channels']])
    expect(Buffer.from(config.record).toString('hex')).toBe(Buffer.from(track!.record).toString('hex'))
    for (const { data, durationTicks } of track!.samples.slice(0, -1)) {
      expect(parseAc3Header(data, 'ac-3').sizeBytes).toBe(data.byteLength)
      expect(frameSamples(config, data)).toBe(durationTicks)
    }
    const joined = concatBytes(track!.samples.slice(0, 2).map((sample) => sample.data))
    expect(frameSamples(config, joined)).toBe(2 * 1536)
  })

  it('golden bytes: 3/2 with LFE', () => {
    expect(parseAc3Header(Uint8Array.of(0x0b, 0x77, 0, 0, 0x1e, 0x40, 0xe1, 0), 'ac-3')).toEqual({
      fscod: 0,
      frmsizecod: 30,
      bsid: 8,
      bsmod: 0,
      acmod: 7,
      lfe: true,
      sizeBytes: 1792,
    })
  })

  it('fails on a cut frame, a reserved rate, and E-AC-3 under its name', () => {
    const { samples } = encode([...tone(), '-c:a', 'ac3']).tracks[0]!
    const { data } = samples[0]!
    const config = ac3Config(data)
    for (let size = 1; size < data.byteLength; size += size < 10 ? 1 : 37) {
      expect(() => frameSamples(config, data.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    expect(() => ac3Config(Uint8Array.of(0x0b, 0x77, 0, 0, 0xde, 0x40, 0xe1, 0))).toThrowError(FormatError)
    expect(() => ac3Config(Uint8Array.of(0x0b, 0x77, 0, 0, 0x1e, 0x80, 0xe1, 0))).toThrowError(FormatError)
  })
})

describe('E-AC-3', () => {
  it.each([
    [48_000, 2, '192k'],
    [44_100, 1, '96k'],
    [32_000, 6, '384k'],
  ])('%i Hz, %i channels, %s agrees with the dec3 that ffmpeg writes', (rate, channels, bitrate) => {
    const { file, tracks } = encode([...tone(rate, channels), '-c:a', 'eac3', '-b:a', bitrate])
    const [track] = tracks
    const config = eac3Config(track!.samples[0]!.data)
    const opinion = probe(file)
    expect([String(config.sampleRate), config.channels]).toEqual([opinion['sample_rate'], opinion['channels']])
    // Past the data rate, which is a frame's here and a rounded one there, the records are the same.
    expect(Buffer.from(config.record.subarray(2)).toString('hex')).toBe(
      Buffer.from(track!.record.subarray(2)).toString('hex'),
    )
    const kbps = (config.record[0]! << 5) | (config.record[1]! >>> 3)
    expect(Math.abs(kbps - Number.parseInt(bitrate, 10))).toBeLessThanOrEqual(2)
    for (const { data, durationTicks } of track!.samples.slice(0, -1)) {
      expect(parseEac3Header(data, 'ec-3').sizeBytes).toBe(data.byteLength)
      expect(frameSamples(config, data)).toBe(durationTicks)
    }
  })

  /** A syncframe of 64 bytes with the given head bits. */
  function syncframe(type: number, blocks: number, acmod: number, lfe: number, rest = ''): Uint8Array {
    const bit = (value: number, count: number) => value.toString(2).padStart(count, '0')
    const head = `${bit(0x0b77, 16)}${bit(type, 2)}000${bit(31, 11)}00${bit(blocks, 2)}${bit(acmod, 3)}${lfe}${bit(16, 5)}`
    const digits = `${head}${rest}`.padEnd(512, '0')
    return Uint8Array.from({ length: 64 }, (_, index) => Number.parseInt(digits.slice(index * 8, index * 8 + 8), 2))
  }

  it('golden bytes: 7.1 as an independent and a dependent substream', () => {
    // dialnorm, no compr, a channel map with Ls, Rs and the rear pair.
    const map = '0001101000000000'
    const message = concatBytes([syncframe(0, 3, 7, 1), syncframe(1, 3, 6, 0, `00000${'0'}${'1'}${map}`)])
    const config = eac3Config(message)
    expect(config).toMatchObject({ channels: 8, sampleRate: 48_000, samplesPerFrame: 1536, codecString: 'ec-3' })
    // 128 bytes in 32 ms are 32 kbit/s; one dependent substream, chan_loc bit 1 (Lrs/Rrs).
    expect(Buffer.from(config.record).toString('hex')).toBe('0100200f0202')
    expect(frameSamples(config, message)).toBe(1536)
  })

  it('counts short frames: one, two and three blocks', () => {
    const message = concatBytes([syncframe(0, 0, 2, 0), syncframe(0, 1, 2, 0), syncframe(0, 2, 2, 0)])
    const config = eac3Config(syncframe(0, 0, 2, 0))
    expect(config.samplesPerFrame).toBe(0)
    expect(frameSamples(config, message)).toBe(256 * 6)
  })

  it('fails on a dependent substream alone, a reserved type, AC-3 under its name, and a cut frame', () => {
    expect(() => eac3Config(syncframe(1, 3, 2, 0))).toThrowError(/independent/)
    expect(() => eac3Config(syncframe(3, 3, 2, 0))).toThrowError(FormatError)
    expect(() => eac3Config(Uint8Array.of(0x0b, 0x77, 0, 0, 0x1e, 0x40, 0xe1, 0))).toThrowError(FormatError)
    for (let size = 0; size < 64; size++) {
      expect(() => eac3Config(syncframe(0, 3, 2, 0).subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
  })
})
