import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { until } from '../../support/until.ts'
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

describe('a running channel with two inputs, or none', () => {
  it('lets both inputs publish, says how each is, and tells when viewers see the other', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running({ name: 'redundant' })
    const first = await made.publish(live, channel)
    await made.publish(live, channel, 'secondary', { sessionId: 'session-2' })
    await made.play(6_000)
    expect(live.inputs).toMatchObject([
      { input: 'primary', active: true, health: { status: 'good' } },
      { input: 'secondary', active: false, health: { status: 'good' } },
    ])
    expect(await node.metrics.text()).toContain(
      'headend_ingest_active_input{channel="redundant",layer="default",input="secondary"} 0',
    )
    first.leave('disconnected')
    await made.play(2_000)
    expect(live.inputs).toMatchObject([{ input: 'secondary', active: true }])
    const switched = { layer: 'default', from: 'primary', to: 'secondary', reason: 'ended' }
    expect(node.told('channel.input-switched')).toMatchObject([switched])
    expect(node.told('channel.input-lost')).toEqual([])
    const text = await node.metrics.text()
    expect(text).toContain('headend_ingest_active_input{channel="redundant",layer="default",input="secondary"} 1')
    expect(text).not.toContain('input="primary"')
    expect(text).toMatch(
      /headend_ingest_switches_total\{channel="redundant",reason="ended",seamless="(true|false)"\} 1/,
    )
    await live.stop()
  })

  it('stops when idle although two inputs have been there, and not while one still is', async () => {
    const made = await bench()
    const channel = await made.node.channel({ idleStopAfter: 'PT2M' })
    let idle = 0
    const live = await made.node.run(channel, () => void idle++)
    const first = await made.publish(live, channel)
    const second = await made.publish(live, channel, 'secondary', { sessionId: 'session-2' })
    await made.play(3_000)
    first.leave()
    await made.play(130_000)
    expect(idle).toBe(0)
    second.leave()
    await made.play(119_000)
    expect(idle).toBe(0)
    await made.play(2_000)
    expect(idle).toBe(1)
    await live.stop()
  })

  it('tells that there is no slate to show, and why, once for each absence; it keeps no channel from being idle', async () => {
    const ffmpeg = async () => {
      throw new AppError('FFMPEG_MISSING', 'there is no ffmpeg')
    }
    const made = await bench({ ffmpeg })
    const channel = await made.node.channel({ slate: { after: 'PT1S' }, idleStopAfter: 'PT1M' })
    let idle = 0
    const live = await made.node.run(channel, () => void idle++)
    const guest = await made.publish(live, channel)
    await made.play(5_000)
    guest.leave('disconnected')
    await made.play(30_000)
    expect(made.node.told('channel.slate-failed')).toEqual([{ detail: 'there is no ffmpeg' }])
    expect(made.node.told('channel.slate-started')).toEqual([])
    await made.publish(live, channel, 'secondary', { sessionId: 'session-2' })
    await made.play(5_000)
    expect(idle).toBe(0)
    await live.stop()
  })

  it('shows a slate of ffmpeg while nobody publishes, which is nobody who publishes', { timeout: 30_000 }, async () => {
    const made = await bench()
    const { node } = made
    const channel = await node.channel({
      slate: { after: 'PT1S' },
      idleStopAfter: 'PT1M',
      output: { segmentDuration: 'PT2S' },
    })
    let idle = 0
    const live = await node.run(channel, () => void idle++)
    const guest = await made.publish(live, channel)
    await made.play(5_000)
    guest.leave('disconnected')
    // ffmpeg takes real time, of which the clock knows nothing.
    await until(
      () => node.told('channel.slate-started').length > 0,
      10_000,
      async () => {
        await made.play(100)
        await systemClock.sleep(20)
      },
    )
    await made.play(20_000)
    expect(live.health).toBeUndefined()
    expect(live.inputs).toEqual([])
    await made.play(60_000)
    expect(idle).toBeGreaterThan(0)
    await made.publish(live, channel)
    await made.play(3_000)
    const [ended] = node.told('channel.slate-ended')
    expect(ended?.shownForMs).toBeGreaterThan(75_000)
    expect(node.told('channel.input-returned')).toHaveLength(1)
    expect(node.told('channel.health-changed')).toEqual([])
    await live.stop()
  })
})
