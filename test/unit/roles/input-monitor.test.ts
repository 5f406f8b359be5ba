import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { InputMonitor } from '../../../src/roles/input-monitor.ts'

type Stream = { readonly fps?: number; readonly gop?: number; readonly bytes?: number; readonly audio?: boolean }

/** An input that sends for so long, looked at every second. */
function monitored(declaredGopMs = 2_000) {
  const clock = new VirtualClock()
  const monitor = new InputMonitor(declaredGopMs, clock)
  let dtsMs = 0
  let frame = 0
  const send = async (seconds: number, { fps = 25, gop = 50, bytes = 1_000, audio = false }: Stream = {}) => {
    for (let second = 0; second < seconds; second++) {
      for (let n = 0; n < fps; n++) {
        const kind = audio ? ('audio' as const) : ('video' as const)
        const independent = audio || frame++ % gop === 0
        const data = new Uint8Array(bytes)
        monitor.take({ type: 'frame', kind, trackId: 0, dtsMs, compositionMs: 0, independent, data })
        dtsMs += 1_000 / fps
      }
      await clock.advance(1_000)
      monitor.look()
    }
  }
  const silent = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await clock.advance(1_000)
      monitor.look()
    }
  }
  const declare = (values: Record<string, unknown>) => monitor.take({ type: 'metadata', values })
  const reasons = () => monitor.health.reasons.map(({ code }) => code)
  return { monitor, send, silent, declare, reasons }
}

describe('InputMonitor', () => {
  it('measures what comes', async () => {
    const { monitor, send, declare } = monitored()
    declare({ framerate: 25, videodatarate: 200, audiodatarate: 0 })
    monitor.drift(12.6)
    await send(20)
    expect(monitor.figures()).toEqual({
      bitsPerSecond: 200_000,
      framesPerSecond: 25,
      gopMs: 2_000,
      driftMs: 13,
      framesDropped: 0,
      health: { status: 'good', reasons: [] },
    })
  })

  it('says nothing of rates before it has seen enough', async () => {
    const { monitor, send, declare } = monitored()
    declare({ framerate: 60, videodatarate: 9_000 })
    await send(1)
    expect(monitor.figures()).toMatchObject({ bitsPerSecond: 0, framesPerSecond: 0 })
    expect(monitor.health.status).toBe('good')
  })

  it('finds key frames too rare, or none', async () => {
    const rare = monitored(1_000)
    await rare.send(12)
    expect(rare.reasons()).toEqual(['gop-too-long'])
    const none = monitored()
    await none.send(12, { gop: 10_000 })
    expect(none.reasons()).toEqual(['key-frames-missing', 'gop-too-long'])
  })

  it('finds an input starved, slow, silent, and well again', async () => {
    const { send, silent, declare, reasons } = monitored()
    declare({ width: 1280, framerate: 50, videodatarate: 1_000, audiodatarate: 128 })
    await send(20)
    expect(reasons()).toEqual(['bitrate-starved', 'frame-rate-low'])
    await silent(4)
    expect(reasons()).toContain('no-media')
    await send(40, { fps: 50, gop: 100, bytes: 2_800 })
    expect(reasons()).toEqual([])
  })

  it('does not believe what an encoder says in place of a rate', async () => {
    const { send, declare, reasons } = monitored()
    declare({ framerate: 'fast', videodatarate: Number.NaN, audiodatarate: -1 })
    declare({ framerate: 0, videodatarate: 0, width: 640, audiodatarate: 9_000 })
    await send(20)
    expect(reasons()).toEqual([])
  })

  it('expects no key frames of sound', async () => {
    const { monitor, send, reasons } = monitored()
    await send(20, { audio: true })
    expect(reasons()).toEqual([])
    expect(monitor.figures()).not.toHaveProperty('gopMs')
    expect(monitor.figures().framesPerSecond).toBe(0)
  })

  it('counts what was dropped, and jumps, for as long as they are recent', async () => {
    const { monitor, send, reasons } = monitored()
    // What has no place at first is no fault.
    monitor.dropped()
    await send(8)
    expect(reasons()).toEqual([])
    monitor.clockJumped()
    for (let n = 0; n < 5; n++) monitor.dropped()
    await send(1)
    expect(reasons()).toEqual(['timestamps-jumping', 'frames-dropped'])
    await send(60)
    expect(reasons()).toEqual([])
    expect(monitor.figures().framesDropped).toBe(6)
  })

  it('finds a clock that runs away', async () => {
    const { monitor, send, reasons } = monitored()
    monitor.drift(-1_500)
    await send(8)
    expect(reasons()).toEqual(['drift'])
  })
})
