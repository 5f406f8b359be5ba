import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFrame,
  FRAME_HEAD_BYTES,
  openData,
  openRecord,
  parseFrameHead,
} from '../../../src/archive/spool/frame.ts'
import type { JournalRecord } from '../../../src/archive/spool/journal-head.ts'
import { createFrameSeal } from '../../../src/protection/frame-seal.ts'
import { videoTrack } from '../presentation/sample-log.ts'

const KEY = Buffer.alloc(32, 7)
const seal = () => createFrameSeal(KEY, Buffer.alloc(32, 9))
const closed: JournalRecord = { type: 'segment-closed', sequence: 5, durationTicks: 180_000 }

function opened(bytes: Buffer, sealedWith?: ReturnType<typeof seal>) {
  const head = parseFrameHead(bytes)
  if (!head) return undefined
  const dataAt = FRAME_HEAD_BYTES + head.recordBytes
  const record = openRecord(head, bytes, bytes.subarray(FRAME_HEAD_BYTES, dataAt), sealedWith)
  const place = { offset: dataAt, sizeBytes: head.dataBytes, index: head.index, crc: head.dataCrc }
  const data = openData(place, bytes.subarray(dataAt, dataAt + head.dataBytes), sealedWith)
  return record && { record, data }
}

describe('journal frames', () => {
  it('have the layout that journals of earlier versions have', () => {
    const { pieces, sizeBytes, data } = encodeFrame(3, closed, Buffer.from('media'), undefined)
    const bytes = Buffer.concat(pieces)
    expect(bytes.toString('hex')).toBe(
      '0000003d0000000500000003c0efa3906a2ca10c' +
        Buffer.from('{"type":"segment-closed","sequence":5,"durationTicks":180000}').toString('hex') +
        Buffer.from('media').toString('hex'),
    )
    expect([sizeBytes, data.offset, data.sizeBytes]).toEqual([bytes.byteLength, bytes.byteLength - 5, 5])
  })

  it.each([
    ['plain', undefined],
    ['sealed', seal],
  ] as const)('give back what was written, %s', (_name, make) => {
    const track: JournalRecord = {
      type: 'track-added',
      track: videoTrack(1, 'video-1', { init: Buffer.alloc(900, 3) }),
    }
    for (const record of [closed, track]) {
      for (const data of [Buffer.alloc(0), Buffer.from('media'), Buffer.alloc(100_000, 1)]) {
        const bytes = Buffer.concat(encodeFrame(1, record, data, make?.()).pieces)
        const found = opened(bytes, make?.())
        expect(JSON.stringify(found?.record)).toBe(JSON.stringify(JSON.parse(JSON.stringify(found?.record))))
        expect(found?.record.type).toBe(record.type)
        if (record.type === 'track-added' && found?.record.type === 'track-added') {
          expect([...found.record.track.init]).toEqual([...record.track.init])
        } else expect(found?.record).toEqual(record)
        expect(Buffer.from(found!.data!).equals(data)).toBe(true)
      }
    }
  })

  it('say nothing in the clear where they are sealed', () => {
    const bytes = Buffer.concat(encodeFrame(1, closed, Buffer.from('some media'), seal()).pieces)
    expect(bytes.includes('segment-closed')).toBe(false)
    expect(bytes.includes('media')).toBe(false)
  })

  it('never give anything else than what was written, whichever bit is flipped', () => {
    for (const make of [undefined, seal]) {
      const bytes = Buffer.concat(encodeFrame(1, closed, Buffer.from('media'), make?.()).pieces)
      for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
        const flipped = Buffer.from(bytes)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const found = opened(flipped, make?.())
        if (found) expect([found.record, found.data]).toEqual([closed, undefined])
      }
    }
  })

  it('are refused where they are whole and sealed under another key', () => {
    const bytes = Buffer.concat(encodeFrame(1, closed, undefined, seal()).pieces)
    const other = createFrameSeal(Buffer.alloc(32, 8), Buffer.alloc(32, 9))
    expect(() => opened(bytes, other)).toThrow(expect.objectContaining({ code: 'ARCHIVE_DAMAGED' }))
  })

  it('are not made out of random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(opened(Buffer.from(bytes))).toBeUndefined()
      }),
      { numRuns: 2_000 },
    )
  })
})
