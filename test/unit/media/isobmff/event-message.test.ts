import fc from 'fast-check'
import { createFile, MP4BoxBuffer } from 'mp4box'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { textTag } from '../../../../src/media/id3/text-tag.ts'
import { readBoxes } from '../../../../src/media/isobmff/boxes.ts'
import { buildEventMessage, type EventMessage, readEventMessage } from '../../../../src/media/isobmff/event-message.ts'

const event: EventMessage = {
  schemeIdUri: 'urn:x',
  value: '1',
  timescale: 90_000,
  presentationTime: 0x1_0000_0002,
  duration: 900,
  id: 7,
  data: Uint8Array.of(0xfc, 0x30),
}

const read = (bytes: Uint8Array) => {
  const [box] = readBoxes(bytes, '')
  if (!box) throw new FormatError('', 0, 'no box')
  return readEventMessage(box)
}

describe('emsg', () => {
  it('is these bytes', () => {
    expect(Buffer.from(buildEventMessage(event)).toString('hex')).toBe(
      `0000002a656d73670100000000015f9000000001000000020000038400000007${Buffer.from('urn:x\x001\0').toString('hex')}fc30`,
    )
  })

  it('is read as it was written', () => {
    const u32 = fc.nat({ max: 0xffff_fffe })
    const text = fc.string({ maxLength: 60 }).filter((value) => !value.includes('\0'))
    const events = fc.record(
      {
        schemeIdUri: text,
        value: text,
        timescale: u32,
        presentationTime: fc.maxSafeNat(),
        duration: u32,
        id: u32,
        data: fc.uint8Array({ maxLength: 40 }),
      },
      { requiredKeys: ['schemeIdUri', 'value', 'timescale', 'presentationTime', 'id', 'data'] },
    )
    fc.assert(
      fc.property(events, (any) => {
        expect(read(buildEventMessage(any))).toEqual(any)
      }),
    )
  })

  it('that is torn, or of version 0, is refused', () => {
    const whole = buildEventMessage({ ...event, data: new Uint8Array() })
    for (let size = 0; size < whole.byteLength; size++) {
      expect(() => read(whole.subarray(0, size)), `${size} bytes`).toThrow(FormatError)
    }
    const old = buildEventMessage(event)
    old[8] = 0
    expect(() => read(old)).toThrow(/version 0/)
  })

  it('whatever the bytes are, is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (body) => {
        const box = Buffer.concat([Buffer.from([0, 0, 0, 8 + body.byteLength]), Buffer.from('emsg'), body])
        try {
          read(box)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }),
    )
  })

  it('is what mp4box reads', () => {
    const file = createFile()
    const bytes = Uint8Array.from(buildEventMessage({ ...event, presentationTime: 1_700_000_000 * 90_000 }))
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0))
    expect(file.boxes[0]).toMatchObject({
      ...{ scheme_id_uri: 'urn:x', value: '1', timescale: 90_000, event_duration: 900, id: 7 },
      presentation_time: 1_700_000_000 * 90_000,
    })
  })
})

describe('an ID3 tag of texts', () => {
  it('has a frame for each, with sizes of seven bits a byte', () => {
    const tag = Buffer.from(textTag({ a: 'ü', b: 'x'.repeat(200) }))
    expect(tag.subarray(0, 10).toString('hex')).toBe('49443304000000000166')
    expect(tag.subarray(10, 26).toString('hex')).toBe('54585858000000060000036100c3bc00')
    expect(tag.subarray(26, 36).toString('hex')).toBe('545858580000014c0000')
    expect(tag.byteLength).toBe(10 + 230)
  })
})
