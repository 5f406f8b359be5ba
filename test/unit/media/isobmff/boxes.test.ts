import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { BoxWriter } from '../../../../src/media/isobmff/box-writer.ts'
import { findBox, openFullBox, readBoxes, readBoxTree, requireBox } from '../../../../src/media/isobmff/boxes.ts'
import { readFileType, writeFileType } from '../../../../src/media/isobmff/file-type.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

describe('reading boxes', () => {
  it('gives type, place and body of boxes in a row', () => {
    const bytes = hex('0000000a 66726565 aabb  00000008 736b6970  00000001 6d646174 0000000000000012 ccdd')
    expect(readBoxes(bytes, '')).toEqual([
      { type: 'free', path: 'free', start: 0, headerSize: 8, size: 10, body: hex('aabb') },
      { type: 'skip', path: 'skip', start: 10, headerSize: 8, size: 8, body: hex('') },
      { type: 'mdat', path: 'mdat', start: 18, headerSize: 16, size: 18, body: hex('ccdd') },
    ])
  })

  it('lets a box of size 0 run to the end', () => {
    expect(readBoxes(hex('00000000 6d646174 010203'), '')[0]?.body).toEqual(hex('010203'))
  })

  it('names siblings of a type by their index', () => {
    const boxes = readBoxes(hex('00000008 7472616b 00000008 66726565 00000008 7472616b'), 'moov')
    expect(boxes.map((box) => box.path)).toEqual(['moov/trak', 'moov/free', 'moov/trak[1]'])
  })

  it.each([
    ['a size smaller than its header', '00000007 66726565'],
    ['a 64-bit size smaller than its header', '00000001 66726565 000000000000000f'],
    ['a size past the end', '00000009 66726565'],
    ['a 64-bit size past the end', '00000001 66726565 0000000000000011'],
    ['a 64-bit size past 2^53', '00000001 66726565 ffffffffffffffff'],
    ['half a header', '00000008 66726565 000000'],
    ['half a 64-bit header', '00000001 66726565 00000000'],
  ])('refuses %s', (_, bytes) => {
    expect(() => readBoxes(hex(bytes), 'moov')).toThrow(FormatError)
  })

  it('refuses an absurd number of boxes and an absurd depth', () => {
    const empty = hex('00000008 66726565')
    const many = new Uint8Array(8 * 65_537)
    for (let at = 0; at < many.byteLength; at += 8) many.set(empty, at)
    expect(readBoxes(many.subarray(8), '')).toHaveLength(65_536)
    expect(() => readBoxes(many, '')).toThrow('more than 65536 boxes')
    let nested = new Uint8Array(0)
    for (let depth = 0; depth < 17; depth++) {
      const out = new BoxWriter(nested.byteLength + 8)
      const content = nested
      out.box('moov', () => out.append(content))
      nested = out.finish().slice()
    }
    expect(() => readBoxTree(nested, '')).toThrow('nested deeper than 16')
    expect(() => readBoxTree(nested.subarray(8), '')).not.toThrow()
  })

  it('reads a tree of containers', () => {
    const out = new BoxWriter()
    out.box('moov', () => {
      out.box('trak', () => out.fullBox('tkhd', 1, 7, () => out.u32(9)))
      out.box('free', () => out.u32(0))
    })
    const [moov] = readBoxTree(out.finish(), '')
    expect(moov?.children.map((box) => box.path)).toEqual(['moov/trak', 'moov/free'])
    const tkhd = requireBox(moov?.children[0]?.children ?? [], 'tkhd', 'moov/trak')
    const { version, flags, reader } = openFullBox(tkhd)
    expect([tkhd.path, version, flags, reader.u32()]).toEqual(['moov/trak/tkhd', 1, 7, 9])
    expect(findBox(moov?.children ?? [], 'mvhd')).toBeUndefined()
    expect(() => requireBox(moov?.children ?? [], 'mvhd', 'moov')).toThrow(FormatError)
  })

  it('meets random bytes with nothing but FormatError, and never a box outside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          let end = 0
          for (const box of readBoxes(bytes, '')) {
            expect(box.start).toBe(end)
            expect(box.headerSize + box.body.byteLength).toBe(box.size)
            end += box.size
          }
          expect(end).toBe(bytes.byteLength)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }),
    )
  })
})

describe('file type', () => {
  const fileType = { majorBrand: 'iso6', minorVersion: 1, compatibleBrands: ['iso6', 'cmfc'] }
  const golden = hex('00000018 66747970 69736f36 00000001 69736f36 636d6663')

  it('has golden bytes and a round trip', () => {
    const out = new BoxWriter()
    writeFileType(out, 'ftyp', fileType)
    expect(out.finish()).toEqual(golden)
    const [box] = readBoxes(concatBytes([golden]), '')
    expect(box && readFileType(box)).toEqual(fileType)
  })

  it('is refused when truncated', () => {
    for (let size = 0; size < 8; size++) {
      const body = golden.subarray(8, 8 + size)
      const box = { type: 'ftyp', path: 'ftyp', start: 0, headerSize: 8, size: 8 + size, body }
      expect(() => readFileType(box)).toThrow(FormatError)
    }
  })
})
