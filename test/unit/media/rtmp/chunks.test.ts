import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BufferPool } from '../../../../src/lib/buffer-pool.ts'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { type ChunkLimits, ChunkReader } from '../../../../src/media/rtmp/chunk-reader.ts'
import { encodeChunks } from '../../../../src/media/rtmp/chunk-writer.ts'
import { seededBytes } from '../../../support/rtmp-hostile.ts'

type Message = { type: number; timestampMs: number; streamId: number; payload: string }

const wide: ChunkLimits = { maxChunkStreams: 64, maxMessageBytes: 1 << 24, maxPartialBytes: 1 << 25 }
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function collect(limits: ChunkLimits = wide): { reader: ChunkReader; messages: Message[] } {
  const messages: Message[] = []
  const reader = new ChunkReader({ ...limits }, (type, timestampMs, streamId, payload) => {
    messages.push({ type, timestampMs, streamId, payload: hexOf(payload) })
  })
  return { reader, messages }
}

function readAll(bytes: Uint8Array, pieceBytes = bytes.length, chunkSize = 128): Message[] {
  const { reader, messages } = collect()
  reader.setChunkSize(chunkSize)
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes))
  expect(reader.partialBytes).toBe(0)
  return messages
}

const video = (timestampMs: number, payload: Uint8Array, chunkStreamId = 6) => ({
  chunkStreamId,
  type: 9,
  streamId: 1,
  timestampMs,
  payload,
})

describe('chunk writer', () => {
  it('gives golden bytes', () => {
    const message = { chunkStreamId: 3, type: 20, streamId: 0x01020304, timestampMs: 0x0a0b0c, payload: hex('aabbcc') }
    expect(hexOf(encodeChunks(message, 2))).toBe('030a0b0c00000314' + '04030201' + 'aabb' + 'c3' + 'cc')
    expect(hexOf(encodeChunks({ ...message, chunkStreamId: 320, timestampMs: 0x1000000 }, 2))).toBe(
      '010001' + 'ffffff00000314' + '04030201' + '01000000' + 'aabb' + 'c10001' + '01000000' + 'cc',
    )
    expect(hexOf(encodeChunks({ ...message, chunkStreamId: 64, payload: hex('') }, 2))).toBe(
      '00000a0b0c00000014' + '04030201',
    )
  })

  it('round-trips through the reader, whatever the sizes and pieces', () => {
    const message = fc.record({
      chunkStreamId: fc.constantFrom(3, 63, 64, 319, 320, 65_599),
      type: fc.constantFrom(8, 9, 18),
      streamId: fc.nat(0xffffffff),
      timestampMs: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 0xfffffe, 0xffffff, 0x1000000, 0xffffffff)),
      payload: fc.uint8Array({ maxLength: 400 }),
    })
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        (sent, chunkSize, pieceBytes, repeats) => {
          const bytes = Buffer.concat(sent.map((one) => encodeChunks(one, chunkSize, repeats)))
          const expected = sent.map(({ type, timestampMs, streamId, payload }) => {
            return { type, timestampMs, streamId, payload: hexOf(payload) }
          })
          // Bytes of a payload may look like the extended timestamp once in 2^31: not within these runs.
          expect(readAll(bytes, pieceBytes, chunkSize)).toEqual(expected)
        },
      ),
    )
  })
})

