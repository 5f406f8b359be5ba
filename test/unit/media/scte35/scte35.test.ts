import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { sectionCrc } from '../../../../src/media/mpegts/section-crc.ts'
import { singleUpids, upidText } from '../../../../src/media/scte35/segmentation.ts'
import type { SpliceCommand } from '../../../../src/media/scte35/splice-command.ts'
import type { SpliceDescriptor } from '../../../../src/media/scte35/splice-descriptor.ts'
import {
  plainSplice,
  readSpliceInfo,
  type SpliceInfo,
  writeSpliceInfo,
} from '../../../../src/media/scte35/splice-info.ts'
import { hex, published } from './published-messages.ts'

describe('published messages', () => {
  test.each(published)('%s', (_name, bytes, info) => {
    expect(readSpliceInfo(bytes)).toEqual(info)
    expect(readSpliceInfo(writeSpliceInfo(info))).toEqual(info)
    // The encoder of the one with DTMF leaves reserved bits 0.
    if (!info.descriptors.some(({ type }) => type === 'dtmf')) expect(writeSpliceInfo(info)).toEqual(bytes)
  })

  test('ids as text', () => {
    expect(upidText({ type: 8, value: hex('000000002ca0a18a') })).toBe('0x000000002ca0a18a')
    const several = { type: 0x0d, value: hex('0305414243444509020102') }
    expect(singleUpids(several).map(upidText)).toEqual(['ABCDE', '0x0102'])
    expect(() => singleUpids({ type: 0x0d, value: hex('0309') })).toThrow(FormatError)
  })
})

