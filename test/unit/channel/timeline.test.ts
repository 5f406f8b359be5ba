import { describe, expect, it } from 'vitest'
import { ChannelTimeline } from '../../../src/channel/channel-timeline.ts'
import { SessionTimeline } from '../../../src/channel/timeline.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import type { AudioConfig, Contribution } from '../../../src/media/media.ts'

const aac: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: new Uint8Array([0x11, 0x90]),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1_024,
  codecString: 'mp4a.40.2',
}

function frame(kind: 'video' | 'audio', dtsMs: number, compositionMs = 0): Extract<Contribution, { type: 'frame' }> {
  return { type: 'frame', kind, trackId: 0, dtsMs, compositionMs, independent: true, data: new Uint8Array(1) }
}

function open(highWaterMs = 0) {
  const clock = new VirtualClock()
  const channel = new ChannelTimeline(clock, highWaterMs)
  const session = new SessionTimeline(clock, channel)
  session.configureAudio(0, aac)
  return { clock, channel, session }
}

function ticksOf(session: SessionTimeline, contribution: Extract<Contribution, { type: 'frame' }>): number {
  const placement = session.place(contribution)
  if (placement.kind === 'dropped') throw new Error(`dropped: ${placement.reason}`)
  return placement.sample.dtsTicks
}

describe('SessionTimeline', () => {
  it('anchors the first frame at now, and follows the encoder from there', async () => {
    const { clock, session } = open()
    const startMs = clock.now()
    expect(ticksOf(session, frame('video', 5_000))).toBe(startMs * 90)
    await clock.advance(200)
    expect(ticksOf(session, frame('video', 5_040))).toBe((startMs + 40) * 90)
  })

  it('anchors past the high-water mark when the clock of the machine was set back', () => {
    const { clock, session, channel } = open(1_700_000_100_000)
    expect(ticksOf(session, frame('video', 0))).toBe((1_700_000_100_000 + 40) * 90)
    expect(channel.highWaterMs).toBeGreaterThan(clock.now())
  })

  it('keeps the offset between audio and video, and counts audio in samples', () => {
    const { session } = open()
    const video = ticksOf(session, frame('video', 1_000))
    const audio = ticksOf(session, frame('audio', 1_007))
    expect(audio / 48_000 - video / 90_000).toBeCloseTo(0.007, 4)
    // 1024 samples are 21.33 ms; the milliseconds of RTMP say 21 or 22.
    expect(ticksOf(session, frame('audio', 1_028))).toBe(audio + 1_024)
    expect(ticksOf(session, frame('audio', 1_050))).toBe(audio + 2_048)
  })

  it('anchors audio anew past 40 ms, and drops what overlaps by more', () => {
    const { session } = open()
    const first = ticksOf(session, frame('audio', 0))
    expect(ticksOf(session, frame('audio', 100))).toBe(first + 4_800)
    expect(session.place(frame('audio', 20))).toEqual({ kind: 'dropped', reason: 'overlap' })
  })

  it('nudges a DTS that does not advance, and leaves its PTS alone', () => {
    const { session } = open()
    const first = ticksOf(session, frame('video', 1_000))
    const placement = session.place(frame('video', 1_000, 40))
    expect(placement).toMatchObject({ kind: 'sample', sample: { dtsTicks: first + 1, compositionTicks: 3_599 } })
  })

  it('gives a clock that jumps by hours a new anchor at now', async () => {
    const { clock, session } = open()
    ticksOf(session, frame('video', 0))
    await clock.advance(40)
    const placement = session.place(frame('video', 7_200_000))
    expect(placement).toMatchObject({ kind: 'jump', sample: { dtsTicks: clock.now() * 90 } })
    expect(session.place(frame('audio', 30))).toEqual({ kind: 'dropped', reason: 'straggler' })
  })

  it('rolls over after 49.7 days without a seam', () => {
    const { session } = open()
    const first = ticksOf(session, frame('video', 2 ** 32 - 20))
    expect(ticksOf(session, frame('video', 20))).toBe(first + 40 * 90)
  })

  it('shares the clock between layers that publish side by side', async () => {
    const { clock, channel, session } = open()
    const first = ticksOf(session, frame('video', 10_000))
    await clock.advance(700)
    const other = new SessionTimeline(clock, channel)
    expect(ticksOf(other, frame('video', 10_680))).toBe(first + 680 * 90)
  })

  it('takes pictures that go back by more than half a second for a clock that was set', () => {
    const { session, channel } = open()
    ticksOf(session, frame('video', 5_000))
    expect(session.place(frame('video', 4_600))).toMatchObject({ kind: 'sample' })
    const highWaterMs = channel.highWaterMs
    const placement = session.place(frame('video', 4_200))
    expect(placement).toMatchObject({ kind: 'jump', sample: { compositionTicks: 0 } })
    expect(channel.highWaterMs).toBeGreaterThan(highWaterMs)
    expect(session.place(frame('video', 4_240))).toMatchObject({ kind: 'sample' })
  })

  it('anchors layers that jump together side by side again', async () => {
    const { clock, channel, session } = open()
    const other = new SessionTimeline(clock, channel)
    ticksOf(session, frame('video', 10_000))
    ticksOf(other, frame('video', 10_000))
    await clock.advance(40)
    const first = session.place(frame('video', 5_000_000))
    await clock.advance(25)
    const second = other.place(frame('video', 5_000_000))
    expect(first).toMatchObject({ kind: 'jump' })
    expect(second).toMatchObject({ kind: 'jump' })
    expect(second).toEqual(first)
  })

  it('bounds composition offsets that no decoder could follow', () => {
    const { session } = open()
    const placement = session.place(frame('video', 0, 8_388_607))
    expect(placement).toMatchObject({ sample: { compositionTicks: 900_000 } })
  })

  it('gives sound its own duration, whatever comes after', () => {
    const { session } = open()
    expect(session.place(frame('audio', 0))).toMatchObject({ durationTicks: 1_024 })
    expect(session.place(frame('video', 0))).toMatchObject({ durationTicks: undefined })
  })
})