describe('chunk reader', () => {
  it('adds deltas of type 1, 2 and 3 headers', () => {
    const messages = readAll(
      hex(
        [
          '04 0003e8 000001 08 01000000 a1', // 1000
          '44 00000a 000002 09 b1b2', // +10
          '84 000014 c1c2', // +20
          'c4 d1d2', // +20 again
          '04 0007d0 000001 08 01000000 e1', // 2000
          'c4 f1', // a type 3 behind a type 0 adds its timestamp (§5.3.1.2.4)
        ].join(''),
      ),
    )
    expect(messages.map((m) => [m.timestampMs, m.type, m.payload])).toEqual([
      [1000, 8, 'a1'],
      [1010, 9, 'b1b2'],
      [1030, 9, 'c1c2'],
      [1050, 9, 'd1d2'],
      [2000, 8, 'e1'],
      [4000, 8, 'f1'],
    ])
  })

  it('rolls over at 2^32 milliseconds', () => {
    const messages = readAll(hex('04 ffffff 000001 08 01000000 fffffff0 a1 84 000020 b1'))
    expect(messages.map((m) => m.timestampMs)).toEqual([0xfffffff0, 0x10])
  })

  it('takes a type 1 header on a fresh chunk stream, as some send for control messages', () => {
    expect(readAll(hex('42 000000 000004 05 002625a0'))).toEqual([
      { type: 5, timestampMs: 0, streamId: 0, payload: '002625a0' },
    ])
  })

  it('interleaves chunk streams and hands empty messages on', () => {
    const messages = readAll(
      hex('04 000000 000003 08 01000000 a1a2 05 000000 000001 09 01000000 b1 06 000000 000000 09 01000000 c4 a3'),
      50,
      2,
    )
    expect(messages.map((m) => [m.type, m.payload])).toEqual([
      [9, 'b1'],
      [9, ''],
      [8, 'a1a2a3'],
    ])
  })

  it.each([true, false])('reads extended timestamps on type 3 chunks, repeated: %s', (repeats) => {
    const payload = seededBytes(5, 1000)
    const bytes = Buffer.concat([
      encodeChunks(video(0x01234567, payload), 128, repeats),
      encodeChunks(video(0x01234599, payload), 128, repeats),
    ])
    for (const pieceBytes of [1, 3, 129, bytes.length]) {
      const messages = readAll(bytes, pieceBytes)
      expect(messages.map((m) => m.timestampMs)).toEqual([0x01234567, 0x01234599])
      expect(messages.every((m) => m.payload === hexOf(payload))).toBe(true)
    }
  })

  it('tells the two habits apart message by message, also where the payload begins like the timestamp', () => {
    const payload = Uint8Array.from({ length: 300 }, (_, i) => [1, 0, 0, 7][i % 4] ?? 0)
    const bytes = Buffer.concat([
      encodeChunks(video(0x01000000, payload), 100, false),
      encodeChunks(video(0x01000000, payload), 100, true),
    ])
    for (const pieceBytes of [1, 2, 5, bytes.length]) {
      expect(readAll(bytes, pieceBytes, 100).map((m) => m.payload)).toEqual([hexOf(payload), hexOf(payload)])
    }
  })

  it('knows an absolute timestamp repeated where the header had a delta', () => {
    const first = '06 ffffff 000001 09 01000000 02000000 aa'
    const second = '46 ffffff 000003 09 01000000 b1b2 c6 03000000 b3'
    expect(readAll(hex(first + second), 100, 2).map((m) => [m.timestampMs, m.payload])).toEqual([
      [0x02000000, 'aa'],
      [0x03000000, 'b1b2b3'],
    ])
  })

  it('forgets what is aborted, and what a new header gives up', () => {
    const { reader, messages } = collect()
    reader.setChunkSize(2)
    reader.push(hex('04 000000 000004 08 01000000 a1a2'))
    expect(reader.partialBytes).toBe(4)
    reader.abort(4)
    expect(reader.partialBytes).toBe(0)
    reader.push(hex('04 000001 000004 08 01000000 b1b2 04 000002 000001 08 01000000 c1'))
    expect(messages.map((m) => m.payload)).toEqual(['c1'])
    expect(reader.partialBytes).toBe(0)
  })

  it('gives every message its own memory', () => {
    const payloads: Uint8Array[] = []
    const reader = new ChunkReader({ ...wide }, (_type, _at, _id, payload) => payloads.push(payload))
    const bytes = Buffer.concat([
      encodeChunks(video(0, seededBytes(1, 100)), 128),
      encodeChunks(video(1, seededBytes(2, 100)), 128),
    ])
    reader.push(bytes)
    bytes.fill(0)
    expect(hexOf(payloads[0] ?? bytes)).toBe(hexOf(seededBytes(1, 100)))
    expect(payloads[0]?.buffer).not.toBe(payloads[1]?.buffer)
    expect(payloads[0]?.byteLength).toBe(100)
  })

  it('makes the next messages in memory that was given back', () => {
    const pool = new BufferPool()
    const memories = new Set<ArrayBufferLike>()
    const reader = new ChunkReader(
      { ...wide },
      (_type, _at, _id, payload) => {
        memories.add(payload.buffer)
        pool.giveBack(payload.subarray(5))
      },
      pool,
    )
    for (let at = 0; at < 100; at++) reader.push(encodeChunks(video(at, seededBytes(at, 5_000)), 128))
    expect(memories.size).toBe(1)
  })

  it('gives back itself what it took for messages that never end, or that grew out of it', () => {
    const pool = new BufferPool()
    const payloads: Uint8Array[] = []
    const reader = new ChunkReader({ ...wide }, (_type, _at, _id, payload) => payloads.push(payload), pool)
    reader.setChunkSize(4096)
    reader.push(encodeChunks(video(0, seededBytes(1, 50_000)), 4096).subarray(0, 12 + 4096))
    reader.abort(6)
    expect(pool.freeBytes).toBeGreaterThanOrEqual(50_000)
    reader.push(encodeChunks(video(0, seededBytes(2, 300_001)), 4096))
    expect(hexOf(payloads[0] ?? new Uint8Array(0)) === hexOf(seededBytes(2, 300_001))).toBe(true)
    // It began in 64 KiB, went on in twice and four times that, and only the last is in use.
    expect(pool.freeBytes).toBeGreaterThanOrEqual(50_000 + 65_536 + 131_072)
  })

  it('grows a long message as it comes, and ends with its exact size', () => {
    const payload = seededBytes(3, 300_001)
    const bytes = encodeChunks(video(0, payload), 4096)
    const { reader, messages } = collect()
    reader.setChunkSize(4096)
    reader.push(bytes.subarray(0, 100))
    expect(reader.partialBytes).toBe(65_536)
    reader.push(bytes.subarray(100))
    expect(messages[0]?.payload === hexOf(payload)).toBe(true)
    expect(reader.partialBytes).toBe(0)
  })

  it('stops at once, within a push', () => {
    let count = 0
    const reader: ChunkReader = new ChunkReader({ ...wide }, () => {
      count += 1
      reader.stop()
    })
    reader.push(hex('04 000000 000000 08 01000000 c4 c4 c4'))
    expect(count).toBe(1)
  })

  it.each([
    ['chunk-streams', { ...wide, maxChunkStreams: 3 }],
    ['message', { ...wide, maxMessageBytes: 4999 }],
    ['partial-bytes', { ...wide, maxPartialBytes: 14_999 }],
  ] as const)('bounds %s', (limit, limits) => {
    const { reader } = collect(limits)
    const first = (id: number) => encodeChunks(video(0, new Uint8Array(5000), id), 128).subarray(0, 12 + 128)
    const push = () => {
      for (let id = 3; id < 7; id++) reader.push(first(id))
    }
    expect(push).toThrow(AppError)
    try {
      push()
    } catch (error) {
      expect((error as AppError).details['limit']).toBe(limit)
    }
  })

  it.each(['84 000000', 'c4', 'c0 01'])('refuses %s, which continues what never began', (bytes) => {
    expect(() => collect().reader.push(hex(bytes))).toThrow(FormatError)
  })

  it('throws nothing but AppError on random bytes in random pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 1, max: 64 }), (bytes, pieceBytes) => {
        const { reader } = collect({ maxChunkStreams: 8, maxMessageBytes: 200_000, maxPartialBytes: 300_000 })
        try {
          for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes))
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
        expect(reader.partialBytes).toBeLessThanOrEqual(300_000)
      }),
      { numRuns: 1000 },
    )
  })
})
