import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { asAmfObject } from '../../../../src/media/rtmp/amf.ts'
import { type AmfWritable, encodeAmf0 } from '../../../../src/media/rtmp/amf0-writer.ts'
import { encodePeerBandwidth, encodeU32, encodeUserControl } from '../../../../src/media/rtmp/control.ts'
import { aggregateMessage, seededBytes } from '../../../support/rtmp-hostile.ts'
import { RtmpPair } from '../../../support/rtmp-pair.ts'
import { enhancedConnectFields } from '../../../support/rtmp-publisher.ts'

describe('server connection', () => {
  it.each([true, false])('goes from handshake to media and back, digest: %s', (digest) => {
    const pair = new RtmpPair(digest)
    expect(pair.heard).toEqual([`handshaken ${digest}`])
    pair.connect()
    expect(pair.controls).toEqual([
      [5, '002625a0'],
      [6, '002625a002'],
      [1, '00010000'],
    ])
    expect(pair.commands.at(-1)).toMatchObject({ name: '_result', transactionId: 1 })
    const [created] = pair.call('createStream', 0, null)
    expect(created?.args).toEqual([null, 1])
    pair.call('publish', 1, null, 'key?x=1', 'live')
    expect(pair.publishes).toMatchObject([{ streamId: 1, name: 'key?x=1', connect: { app: 'live', enhanced: false } }])
    expect(pair.statuses).toEqual([])
    pair.server.acceptPublish(1)
    pair.run()
    expect(pair.statuses.map((s) => s.code)).toEqual(['NetStream.Publish.Start'])
    pair.client.send(4, 9, 1, 0xfffffff0, seededBytes(1, 5))
    pair.run()
    expect(pair.media).toEqual([[1, 9, 0xfffffff0, Buffer.from(seededBytes(1, 5)).toString('hex')]])
    pair.call('deleteStream', 0, null, 1)
    expect(pair.heard.at(-1)).toBe('unpublish 1')
    expect(pair.statuses.at(-1)?.code).toBe('NetStream.Unpublish.Success')
    pair.client.send(4, 9, 1, 0, seededBytes(1, 5))
    pair.run()
    expect(pair.media).toHaveLength(1)
    expect(pair.heard.at(-1)).toBe('stray')
  })

  it('answers what encoders send on their way', () => {
    const pair = new RtmpPair().connect()
    expect(pair.call('releaseStream', 0, null, 'key')).toMatchObject([{ name: '_result', args: [null, undefined] }])
    expect(pair.call('FCPublish', 0, null, 'key')).toMatchObject([{ name: '_result' }])
    expect(pair.call('_checkbw', 0, null)).toMatchObject([{ name: '_result' }])
    expect(pair.call('getStreamLength', 0, null, 'key')).toMatchObject([{ name: '_result', args: [null, 0] }])
    expect(pair.call('noSuchThing', 0, null)).toMatchObject([{ name: '_error' }])
    pair.call('createStream', 0, null)
    pair.call('publish', 1, null, 'key')
    pair.server.acceptPublish(1)
    pair.run()
    // Encoders of the FMLE kind wait for this one.
    expect(pair.commands.slice(-2).map((c) => c.name)).toEqual(['onFCPublish', 'onStatus'])
    const names = pair.call('FCUnpublish', 0, null, 'key').map((c) => c.name)
    expect(names).toEqual(['_result', 'onFCUnpublish', 'onStatus'])
    expect(pair.heard.at(-1)).toBe('unpublish 1')
  })

  it('negotiates Enhanced RTMP with those who speak it, and only with them', () => {
    const info = (pair: RtmpPair) => asAmfObject(pair.commands.at(-1)?.args[1])
    expect(info(new RtmpPair().connect())).not.toHaveProperty('capsEx')
    const answer = info(new RtmpPair().connect(enhancedConnectFields))
    expect(answer).toMatchObject({
      capsEx: 15,
      videoFourCcInfoMap: { avc1: 4, hvc1: 4, av01: 4, vp09: 4 },
      audioFourCcInfoMap: { mp4a: 4, '.mp3': 4, Opus: 4, fLaC: 4, 'ac-3': 4, 'ec-3': 4 },
    })
    expect(answer?.['fourCcList']).toContain('hvc1')
  })

  it('asks an Enhanced RTMP client to come back at shutdown', () => {
    const pair = new RtmpPair().connect(enhancedConnectFields)
    pair.server.shutdown('Bye.')
    pair.run()
    const codes = ['NetConnection.Connect.ReconnectRequest', 'NetConnection.Connect.AppShutdown']
    expect(pair.statuses.map((s) => s.code)).toEqual(codes)
    expect(pair.heard.at(-1)).toBe('finish')
  })

  it.each<[string, AmfWritable[]]>([
    ['a null object', [null]],
    ['no object', []],
    ['neither app nor tcUrl', [{ flashVer: 'x' }]],
    ['a tcUrl without a path', [{ tcUrl: 'rtmp://host' }]],
    ['an app that is a number', [{ app: 7 }]],
  ])('rejects connect with %s', (_name, args) => {
    const pair = new RtmpPair()
    pair.call('connect', 0, ...args)
    expect(pair.commands).toMatchObject([{ name: '_error', args: [null, { code: 'NetConnection.Connect.Rejected' }] }])
    expect(pair.heard.at(-1)).toBe('finish')
  })

  it('takes the app from tcUrl where it is missing', () => {
    const pair = new RtmpPair()
    pair.call('connect', 0, { tcUrl: 'rtmp://host:1935/live/abc/' })
    expect(pair.commands).toMatchObject([{ name: '_result' }])
  })

  it.each<[string, number, AmfWritable[]]>([
    ['without a name', 1, [null]],
    ['with a number for a name', 1, [null, 7]],
    ['on a stream that was not created', 2, [null, 'key']],
    ['on stream 0', 0, [null, 'key']],
  ])('refuses publish %s', (_name, streamId, args) => {
    const pair = new RtmpPair().connect()
    pair.call('createStream', 0, null)
    pair.call('publish', streamId, ...args)
    expect(pair.statuses).toMatchObject([{ level: 'error', code: 'NetStream.Publish.BadName', streamId }])
    expect(pair.publishes).toEqual([])
    expect(pair.heard.at(-1)).toBe('finish')
  })

  it('refuses play, and drops what a player sends', () => {
    const pair = new RtmpPair().connect()
    pair.call('createStream', 0, null)
    pair.client.call('play', 1, null, 'key')
    pair.client.send(4, 9, 1, 0, seededBytes(1, 9))
    pair.run()
    expect(pair.statuses).toMatchObject([{ level: 'error', code: 'NetStream.Play.Failed' }])
    expect(pair.media).toEqual([])
    expect(pair.heard.at(-1)).toBe('finish')
  })

  it('lets several streams publish, and ends with the last', () => {
    const pair = new RtmpPair().publish()
    pair.call('createStream', 0, null)
    pair.call('publish', 2, null, 'two')
    pair.server.refusePublish(2, 'NetStream.Publish.BadName', 'Busy.')
    pair.run()
    expect(pair.heard).not.toContain('finish')
    pair.client.send(4, 8, 1, 5, Uint8Array.of(1))
    pair.client.send(4, 8, 2, 6, Uint8Array.of(2))
    pair.run()
    expect(pair.media).toEqual([[1, 8, 5, '01']])
    pair.call('createStream', 0, null)
    expect(pair.call('createStream', 0, null)).toMatchObject([{ name: '_error' }])
    pair.server.endPublish(1, 'Replaced by another publisher.')
    pair.run()
    expect(pair.statuses.at(-1)).toMatchObject({ level: 'error', code: 'NetStream.Failed' })
    expect(pair.heard.at(-1)).toBe('finish')
  })

  it('acknowledges by the window of the peer, answers its bandwidth and its ping', () => {
    const pair = new RtmpPair().publish()
    pair.client.send(2, 5, 0, 0, encodeU32(5000))
    pair.client.send(2, 6, 0, 0, encodePeerBandwidth(10_000, 0))
    pair.client.send(2, 4, 0, 0, encodeUserControl(6, encodeU32(77)))
    pair.run()
    expect(pair.controls.slice(-2)).toEqual([
      [5, '00002710'],
      [4, '00070000004d'],
    ])
    const before = pair.controls.length
    for (let i = 0; i < 10; i++) {
      pair.client.send(4, 8, 1, i, new Uint8Array(1200))
      pair.run()
    }
    const acknowledgements = pair.controls.slice(before).filter(([type]) => type === 3)
    expect(acknowledgements.length).toBeGreaterThanOrEqual(2)
    expect(acknowledgements.length).toBeLessThanOrEqual(3)
    const counts = acknowledgements.map(([, hex]) => Number.parseInt(hex, 16))
    expect((counts[1] ?? 0) - (counts[0] ?? 0)).toBeGreaterThanOrEqual(5000)
  })

  it('unpacks aggregates with their times rebased', () => {
    const pair = new RtmpPair().publish()
    const tag = (type: number, offsetMs: number, byte: number) => ({ type, offsetMs, payload: Uint8Array.of(byte) })
    pair.server.push(aggregateMessage(1000, 0x01000000, [tag(9, 0, 1), tag(8, 20, 2), tag(1, 30, 0), tag(9, 40, 3)]))
    expect(pair.media).toEqual([
      [1, 9, 1000, '01'],
      [1, 8, 1020, '02'],
      [1, 9, 1040, '03'],
    ])
    pair.server.push(aggregateMessage(2000, 0, [tag(9, 0, 4)]))
    pair.client.send(4, 22, 1, 0, Uint8Array.of(9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1))
    pair.run()
    expect(pair.media.at(-1)).toEqual([1, 9, 2000, '04'])
    expect(pair.heard.at(-1)).toBe('broken')
  })

  it('allows long messages only while something is published', () => {
    const pair = new RtmpPair().publish()
    pair.client.send(4, 9, 1, 0, new Uint8Array(100_000))
    pair.run()
    expect(pair.media).toHaveLength(1)
    pair.call('deleteStream', 0, null, 1)
    pair.client.send(4, 9, 1, 0, new Uint8Array(5000))
    expect(() => pair.run()).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    expect(pair.server.partialBytes).toBe(0)
  })

  it.each<[string, number, Uint8Array]>([
    ['an empty chunk size', 1, new Uint8Array(0)],
    ['chunk size 0', 1, encodeU32(0)],
    ['chunk size 0xffffffff', 1, encodeU32(0xffffffff)],
    ['chunk size 0x80000000', 1, encodeU32(0x80000000)],
    ['an empty abort', 2, new Uint8Array(0)],
    ['an empty acknowledgement', 3, new Uint8Array(0)],
    ['an empty user control', 4, new Uint8Array(0)],
    ['an empty window', 5, new Uint8Array(0)],
    ['an empty bandwidth', 6, new Uint8Array(0)],
    ['an empty command', 20, new Uint8Array(0)],
    ['a command without a name', 20, encodeAmf0(7)],
    ['a command before connect', 20, encodeAmf0('createStream', 2, null)],
  ])('dies of %s with a FormatError', (_name, type, payload) => {
    const pair = new RtmpPair()
    pair.client.send(3, type, 0, 0, payload)
    expect(() => pair.run()).toThrow(FormatError)
    expect(() => pair.connect()).not.toThrow()
    expect(pair.commands).toEqual([])
  })

  it.each([1, 0x7fffffff])('takes chunk size %i', (size) => {
    const pair = new RtmpPair()
    pair.client.setChunkSize(size)
    pair.connect()
    expect(pair.commands).toMatchObject([{ name: '_result' }])
  })

  it('reads commands of type 17, with AMF3 inside', () => {
    const pair = new RtmpPair()
    const amf3 = Buffer.from(`110a0b01076170700609${Buffer.from('live').toString('hex')}01`, 'hex')
    pair.client.send(3, 17, 0, 0, Buffer.concat([Uint8Array.of(0), encodeAmf0('connect', 1), amf3]))
    pair.run()
    expect(pair.commands).toMatchObject([{ name: '_result' }])
  })
})
