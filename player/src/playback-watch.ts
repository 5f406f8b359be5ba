import type { Engine, TimeRange } from './engine.ts'
import { jumpTarget, shouldHold, shouldHoldBehindHole } from './live-course.ts'
import { bufferedAheadS } from './stats.ts'

const TICK_MS = 500
/** A viewer reads a notice only when it is worth reading. */
const NOTICE_AFTER_MS = 4_000
const JUMP_AFTER_MS = 1_500
const STUCK_AFTER_MS = 6_000
const RESTART_AFTER_MS = 20_000
const LONGEST_HOLD_MS = 8_000
/** A step of the position between two looks that playback can't have made. */
const LEAP_S = 5

type WatchOwner = {
  engine(): Engine | undefined
  /** The picture moves, or stands where the viewer has stopped it. */
  progressed(): void
  /** It has stood still long enough to say so. */
  standing(inputAway: boolean): void
  /** It has stood still although there is something to play. */
  hopeless(): void
}

/**
 * Looks twice a second whether the picture moves. A live stream whose encoder was away goes on behind a hole, which may be
 * longer than an engine jumps by itself, or have left the window altogether.
 */
export class PlaybackWatch {
  readonly #video: HTMLVideoElement
  readonly #owner: WatchOwner
  readonly #timer: ReturnType<typeof setInterval>
  readonly #listeners = new AbortController()
  #lastTime = -1
  #standingSinceMs = Date.now()
  #jumpDueMs = 0
  #restartDueMs = Number.POSITIVE_INFINITY
  #hasPlayed = false
  /** Playback is about to begin, or to go on after it had nothing to play. */
  #isBeginning = true
  /** How old the picture was when playback ran into a hole. */
  #latencyBeforeS: number | undefined
  #latencyS: number | undefined
  #isHolding = false
  #holdUntilMs = 0
  stalls = 0

  constructor(video: HTMLVideoElement, owner: WatchOwner) {
    this.#video = video
    this.#owner = owner
    this.#timer = setInterval(() => this.#look(), TICK_MS)
    const { signal } = this.#listeners
    video.addEventListener('waiting', () => this.#onWaiting(), { signal })
    video.addEventListener('playing', () => this.#begin(), { signal })
  }

  /** A new engine begins: it gets its time before it is judged. */
  restarted(): void {
    this.#restartDueMs = Date.now() + RESTART_AFTER_MS
    this.#hasPlayed = false
    this.#isBeginning = true
    this.#latencyBeforeS = undefined
    this.#lastTime = -1
    this.#release()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#listeners.abort()
    this.#release()
  }

  #onWaiting(): void {
    this.#isBeginning = true
    if (!this.#hasPlayed || this.#video.seeking) return
    this.#latencyBeforeS = this.#latencyS
    this.stalls += 1
  }

  #look(): void {
    const now = Date.now()
    const { currentTime: time, seeking, paused, ended, readyState } = this.#video
    const step = time - this.#lastTime
    const moved = this.#lastTime >= 0 && step > 0 && step < LEAP_S && !seeking
    this.#lastTime = time
    if (this.#isHolding && (now > this.#holdUntilMs || !this.#shouldHold())) this.#release()
    if (moved || paused || ended || this.#isHolding) {
      this.#hasPlayed ||= moved
      if (moved) this.#latencyS = this.#owner.engine()?.latencyS()
      this.#standingSinceMs = now
      this.#restartDueMs = now + RESTART_AFTER_MS
      if (moved || (paused && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA)) this.#owner.progressed()
      return
    }
    const engine = this.#owner.engine()
    if (engine) this.#onStanding(engine, now)
  }

  #onStanding(engine: Engine, now: number): void {
    const standingMs = now - this.#standingSinceMs
    const isAway = engine.inputAway()
    if (standingMs > NOTICE_AFTER_MS) this.#owner.standing(isAway)
    const isStuck = standingMs > STUCK_AFTER_MS
    if (standingMs > JUMP_AFTER_MS && now >= this.#jumpDueMs) this.#jump(engine, isStuck, isAway)
    // While the encoder is away there is nothing that a new engine could play, and the old one keeps asking.
    if (isAway && !engine.waitsInVain?.()) this.#restartDueMs = now + RESTART_AFTER_MS
    if (isAway) engine.lookAgain?.()
    if (now < this.#restartDueMs) return
    this.#restartDueMs = now + RESTART_AFTER_MS
    this.#owner.hopeless()
  }

  #begin(): void {
    if (!this.#isBeginning) return
    this.#isBeginning = false
    if (!this.#shouldHold()) {
      this.#latencyBeforeS = undefined
      return
    }
    this.#holdUntilMs = Date.now() + LONGEST_HOLD_MS
    // The picture waits without being paused: for the viewer, and for the engine, it plays.
    this.#isHolding = true
    this.#video.playbackRate = 0
  }

  #release(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#latencyBeforeS = undefined
    this.#video.playbackRate = 1
  }

  #shouldHold(): boolean {
    const engine = this.#owner.engine()
    const livePosition = engine?.isLive() && !engine.inputAway() ? engine.livePosition() : undefined
    const liveDelayS = engine?.liveDelayS()
    if (livePosition === undefined || liveDelayS === undefined) return false
    const { currentTime: position } = this.#video
    const latencyS = engine?.latencyS()
    const latencyBeforeS = this.#latencyBeforeS
    if (latencyBeforeS !== undefined && latencyS !== undefined) {
      return shouldHoldBehindHole({ latencyS, latencyBeforeS, liveDelayS })
    }
    return shouldHold({ position, livePosition, liveDelayS, bufferedAheadS: bufferedAheadS(this.#video) })
  }

  /** Over the hole to what comes behind it, or back to the live edge when the position has left the window. */
  #jump(engine: Engine, isStuck: boolean, isAway: boolean): void {
    const { currentTime: position } = this.#video
    const livePosition = engine.isLive() ? engine.livePosition() : undefined
    const stretch = engine.newestStretch()
    // An engine that waits for the encoder in the newest stretch is right to do so.
    const isEngineStuck = isStuck && !(isAway && stretch && position >= stretch.start)
    const range = engine.seekRange()
    const target = jumpTarget({
      position,
      buffered: rangesOf(this.#video.buffered),
      livePosition,
      stretch,
      isEngineStuck,
    })
    if (target !== undefined) this.#seek(target, isEngineStuck ? STUCK_AFTER_MS : JUMP_AFTER_MS)
    else if (livePosition !== undefined && range && this.#hasPlayed && position < range.start - 1)
      this.#seek(livePosition, JUMP_AFTER_MS)
  }

  /** `restMs`: what the engine is given to load before it is disturbed again. */
  #seek(position: number, restMs: number): void {
    this.#isBeginning = true
    this.#lastTime = position
    this.#jumpDueMs = Date.now() + restMs
    this.#video.currentTime = position
  }
}

function rangesOf(ranges: TimeRanges): readonly TimeRange[] {
  return Array.from({ length: ranges.length }, (_, index) => ({ start: ranges.start(index), end: ranges.end(index) }))
}
