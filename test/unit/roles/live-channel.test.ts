import { afterEach, describe, expect, it } from 'vitest'
import type { Transcoder, TranscoderOutput } from '../../../src/channel/ports.ts'
import type { Channel } from '../../../src/domain/channel.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { LiveBench } from './live-bench.ts'

const benches: LiveBench[] = []

async function bench(options: Parameters<typeof LiveBench.start>[0] = {}): Promise<LiveBench> {
  const made = await LiveBench.start(options)
  benches.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(benches.splice(0).map((made) => made.stop()))
})

describe('a running channel', () => {
  it('lets an encoder take over from another with the same key, where that is allowed', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const first = await made.publish(live, channel)
    await expect(made.publish(live, channel)).rejects.toThrow('busy')
    const changed = { ...channel, input: { ...channel.input, takeover: 'replace' } } as Channel
    node.change(changed)
    await made.publish(live, changed, 'primary', { sessionId: 'session-2' })
    expect(first.ends).toEqual([{ description: 'Another encoder has taken over this input.', as: 'replaced' }])
    expect(node.told('channel.encoder-connected').map(({ input }) => input)).toEqual(['primary', 'primary'])
    expect(node.told('channel.encoder-disconnected')).toMatchObject([{ input: 'primary', reason: 'replaced' }])
    expect(node.told('channel.input-switched')).toEqual([])
    await live.stop()
  })

  it.each([
    [
      'key-rotated',
      (channel: Channel) => ({ ...channel, streamKeys: { ...channel.streamKeys, primary: 'another-key' } }),
    ],
    [
      'address-not-allowed',
      (channel: Channel) => ({ ...channel, input: { ...channel.input, allowIp: ['198.51.100.0/24'] } }),
    ],
  ])('disconnects who may no longer publish: %s', async (reason, change) => {
    const made = await bench()
    const { channel, live } = await made.running()
    const guest = await made.publish(live, channel)
    await made.play(500)
    made.node.change(change(channel) as Channel)
    expect(guest.ends).toMatchObject([{ as: 'stopped' }])
    expect(made.node.told('channel.encoder-disconnected')).toMatchObject([
      { reason, address: '192.0.2.1', connectedForMs: 500 },
    ])
    await live.stop()
  })

  it('turns away an encoder whose key is changed while it waits to come in', async () => {
    const made = await bench()
    const { channel, live } = await made.running()
    const slow = await made.publish(live, channel)
    const { end } = slow.handle
    const asked = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    slow.handle.end = async (...words) => {
      asked.resolve()
      await mayEnd.promise
      await end(...words)
    }
    const reset = live.reset()
    await asked.promise
    const waiting = made.publish(live, channel)
    made.node.change({ ...channel, streamKeys: { ...channel.streamKeys, primary: 'another-key' } } as Channel)
    mayEnd.resolve()
    await reset
    expect((await waiting).ends).toMatchObject([{ as: 'stopped' }])
    await live.stop()
  })

  it('tells of its input: heartbeats, loss, return, and when it is no longer good', async () => {
    const made = await bench({ heartbeatMs: 10_000 })
    const { channel, live } = await made.running({ input: { keyFrameInterval: 'PT1S' } })
    expect(live.health).toBeUndefined()
    const guest = await made.publish(live, channel)
    await made.play(21_000)
    const { node } = made
    expect(node.told('channel.ingest-heartbeat')).toHaveLength(2)
    const [, beat] = node.told('channel.ingest-heartbeat')
    expect(beat).toMatchObject({
      input: 'primary',
      layer: 'default',
      framesPerSecond: 25,
      gopMs: 2_000,
      framesDropped: 0,
    })
    expect(beat?.bitsPerSecond).toBeGreaterThan(10_000)
    expect(live.health).toMatchObject({ status: 'degraded', reasons: [{ code: 'gop-too-long' }] })
    expect(node.channels.health(channel.id)).toEqual(live.health)
    expect(node.told('channel.health-changed')).toMatchObject([
      { status: 'degraded', reasons: [{ code: 'gop-too-long' }] },
    ])
    guest.leave('disconnected')
    expect(live.health).toBeUndefined()
    await made.play(4_000)
    await made.publish(live, channel, 'secondary')
    await made.play(1_000)
    expect(node.told('channel.input-lost')).toEqual([{ input: 'primary', reason: 'disconnected' }])
    expect(node.told('channel.input-returned')).toEqual([{ input: 'secondary', awayForMs: 4_100 }])
    await live.stop()
    expect(node.told('channel.input-lost')).toHaveLength(1)
  })

  it('says that nobody publishes, again and again, and not while somebody does', async () => {
    const made = await bench()
    const channel = await made.node.channel({ idleStopAfter: 'PT2M' })
    let idle = 0
    const live = await made.node.run(channel, () => void idle++)
    await made.play(119_000)
    expect(idle).toBe(0)
    const guest = await made.publish(live, channel)
    await made.play(130_000)
    expect(idle).toBe(0)
    guest.leave()
    await made.play(119_000)
    expect(idle).toBe(0)
    await made.play(2_000)
    expect(idle).toBe(1)
    await made.play(60_000)
    expect(idle).toBe(2)
    await live.stop()
    await made.play(200_000)
    expect(idle).toBe(2)
  })

  it('is counted under its name, also when that changes, and no more when it has stopped', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running({ name: 'before' })
    await made.publish(live, channel)
    await made.play(3_000)
    expect(await node.metrics.text()).toContain('headend_ingest_sessions{channel="before"} 1')
    node.change({ ...channel, name: 'after' } as Channel)
    await made.play(3_000)
    const text = await node.metrics.text()
    expect(text).not.toContain('"before"')
    expect(text).toContain('headend_ingest_sessions{channel="after"} 1')
    await live.stop()
    await made.play(1_000)
    expect(await node.metrics.text()).not.toContain('"after"')
  })

  it('replaces its transcoder when it is reset, and tells of those that died', async () => {
    const made = await bench()
    const { node } = made
    const channel = await node.channel({ encoding: { kind: 'standard' } })
    const said: string[] = []
    const died: ((reason: string) => void)[] = []
    const transcoder = (_output: TranscoderOutput, restarted: (reason: string) => void): Transcoder => {
      const name = `transcoder ${died.push(restarted)}`
      return {
        configure: () => undefined,
        write: () => undefined,
        inputEnded: async () => void said.push(`${name} drained`),
        stop: async () => void said.push(`${name} stopped`),
      }
    }
    const live = node.unstarted(channel, transcoder)
    await made.publish(live, channel)
    await made.play(1_000)
    died[0]?.('stalled')
    await live.reset()
    expect(said).toEqual(['transcoder 1 drained', 'transcoder 1 stopped'])
    await made.publish(live, channel)
    died[1]?.('crashed')
    expect(node.told('channel.transcoder-restarted')).toEqual([
      { reason: 'stalled', restarts: 1 },
      { reason: 'crashed', restarts: 2 },
    ])
    await live.stop()
    expect(said.slice(2)).toEqual(['transcoder 2 stopped'])
    await expect(made.publish(live, channel)).rejects.toThrow('not-running')
    await live.reset()
    expect(died).toHaveLength(2)
  })

  it('is started once', async () => {
    const made = await bench()
    const { channel, live } = await made.running()
    await expect(made.node.run(channel)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    await live.stop()
    await live.stop()
    await (await made.node.run(channel)).stop()
  })

  it('does not start without an ffmpeg that it needs, and says so', async () => {
    const missing = new AppError('FFMPEG_MISSING', 'there is none')
    const made = await bench({ ffmpeg: () => Promise.reject(missing) })
    const ladder = { encoding: { kind: 'standard', preset: '720p' } }
    await expect(made.running(ladder)).rejects.toBe(missing)
    const [known] = (await made.node.repository.list('channel', { accountId: made.node.accountId, limit: 10 })).items
    await expect(made.node.run(known as Channel)).rejects.toBe(missing)
    const binary = { path: 'ffmpeg', version: '5.1', encoders: new Set<string>() }
    const poor = await bench({ ffmpeg: async () => binary })
    await expect(poor.running(ladder)).rejects.toMatchObject({ code: 'LADDER_INVALID' })
    await expect(
      poor.running({ name: 'other', encoding: { kind: 'standard', preset: 'none-such' } }),
    ).rejects.toMatchObject({
      code: 'LADDER_INVALID',
    })
  })

  it('does not start when that is not wanted any more', async () => {
    const made = await bench()
    const channel = await made.node.channel()
    const reason = new Error('not wanted')
    const start = made.node.channels.start(
      channel,
      () => undefined,
      () => undefined,
      AbortSignal.abort(reason),
    )
    await expect(start).rejects.toBe(reason)
    await (await made.node.run(channel)).stop()
  })
})
