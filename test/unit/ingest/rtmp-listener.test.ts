import { afterEach, describe, expect, it } from 'vitest'
import type { PublishRefusal, PublishVerdict } from '../../../src/ingest/ports.ts'
import type { RtmpListener } from '../../../src/ingest/rtmp-listener.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { encodeAmf0 } from '../../../src/media/rtmp/amf0-writer.ts'
import { plainDemuxer, startIngest } from '../../support/rtmp-ingest.ts'
import { enhancedConnectFields, RtmpPublisher, type RtmpRefused } from '../../support/rtmp-publisher.ts'
import { until } from '../../support/until.ts'

const running: RtmpListener[] = []

async function start(...[limits, more]: Parameters<typeof startIngest>) {
  const ingest = await startIngest(limits, { createDemuxer: plainDemuxer, ...more })
  running.push(ingest.listener)
  return ingest
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((listener) => listener.stop()))
})

describe('RTMP ingest', () => {
  it('carries media and metadata from an encoder to its sink', async () => {
    const { gate, observer, log, target } = await start()
    const options = { app: 'live', streamName: 'a-long-secret-key', handshake: 'digest', chunkSize: 4096 } as const
    const encoder = await RtmpPublisher.publish({ ...target, ...options, connectFields: enhancedConnectFields })
    expect(gate.requests).toMatchObject([
      {
        app: 'live',
        key: 'a-long-secret-key',
        layer: 'default',
        enhanced: true,
        secure: false,
        encoder: 'FMLE/3.0 (synthetic)',
      },
    ])
    await encoder.send(18, 0, encodeAmf0('@setDataFrame', 'onMetaData', { width: 640 }))
    await encoder.send(9, 40, Uint8Array.of(1, 2, 3))
    await encoder.send(18, 50, encodeAmf0('onCuePoint', { name: 'ad' }))
    await encoder.send(18, 50, encodeAmf0('|RtmpSampleAccess', true, true))
    await encoder.send(15, 60, Uint8Array.of(0, ...encodeAmf0('onTextData', 'a', 'b')))
    const sink = gate.sinks[0]!
    await until(() => sink.contributions.length === 4)
    expect(sink.contributions).toEqual([
      { type: 'metadata', values: { width: 640 } },
      {
        type: 'frame',
        kind: 'video',
        trackId: 0,
        dtsMs: 40,
        compositionMs: 0,
        independent: true,
        data: Buffer.from([1, 2, 3]),
      },
      { type: 'cue', name: 'onCuePoint', dtsMs: 50, value: { name: 'ad' } },
      { type: 'cue', name: 'onTextData', dtsMs: 60, value: ['a', 'b'] },
    ])
    encoder.unpublish()
    await until(() => sink.ends.length === 1)
    expect(sink.ends).toEqual(['unpublished'])
    await encoder.close()
    await until(() => observer.count('closed') === 1)
    expect(sink.ends).toHaveLength(1)
    expect(observer.count('started')).toBe(1)
    expect(JSON.stringify(log)).not.toContain('a-long-secret-key')
  })

  it('tells the sink when the encoder hangs up', async () => {
    const { gate, target } = await start()
    const encoder = await RtmpPublisher.publish(target)
    await encoder.close()
    await until(() => gate.sinks[0]?.ends.length === 1)
    expect(gate.sinks[0]?.ends).toEqual(['disconnected'])
  })

  it.each<[PublishRefusal, string]>([
    ['unknown-key', 'NetStream.Publish.Denied'],
    ['busy', 'NetStream.Publish.BadName'],
    ['not-running', 'NetStream.Publish.Rejected'],
  ])('refuses with a status: %s', async (reason, code) => {
    const { gate, observer, target } = await start()
    gate.decide = async () => ({ accepted: false, reason, description: 'Because.' })
    const refused: RtmpRefused = await RtmpPublisher.publish(target).catch((error) => error)
    expect(refused.status).toMatchObject({ level: 'error', code, description: 'Because.' })
    await until(() => observer.count('closed') === 1)
    expect(observer.count(`publish-refused:${reason}`)).toBe(1)
    expect(observer.count('started')).toBe(0)
  })

  it('refuses a name that is none without asking the gate, and a gate that fails', async () => {
    const { gate, target } = await start()
    await expect(RtmpPublisher.publish({ ...target, streamName: '' })).rejects.toThrow('No valid stream key')
    expect(gate.requests).toEqual([])
    gate.decide = () => Promise.reject(new Error('secret detail'))
    await expect(RtmpPublisher.publish(target)).rejects.toThrow(
      'NetStream.Publish.Rejected: The server could not decide.',
    )
  })

  it('holds what comes before the verdict, bounded, and hands it on in order', async () => {
    const { gate, observer, target } = await start({ maxUnauthorisedMessageBytes: 20_000 })
    const { promise, resolve } = Promise.withResolvers<void>()
    gate.decide = async (_request, sink): Promise<PublishVerdict> => {
      await promise
      return { accepted: true, sink }
    }
    const encoder = await RtmpPublisher.open(target)
    await encoder.handshake()
    await encoder.connect()
    const published = encoder.publishStream(await encoder.createStream(), 'key')
    let sent = 0
    const sending = (async () => {
      for (; sent < 2000; sent++) await encoder.send(9, sent, new Uint8Array(10_000))
    })()
    await until(() => gate.sinks.length === 1 && sent > 3)
    await new Promise((r) => setTimeout(r, 150))
    expect(observer.count('bytes')).toBeLessThan(400_000)
    expect(gate.sinks[0]?.contributions).toEqual([])
    expect(encoder.statuses).toEqual([])
    resolve()
    await published
    await sending
    const sink = gate.sinks[0]!
    await until(() => sink.contributions.length === 2000)
    expect(sink.of('frame').every((frame, i) => frame.dtsMs === i)).toBe(true)
    await encoder.close()
  })

  it('aborts the question when the encoder goes, and ends a sink that comes too late', async () => {
    const { gate, observer, target } = await start()
    const { promise, resolve } = Promise.withResolvers<void>()
    gate.decide = (_request, sink) => promise.then(() => ({ accepted: true, sink }))
    const encoder = await RtmpPublisher.open(target)
    await encoder.handshake()
    await encoder.connect()
    const published = encoder.publishStream(await encoder.createStream(), 'key').catch((error: Error) => error.message)
    await until(() => gate.signals.length === 1)
    await encoder.close()
    await until(() => gate.signals[0]?.aborted === true)
    resolve()
    await until(() => gate.sinks[0]?.ends.length === 1)
    expect(gate.sinks[0]?.ends).toEqual(['disconnected'])
    expect(observer.count('started')).toBe(0)
    expect(await published).toContain('closed')
  })

  it('ends a session by its handle with an error that the encoder sees', async () => {
    const { gate, observer, target } = await start()
    const encoder = await RtmpPublisher.publish(target)
    await gate.handles[0]?.end('Replaced by another encoder.')
    expect(gate.sinks[0]?.ends).toEqual(['replaced'])
    await encoder.closed
    expect(encoder.statuses.at(-1)).toMatchObject({ level: 'error', description: 'Replaced by another encoder.' })
    await gate.handles[0]?.end('again')
    expect(observer.count('ended:replaced')).toBe(1)
    expect(gate.sinks[0]?.ends).toHaveLength(1)
  })

  it('lets one connection publish several streams, each with its own sink', async () => {
    const { gate, target } = await start()
    const encoder = await RtmpPublisher.publish({ ...target, app: 'live/key', streamName: 'one' })
    const second = await encoder.createStream()
    await encoder.publishStream(second, 'two')
    await encoder.send(9, 1, Uint8Array.of(1), 1)
    await encoder.send(9, 2, Uint8Array.of(2), second)
    await until(() => gate.sinks.every((sink) => sink.contributions.length === 1))
    expect(gate.requests.map((r) => r.layer)).toEqual(['one', 'two'])
    expect(new Set(gate.requests.map((r) => r.sessionId)).size).toBe(2)
    await gate.handles[0]?.end('taken over')
    await encoder.send(9, 3, Uint8Array.of(3), 1)
    await encoder.send(9, 4, Uint8Array.of(4), second)
    await until(() => gate.sinks[1]?.contributions.length === 2)
    expect(gate.sinks[0]?.contributions).toHaveLength(1)
    await encoder.close()
    await until(() => gate.sinks[1]?.ends.length === 1)
  })

  it('reads no further while the sink is busy', async () => {
    const { gate, observer, target } = await start()
    const encoder = await RtmpPublisher.publish(target)
    const sink = gate.sinks[0]!
    const { promise, resolve } = Promise.withResolvers<void>()
    sink.waiting = promise
    const frame = new Uint8Array(10_000)
    let sent = 0
    const sending = (async () => {
      for (; sent < 3000; sent++) await encoder.send(9, sent, frame)
    })()
    await until(() => sink.contributions.length > 0)
    const before = observer.count('bytes')
    await new Promise((r) => setTimeout(r, 200))
    // 30 MB are waiting to be sent; no more than one read of the socket may have come in after the pause.
    expect(observer.count('bytes') - before).toBeLessThan(200_000)
    expect(sent).toBeLessThan(3000)
    sink.waiting = undefined
    resolve()
    await sending
    await until(() => sink.contributions.length === 3000)
    await encoder.close()
  })

  it('drops messages that can not be read, names the offence once, and gives up past the budget', async () => {
    const { gate, observer, log, target } = await start({ maxOffences: 10 })
    const encoder = await RtmpPublisher.publish(target)
    for (let i = 0; i < 10; i++) await encoder.send(9, i, Uint8Array.of(0xee))
    await encoder.send(9, 10, Uint8Array.of(1))
    const sink = gate.sinks[0]!
    await until(() => sink.contributions.length === 1)
    expect(observer.count('offence:media')).toBe(10)
    await encoder.send(18, 11, Uint8Array.of(0xff))
    await encoder.closed
    expect(sink.ends).toEqual(['protocol-error'])
    const named = log.filter((line) => line.msg === 'rtmp offence').map((line) => line['offence'])
    expect(named).toEqual(['media', 'data', 'too-many-offences'])
    expect(encoder.statuses.at(-1)?.description).toContain('can not be used')
  })

  it('refuses connections past its limits, in all and per address, and says so once', async () => {
    const { observer, log, target } = await start({ maxConnectionsPerAddress: 2 })
    const open = [await RtmpPublisher.open(target), await RtmpPublisher.open(target)]
    await until(() => observer.count('opened') === 2)
    for (let i = 0; i < 5; i++) await (await RtmpPublisher.open(target)).closed
    expect(observer.count('refused:connections-per-address')).toBe(5)
    expect(log.filter((line) => line.msg.includes('refused at the limit'))).toHaveLength(1)
    await open[0]?.close()
    await until(() => observer.count('closed') === 1)
    const again = await RtmpPublisher.publish(target)
    await Promise.all([again.close(), open[1]?.close()])
    const few = await start({ maxConnections: 0 })
    await (await RtmpPublisher.open(few.target)).closed
    expect(few.observer.count('refused:connections')).toBe(1)
  })

  it('cuts those who dawdle, on a virtual clock', async () => {
    const clock = new VirtualClock()
    const timeouts = { handshakeTimeoutMs: 5000, publishTimeoutMs: 10_000, idleTimeoutMs: 15_000, lingerMs: 1000 }
    const { gate, observer, target } = await start(timeouts, { clock })
    const silent = await RtmpPublisher.open(target)
    const waiting = await RtmpPublisher.open(target)
    await waiting.handshake()
    await waiting.connect()
    const publishing = await RtmpPublisher.publish(target)
    await until(() => observer.count('opened') === 3)
    await clock.advance(4000)
    expect(observer.count('closed')).toBe(0)
    await clock.advance(2000)
    await silent.closed
    expect(observer.count('offence:handshake-timeout')).toBe(1)
    await clock.advance(5000)
    await waiting.closed
    expect(waiting.statuses.at(-1)?.code).toBe('NetConnection.Connect.AppShutdown')
    expect(observer.count('offence:publish-timeout')).toBe(1)
    // Media keeps a publisher alive; pings and the like don't.
    await publishing.send(9, 0, Uint8Array.of(1))
    await until(() => gate.sinks[0]?.contributions.length === 1)
    await clock.advance(14_000)
    expect(gate.sinks[0]?.ends).toEqual([])
    await clock.advance(3000)
    await publishing.closed
    expect(gate.sinks[0]?.ends).toEqual(['idle'])
    expect(observer.count('ended:idle')).toBe(1)
  })

  it('gives up on a verdict that takes too long', async () => {
    const clock = new VirtualClock()
    const { gate, target } = await start({ publishTimeoutMs: 3000 }, { clock })
    gate.decide = () => new Promise(() => undefined)
    const refused = RtmpPublisher.publish(target).catch((error: Error) => error.message)
    await until(() => gate.requests.length === 1)
    await clock.advance(4000)
    expect(await refused).toContain('did not decide in time')
    expect(gate.signals[0]?.aborted).toBe(true)
  })

  it('stops: tells the encoders, ends the sinks, and may be asked twice', async () => {
    const { listener, gate, observer, target } = await start()
    const encoder = await RtmpPublisher.publish(target)
    const idle = await RtmpPublisher.open(target)
    await until(() => observer.count('opened') === 2)
    await Promise.all([listener.stop(), listener.stop()])
    expect(gate.sinks[0]?.ends).toEqual(['stopped'])
    expect(listener.connections).toBe(0)
    await Promise.all([encoder.closed, idle.closed])
    expect(encoder.statuses.map((s) => s.code).slice(-2)).toEqual([
      'NetStream.Unpublish.Success',
      'NetConnection.Connect.AppShutdown',
    ])
    await expect(RtmpPublisher.open(target)).rejects.toThrow('ECONNREFUSED')
  })

  it('names a port that is taken', async () => {
    const { target } = await start()
    await expect(start({}, { port: target.port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  })
})
