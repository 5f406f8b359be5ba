import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { type AmfValue, defaultAmfLimits } from '../../../../src/media/rtmp/amf.ts'
import { Amf0Reader } from '../../../../src/media/rtmp/amf0-reader.ts'
import { type AmfWritable, encodeAmf0 } from '../../../../src/media/rtmp/amf0-writer.ts'
import { nestedAmf } from '../../../support/rtmp-hostile.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))
const read = (bytes: Uint8Array, limits = defaultAmfLimits): AmfValue[] => new Amf0Reader(bytes, limits).readAll()
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** One of everything, with the bytes as the specification lays them out. */
const golden: readonly (readonly [string, string, unknown])[] = [
  ['number', '00 4059 0000 0000 0000', 100],
  ['true', '01 01', true],
  ['false', '01 00', false],
  ['string', '02 0003 61c3a9', 'aé'],
  ['object', '03 0001 61 05 0002 6262 0101 0000 09', { a: null, bb: true }],
  ['null', '05', null],
  ['undefined', '06', undefined],
  ['ECMA array with a wrong count', '08 ffffffff 0001 78 00 3ff0000000000000 000009', { x: 1 }],
  ['strict array', '0a 00000002 05 0100', [null, false]],
  ['date', '0b 4270 0000 0000 0000 0000', 2 ** 40],
  ['long string', '0c 00000002 6869', 'hi'],
  ['unsupported', '0d', undefined],
  ['XML', '0f 00000002 6869', 'hi'],
  ['typed object', '10 0003 436c73 0001 61 05 000009', { a: null }],
  ['AMF3 undefined', '11 00', undefined],
  ['AMF3 null', '11 01', null],
  ['AMF3 booleans', '11 09 05 01 02 03', [false, true]],
  ['AMF3 integer', '11 04 81 80 00', 16384],
  ['AMF3 negative integer', '11 04 ff ff ff ff', -1],
  ['AMF3 double', '11 05 4059000000000000', 100],
  ['AMF3 string', '11 06 05 6869', 'hi'],
  ['AMF3 string reference', '11 09 05 01 06 05 6869 06 00', ['hi', 'hi']],
  ['AMF3 date', '11 08 01 4270000000000000', 2 ** 40],
  ['AMF3 XML', '11 0b 05 6869', 'hi'],
  ['AMF3 array with names', '11 09 03 03 61 03 01 04 07', { a: true, 0: 7 }],
  ['AMF3 dynamic object', '11 0a 0b 01 03 61 04 07 01', { a: 7 }],
  ['AMF3 sealed object', '11 0a 23 03 43 03 61 03 62 04 01 04 02', { a: 1, b: 2 }],
  [
    'AMF3 traits and object references',
    '11 09 07 01 0a 13 01 03 61 04 05 0a 01 04 06 0a 02',
    [{ a: 5 }, { a: 6 }, { a: 5 }],
  ],
  ['AMF3 bytes', '11 0c 05 0102', Uint8Array.of(1, 2)],
  ['AMF3 int vector', '11 0d 05 00 ffffffff 00000002', [-1, 2]],
  ['AMF3 uint vector', '11 0e 03 00 ffffffff', [0xffffffff]],
  ['AMF3 double vector', '11 0f 03 00 4059000000000000', [100]],
  ['AMF3 object vector', '11 10 03 00 01 04 07', [7]],
  ['AMF3 dictionary', '11 11 03 00 06 03 61 04 07', [['a', 7]]],
  [
    'AMF3 ArrayCollection',
    `11 0a 07 43 ${Buffer.from('flex.messaging.io.ArrayCollection').toString('hex')} 09 03 01 04 07`,
    [7],
  ],
]

