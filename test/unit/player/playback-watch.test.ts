import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Engine } from '../../../player/src/engine.ts'
import { PlaybackWatch } from '../../../player/src/playback-watch.ts'

// The page has no clock port: its Date and its timers are the test's.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A picture that stands still, and an engine that says why. */
function watch(engine: { inputAway: boolean; waitsInVain?: boolean }) {
  const video = Object.assign(new EventTarget(), {
    ...{ currentTime: 10, seeking: false, paused: false, ended: false, readyState: 2, playbackRate: 1 },
    buffered: { length: 0, start: () => 0, end: () => 0 },
  })
  const told = { restarts: 0, looks: 0, notices: new Set<string>() }
  const asked: Partial<Engine> = {
    inputAway: () => engine.inputAway,
    waitsInVain: () => engine.waitsInVain ?? false,
    isLive: () => true,
    livePosition: () => 10,
    newestStretch: () => ({ start: 0, end: Number.POSITIVE_INFINITY }),
    seekRange: () => ({ start: 0, end: 12 }),
    lookAgain: () => void told.looks++,
  }
  const watching = new PlaybackWatch(video as unknown as HTMLVideoElement, {
    engine: () => asked as Engine,
    progressed: () => undefined,
    standing: (isAway) => void told.notices.add(isAway ? 'away' : 'waiting'),
    hopeless: () => void told.restarts++,
  })
  watching.restarted()
  return { watching, told, engine }
}

describe('a picture that stands still', () => {
  it('has the engine begin anew after 20 seconds', () => {
    const { watching, told } = watch({ inputAway: false })
    vi.advanceTimersByTime(19_500)
    expect(told.restarts).toBe(0)
    vi.advanceTimersByTime(1_000)
    expect([told.restarts, ...told.notices]).toEqual([1, 'waiting'])
    watching.stop()
  })

  it('has not while the encoder is away, unless it is waited for in vain', () => {
    const { watching, told, engine } = watch({ inputAway: true })
    vi.advanceTimersByTime(300_000)
    expect([told.restarts, ...told.notices]).toEqual([0, 'away'])
    engine.waitsInVain = true
    vi.advanceTimersByTime(19_000)
    expect(told.restarts).toBe(0)
    const { looks } = told
    vi.advanceTimersByTime(1_000)
    expect([told.restarts, ...told.notices]).toEqual([1, 'away'])
    expect(told.looks).toBeGreaterThan(looks)
    watching.stop()
  })
})
