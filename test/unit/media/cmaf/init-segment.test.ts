import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { buildInitSegment, type InitTrack } from '../../../../src/media/cmaf/init-segment.ts'
import { readBoxTree } from '../../../../src/media/isobmff/boxes.ts'
import { FragmentedMp4Reader, type ReadTrack } from '../../../../src/media/isobmff/fragmented-reader.ts'
import { timescaleOf } from '../../../../src/media/media.ts'
import { aac, av1, avc, everyCodec, flac, mp3 } from './codec-configs.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

function readTracks(bytes: Uint8Array): readonly ReadTrack[] {
  const [event] = new FragmentedMp4Reader().push(bytes)
  return event?.type === 'init' ? event.tracks : []
}

const MATRIX = '00010000 00000000 00000000 00000000 00010000 00000000 00000000 00000000 40000000'

describe('golden bytes', () => {
  it('of AAC', () => {
    const bytes = buildInitSegment([{ trackId: 2, config: aac, language: 'de-CH' }])
    expect(bytes).toEqual(
      hex(`
        00000018 66747970 69736f36 00000000 69736f36 636d6663
        00000252 6d6f6f76
          0000006c 6d766864 00000000 00000000 00000000 0000bb80 00000000 00010000 0100 0000 00000000 00000000
            ${MATRIX} 00000000 00000000 00000000 00000000 00000000 00000000 00000003
          000001b6 7472616b
            0000005c 746b6864 00000007 00000000 00000000 00000002 00000000 00000000 00000000 00000000
              0000 0000 0100 0000 ${MATRIX} 00000000 00000000
            00000152 6d646961
              00000020 6d646864 00000000 00000000 00000000 0000bb80 00000000 10b5 0000
              00000026 68646c72 00000000 00000000 736f756e 00000000 00000000 00000000 417564696f00
              00000012 656c6e67 00000000 64652d434800
              000000f2 6d696e66
                00000010 736d6864 00000000 00000000
                00000024 64696e66 0000001c 64726566 00000000 00000001 0000000c 75726c20 00000001
                000000b6 7374626c
                  0000006a 73747364 00000000 00000001
                    0000005a 6d703461 00000000 0000 0001 00000000 00000000 0002 0010 0000 0000 bb800000
                      00000036 65736473 00000000
                        03 80808025 0000 00
                        04 80808017 40 15 000000 00000000 00000000
                        05 80808005 119056e500
                        06 80808001 02
                  00000010 73747473 00000000 00000000
                  00000010 73747363 00000000 00000000
                  00000014 7374737a 00000000 00000000 00000000
                  00000010 7374636f 00000000 00000000
          00000028 6d766578 00000020 74726578 00000000 00000002 00000001 00000000 00000000 00000000`),
    )
  })

  it('of the sample entry of H.264', () => {
    const bytes = Buffer.from(buildInitSegment([{ trackId: 1, config: avc }]))
    const start = bytes.indexOf('avc1') - 4
    const fixed = hex(`
      0000009b 61766331 00000000 0000 0001 0000 0000 00000000 00000000 00000000 0080 0060 00480000 00480000 00000000 0001
      0000000000000000000000000000000000000000000000000000000000000000 0018 ffff
      00000035 61766343`)
    expect(new Uint8Array(bytes.subarray(start, start + fixed.byteLength))).toEqual(fixed)
    expect(new Uint8Array(bytes.subarray(start + 0x8b, start + 0x9b))).toEqual(
      hex('00000010 70617370 00000001 00000001'),
    )
  })
})

describe('round trip', () => {
  it.each(everyCodec.map((config) => [config.codec, config] as const))('%s', (_, config) => {
    const bytes = buildInitSegment([{ trackId: 1, config, language: 'en' }])
    expect(readTracks(bytes)).toEqual([{ trackId: 1, timescale: timescaleOf(config), language: 'en', config }])
  })

  it('of several tracks', () => {
    const tracks: InitTrack[] = [
      { trackId: 1, config: avc },
      { trackId: 7, config: aac, language: 'gsw' },
      { trackId: 3, config: mp3, language: 'pt-BR' },
    ]
    const bytes = buildInitSegment(tracks)
    expect(readTracks(bytes)).toEqual(tracks.map((track) => ({ ...track, timescale: timescaleOf(track.config) })))
    expect(Buffer.from(bytes).includes('cmfc')).toBe(false)
  })

  it.each(['en', 'eng', 'und', 'de-CH', 'zh-Hant-TW', 'gsw', 'x-private'])('of language %s', (language) => {
    const read = readTracks(buildInitSegment([{ trackId: 1, config: aac, language }]))[0]?.language
    expect(read).toBe(language === 'und' ? undefined : language)
  })

  it('of a sample rate past 65,535 Hz, which only the record can hold', () => {
    // STREAMINFO of 96 kHz: 20 bits 0x17700.
    const record = flac.record.slice()
    record.set([0x17, 0x70, 0x02], 18)
    const config = { ...flac, record, sampleRate: 96_000 }
    expect(readTracks(buildInitSegment([{ trackId: 1, config }]))[0]).toEqual({ trackId: 1, timescale: 96_000, config })
  })
})

it('is the same for the same tracks, without an edit list, with the brand of AV1', () => {
  const tracks = [{ trackId: 1, config: av1 }]
  const bytes = buildInitSegment(tracks)
  expect(buildInitSegment(tracks)).toEqual(bytes)
  const trak = readBoxTree(bytes, '')[1]?.children.find((box) => box.type === 'trak')
  expect(trak?.children.map((box) => box.type)).toEqual(['tkhd', 'mdia'])
  expect(Buffer.from(bytes.subarray(8, 28)).toString('latin1')).toBe('iso6\0\0\0\0iso6cmfcav01')
})

it('refuses no tracks, and a language that is none', () => {
  expect(() => buildInitSegment([])).toThrow(AppError)
  expect(() => buildInitSegment([{ trackId: 1, config: aac, language: 'e\0n' }])).toThrow(FormatError)
})

it('truncated or flipped is a FormatError or nothing worse than another configuration', () => {
  for (const config of everyCodec) {
    const bytes = buildInitSegment([{ trackId: 1, config }])
    for (let size = 0; size < bytes.byteLength; size++) {
      expect(new FragmentedMp4Reader().push(bytes.subarray(0, size))).toEqual([])
    }
    for (let at = 0; at < bytes.byteLength; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const flipped = bytes.slice()
        flipped[at] = (flipped[at] ?? 0) ^ flip
        try {
          new FragmentedMp4Reader({ maxBoxBytes: 65_536 }).push(flipped)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }
    }
  }
})
