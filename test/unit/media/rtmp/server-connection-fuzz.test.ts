import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/lib/errors.ts'
import { encodeAmf0 } from '../../../../src/media/rtmp/amf0-writer.ts'
import { ServerConnection } from '../../../../src/media/rtmp/server-connection.ts'
import { seededBytes, wholePublish } from '../../../support/rtmp-hostile.ts'
import { RtmpPair, smallConnectionLimits } from '../../../support/rtmp-pair.ts'

describe('server connection under arbitrary input', () => {
  it('hears the same, whatever the pieces', () => {
    const messages = [
      { type: 18, timestampMs: 0, payload: encodeAmf0('@setDataFrame', 'onMetaData', { width: 1 }) },
      { type: 9, timestampMs: 40, payload: seededBytes(9, 700) },
      { type: 8, timestampMs: 0x1000000, payload: seededBytes(8, 300) },
    ]
    const bytes = wholePublish({ host: '', port: 0, streamName: 'key' }, messages)
    const expected = messages.map((m) => [1, m.type, m.timestampMs, Buffer.from(m.payload).toString('hex')])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 }), (pieces) => {
        const heard: unknown[] = []
        const server = new ServerConnection(
          smallConnectionLimits,
          {
            publish: ({ streamId }) => server.acceptPublish(streamId),
            media: (id, type, at, payload) => heard.push([id, type, at, Buffer.from(payload).toString('hex')]),
            unpublish: () => undefined,
            refused: () => undefined,
            stray: () => undefined,
            broken: () => undefined,
            finish: () => undefined,
          },
          (count) => new Uint8Array(count),
        )
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = pieces[i % pieces.length] ?? 1
          server.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(heard).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  it('throws nothing but AppError on random bytes and messages, at every stage', () => {
    const message = fc.tuple(
      fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22),
      fc.nat(2),
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc
          .tuple(
            fc.constantFrom('connect', 'createStream', 'publish', 'deleteStream', 'play', 'FCUnpublish', 'x'),
            fc.anything(),
          )
          .map(([name, value]) => encodeAmf0(name, 2, null, typeof value === 'number' ? value : 'key')),
      ),
    )
    fc.assert(
      fc.property(
        fc.nat(3),
        fc.array(message, { maxLength: 8 }),
        fc.uint8Array({ maxLength: 60 }),
        (stage, sent, noise) => {
          const pair = new RtmpPair()
          if (stage >= 1) pair.connect()
          if (stage >= 2) pair.call('createStream', 0, null)
          if (stage >= 3) {
            pair.call('publish', 1, null, 'key')
            pair.server.acceptPublish(1)
          }
          try {
            for (const [type, streamId, payload] of sent) pair.client.send(3, type, streamId, 0, payload)
            const bytes = pair.client.take()
            pair.server.push(bytes)
            pair.server.push(noise)
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
