import { describe, expect, it } from 'vitest'
import { matchFrames, matchNewest, stillMatches } from '../../../src/channel/redundancy/frame-match.ts'
import { FrameRing } from '../../../src/channel/redundancy/frame-ring.ts'
import type { Frame } from '../../../src/channel/redundancy/standby-buffer.ts'

type Sent = { readonly ms: number; readonly kind?: 'video' | 'audio'; readonly key?: boolean; readonly bytes: string }

function ringOf(sent: readonly Sent[], shiftMs = 0, delayMs = 0): FrameRing {
  const ring = new FrameRing()
  for (const { ms, kind = 'video', key = false, bytes } of sent) {
    const data = new TextEncoder().encode(bytes)
    const frame: Frame = {
      type: 'frame',
      kind,
      trackId: 0,
      dtsMs: ms + shiftMs,
      compositionMs: 0,
      independent: key || kind === 'audio',
      data,
    }
    ring.add(frame, ms + shiftMs, ms + delayMs)
  }
  return ring
}

/** 25 pictures a second in GOPs of two seconds; `name` says what is in each. */
const pictures = (count: number, name: (at: number) => string, gop = 50): Sent[] =>
  Array.from({ length: count }, (_, at) => ({ ms: at * 40, key: at % gop === 0, bytes: name(at) }))
const sounds = (count: number): Sent[] =>
  Array.from({ length: count }, (_, at) => ({ ms: at * 21, kind: 'audio', bytes: `sound ${at}` }))

const moving = pictures(160, (at) => `picture ${at}`)

describe('matchFrames', () => {
  it('finds the distance of two that are the same, whatever their clocks', () => {
    const match = matchFrames(ringOf(moving), ringOf(moving, 98_765.4, 700))
    expect(match?.offsetMs).toBeCloseTo(-98_765.4, 6)
    expect(match?.untilMs).toBe(6_000)
  })

  it('allows what rounding to milliseconds does, and no more', () => {
    const jittered = (by: number) => moving.map((frame, at) => ({ ...frame, ms: frame.ms + (at % 3 === 1 ? by : 0) }))
    expect(matchFrames(ringOf(moving), ringOf(jittered(1)))).toBeDefined()
    expect(matchFrames(ringOf(moving), ringOf(jittered(5)))).toBeUndefined()
  })

  it('asks for two GOPs of every picture, and all the sound', () => {
    const both = [...moving, ...sounds(300)]
    expect(matchFrames(ringOf(both), ringOf(both))).toBeDefined()
    expect(matchFrames(ringOf(pictures(100, String)), ringOf(pictures(100, String)))).toBeUndefined()
    const changed = (at: number) => moving.map((frame, index) => (index === at ? { ...frame, bytes: 'other' } : frame))
    expect(matchFrames(ringOf(moving), ringOf(changed(120)))).toBeUndefined()
    expect(matchFrames(ringOf(moving), ringOf(moving.filter((_, at) => at !== 120)))).toBeUndefined()
    // Before those two GOPs they may have been anything.
    expect(matchFrames(ringOf(moving), ringOf(changed(20)))).toBeDefined()
    const otherSound = both.map((frame) => (frame.bytes === 'sound 150' ? { ...frame, bytes: 'noise' } : frame))
    expect(matchFrames(ringOf(both), ringOf(otherSound))).toBeUndefined()
    expect(matchFrames(ringOf(both), ringOf(moving))).toBeUndefined()
  })

  it('takes the distance at which a still picture arrived side by side', () => {
    const still = pictures(400, (at) => (at % 50 === 0 ? `key ${(at / 50) % 2}` : 'the same'))
    expect(matchFrames(ringOf(still), ringOf(still, 1_000, 300))?.offsetMs).toBe(-1_000)
  })

  it('is not convinced by a few pictures where each is a key frame', () => {
    expect(matchFrames(ringOf(pictures(40, String, 1)), ringOf(pictures(40, String, 1)))).toBeUndefined()
    expect(matchFrames(ringOf(pictures(60, String, 1)), ringOf(pictures(60, String, 1)))).toBeDefined()
  })

  it('sees that they part later', () => {
    const [ours, theirs] = [ringOf(moving), ringOf(moving)]
    const match = matchFrames(ours, theirs)
    if (!match) throw new Error('no match')
    expect(stillMatches(match, ours, theirs)).toBe(true)
    const parted = ringOf(moving.map((frame, at) => (at === 158 ? { ...frame, bytes: 'other' } : frame)))
    expect(stillMatches(match, ours, parted)).toBe(false)
    // What the other has not got yet says nothing.
    expect(stillMatches(match, ours, ringOf(moving.slice(0, 153)))).toBe(true)
  })
})

describe('matchNewest', () => {
  it('makes do with a second from a common key frame on', () => {
    const late = moving.slice(100)
    expect(matchNewest(ringOf(moving), ringOf(late, 500))?.offsetMs).toBe(-500)
    expect(matchNewest(ringOf(moving.slice(0, 120)), ringOf(late.slice(0, 20)))).toBeUndefined()
    const other = late.map((frame, at) => (at === 20 ? { ...frame, bytes: 'other' } : frame))
    expect(matchNewest(ringOf(moving), ringOf(other))).toBeUndefined()
  })
})