const u = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 })
const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength })
const pts = fc.maxSafeNat().map((value) => value % 2 ** 33)
const time = fc.oneof(pts, fc.constant('unspecified' as const))
const optional = <K extends string, T>(key: K, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((given) => (given === undefined ? {} : { [key]: given })) as fc.Arbitrary<{
    [P in K]?: T
  }>
const merged = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((each) => Object.assign({}, ...each) as object)

const insert = fc.boolean().chain((isImmediate) =>
  merged(
    fc.record({
      type: fc.constant('splice-insert'),
      eventId: u(32),
      isCancelled: fc.constant(false),
      isOut: fc.boolean(),
      eventIdCompliance: fc.boolean(),
      uniqueProgramId: u(16),
      availNum: u(8),
      availsExpected: u(8),
    }),
    optional('breakDuration', fc.record({ autoReturn: fc.boolean(), ticks: pts })),
    fc.oneof(
      fc.record({ time: isImmediate ? fc.constant('immediate') : time }),
      fc.record({
        time: fc.constant(isImmediate ? 'immediate' : 'unspecified'),
        components: fc.array(fc.record({ tag: u(8), time: isImmediate ? fc.constant('immediate') : time }), {
          maxLength: 3,
        }),
      }),
    ),
  ),
)
const command = fc.oneof(
  fc.constant({ type: 'splice-null' }),
  fc.record({ type: fc.constant('splice-insert'), eventId: u(32), isCancelled: fc.constant(true) }),
  insert,
  merged(fc.constant({ type: 'time-signal' }), optional('ptsTime', pts)),
  fc.constant({ type: 'bandwidth-reservation' }),
  fc.record({ type: fc.constant('other'), commandType: fc.constantFrom(4, 9, 0xff), payload: bytesUpTo(40) }),
) as fc.Arbitrary<SpliceCommand>

const subSegmented = [0x30, 0x34, 0x46]
const segmentation = fc.constantFrom(0, 0x10, 0x22, 0x35, ...subSegmented).chain((typeId) =>
  merged(
    fc.record({
      type: fc.constant('segmentation'),
      eventId: u(32),
      eventIdCompliance: fc.boolean(),
      isCancelled: fc.constant(false),
      upid: fc.record({ type: u(8), value: bytesUpTo(30) }),
      typeId: fc.constant(typeId),
      segmentNum: u(8),
      segmentsExpected: u(8),
    }),
    optional('components', fc.array(fc.record({ tag: u(8), ptsOffset: pts }), { maxLength: 3 })),
    optional('durationTicks', u(40)),
    optional(
      'restrictions',
      fc.record({
        webDeliveryAllowed: fc.boolean(),
        noRegionalBlackout: fc.boolean(),
        archiveAllowed: fc.boolean(),
        deviceRestrictions: u(2),
      }),
    ),
    subSegmented.includes(typeId) ? optional('subSegments', fc.record({ num: u(8), expected: u(8) })) : fc.constant({}),
  ),
)
const descriptor = fc.oneof(
  segmentation,
  fc.record({
    type: fc.constant('segmentation'),
    eventId: u(32),
    eventIdCompliance: fc.boolean(),
    isCancelled: fc.constant(true),
  }),
  fc.record({ type: fc.constant('avail'), providerAvailId: u(32) }),
  fc.record({ type: fc.constant('dtmf'), preroll: u(8), characters: fc.stringMatching(/^[0-9*#]{0,7}$/) }),
  fc.record({ type: fc.constant('time'), taiSeconds: u(48), taiNanos: u(32), utcOffset: u(16) }),
  fc.record({ type: fc.constant('other'), tag: u(8), identifier: u(31), payload: bytesUpTo(40) }),
) as fc.Arbitrary<SpliceDescriptor>

const section = fc.record({
  sapType: u(2),
  ptsAdjustment: pts,
  cwIndex: u(8),
  tier: u(12),
  command,
  descriptors: fc.array(descriptor, { maxLength: 5 }),
})

/** Bytes that were made, with a CRC that fits, so that what is behind it is reached. */
function sealed(bytes: Uint8Array): Uint8Array {
  const body = bytes.slice()
  new DataView(body.buffer).setUint32(body.byteLength - 4, sectionCrc(body.subarray(0, -4)))
  return body
}

describe('any message', () => {
  test('is read as it was written', () => {
    fc.assert(fc.property(section, (info) => void expect(readSpliceInfo(writeSpliceInfo(info))).toEqual(info)))
  })

  test('is the same to a reader who has to find the end of its command', () => {
    fc.assert(
      fc.property(section, (info) => {
        const bytes = writeSpliceInfo(info)
        bytes[11] = (bytes[11] ?? 0) | 0x0f
        bytes[12] = 0xff
        if (info.command.type === 'other') expect(() => readSpliceInfo(sealed(bytes))).toThrow(FormatError)
        else expect(readSpliceInfo(sealed(bytes))).toEqual(info)
      }),
    )
  })

  test('that is cut short, or altered, is refused', () => {
    for (const [, bytes] of published) {
      for (let size = 0; size < bytes.byteLength; size++) {
        expect(() => readSpliceInfo(bytes.subarray(0, size))).toThrow(FormatError)
      }
      for (let at = 0; at < bytes.byteLength; at++) {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ 0x10
        expect(() => readSpliceInfo(altered)).toThrow(FormatError)
      }
    }
  })

  test('of random content behind a good checksum is read or refused, and never more than that', () => {
    const flips = fc.array(fc.tuple(fc.nat(120), u(8)), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.constantFrom(...published.map(([, bytes]) => bytes)), flips, (bytes, changes) => {
        const altered = bytes.slice()
        for (const [at, value] of changes) if (at > 2 && at < altered.byteLength - 4) altered[at] = value
        try {
          const info = readSpliceInfo(sealed(altered))
          expect(readSpliceInfo(writeSpliceInfo(info))).toEqual(info)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('of random bytes is refused', () => {
    fc.assert(fc.property(bytesUpTo(80), (bytes) => void expect(() => readSpliceInfo(bytes)).toThrow(FormatError)))
  })

  test('that is encrypted is refused, and stuffing behind it is no harm', () => {
    const [, bytes] = published[1] ?? ['', new Uint8Array()]
    const encrypted = bytes.slice()
    encrypted[4] = (encrypted[4] ?? 0) | 0x80
    expect(() => readSpliceInfo(sealed(encrypted))).toThrow('it is encrypted')
    expect(readSpliceInfo(Uint8Array.from([...bytes, 0xff, 0xff]))).toEqual(readSpliceInfo(bytes))
    expect(() => readSpliceInfo(Uint8Array.from([...bytes, 0]))).toThrow('something follows')
  })

  test('is no longer than a section may be', () => {
    const payload = new Uint8Array(4_090)
    const info: SpliceInfo = { ...plainSplice, command: { type: 'other', commandType: 0xff, payload }, descriptors: [] }
    expect(() => writeSpliceInfo(info)).toThrow(FormatError)
  })
})