describe('AMF readers', () => {
  it.each(golden)('read %s', (_name, bytes, value) => {
    expect(read(hex(bytes))).toEqual([value])
  })

  it.each(golden)('refuse %s truncated at every prefix', (_name, bytes) => {
    const whole = hex(bytes)
    for (let size = 1; size < whole.length; size++) {
      expect(() => read(whole.subarray(0, size)), `prefix of ${size}`).toThrow(FormatError)
    }
  })

  it('resolve a reference to an object that is whole', () => {
    expect(read(hex('03 0001 61 05 000009 07 0000'))).toEqual([{ a: null }, { a: null }])
  })

  it.each([
    ['a reference to nothing', '07 0000'],
    ['a reference to what is being read', '03 0001 61 07 0000 000009'],
    ['an AMF3 cycle', '11 09 03 01 09 00'],
    ['a movie clip', '04'],
    ['a record set', '0e'],
    ['an unknown marker', '12'],
    ['an unknown AMF3 marker', '11 12'],
    ['an unknown external form', '11 0a 07 03 43 01'],
    ['an AMF3 string reference to nothing', '11 06 00'],
    ['an AMF3 traits reference to nothing', '11 0a 01'],
    ['an array longer than its bytes', '0a ffffffff 05 05'],
    ['an AMF3 vector longer than its bytes', '11 0d fffffffe 00 00000000'],
  ])('refuse %s', (_name, bytes) => {
    expect(() => read(hex(bytes))).toThrow(FormatError)
  })

  it.each(['objects', 'arrays', 'amf3'] as const)('refuse %s nested 10,000 deep, and take 10', (kind) => {
    expect(() => read(nestedAmf(10_000, kind))).toThrow(/deep/)
    if (kind !== 'objects') expect(read(nestedAmf(10, kind))).toHaveLength(3)
  })

  it('count a reference as all it stands for', () => {
    // Each level holds the one before it twice: 2^30 values in 100 bytes.
    const levels = ['0a 00000001 05']
    for (let i = 0; i < 30; i++) levels.push(`0a 00000002 07 ${hexU16(i)} 07 ${hexU16(i)}`)
    expect(() => read(hex(levels.join('')), { maxDepth: 1000, maxValues: 4096 })).toThrow(/values/)
    // One inside the other by references is as deep as if it were written out.
    const chain = ['0a 00000001 05']
    for (let i = 0; i < 30; i++) chain.push(`0a 00000001 07 ${hexU16(i)}`)
    expect(() => read(hex(chain.join('')), { maxDepth: 16, maxValues: 1 << 20 })).toThrow(/deep/)
  })

  it('bound the number of values', () => {
    expect(() => read(new Uint8Array(5000).fill(5))).toThrow(/values/)
    expect(read(new Uint8Array(4000).fill(5))).toHaveLength(4000)
  })

  it('keep __proto__ a key like any other', () => {
    const [value] = read(encodeAmf0(JSON.parse('{"__proto__":{"polluted":true},"constructor":1}')))
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('throw nothing but FormatError on random bytes', () => {
    const marker = fc.constantFrom(0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17)
    const almost = fc.array(fc.tuple(marker, fc.uint8Array({ maxLength: 12 }))).map((parts) => {
      return Uint8Array.from(parts.flatMap(([first, rest]) => [first, ...rest]))
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), almost), (bytes) => {
        try {
          read(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('AMF0 writer', () => {
  it('gives the golden bytes of a status', () => {
    expect(Buffer.from(encodeAmf0('onStatus', 0, null, { code: 'x', n: [1, true, undefined] })).toString('hex')).toBe(
      hexOf('02 0008 6f6e537461747573 00 0000000000000000 05 03 0004 636f6465 02 0001 78') +
        hexOf('0001 6e 0a 00000003 00 3ff0000000000000 01 01 06 000009'),
    )
  })

  it('round-trips through the reader', () => {
    const { value } = fc.letrec<{ value: AmfWritable }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.double({ noNaN: true }),
        fc.boolean(),
        fc.string(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(value, (written) => {
        expect(plain(read(encodeAmf0(written)))).toEqual(plain([written]))
      }),
    )
  })

  it('writes a string past 64 KB as a long one', () => {
    const text = 'é'.repeat(40_000)
    expect(read(encodeAmf0(text))).toEqual([text])
  })
})

function hexOf(text: string): string {
  return text.replace(/\s/g, '')
}

function hexU16(value: number): string {
  return value.toString(16).padStart(4, '0')
}
