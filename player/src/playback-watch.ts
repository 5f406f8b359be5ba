import type { Engine } from './engine.ts'

const TICK_MS = 500
/** A viewer reads a notice only when it is worth reading. */
const NOTICE_AFTER_MS = 4_000
const JUMP_AFTER_MS = 1_500
const RESTART_AFTER_MS = 20_000
/** Slow enough to rebuild a buffer within half a minute, and nobody hears it: browsers keep the pitch. */
const RECOVERY_RATE = 0.92
const TOO_CLOSE_S = 1

type WatchOwner = {
  engine(): Engine | undefined
  /** The picture moves. */
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
  #restartDueMs = Number.POSITIVE_INFINITY
  #hasPlayed = false
  stalls = 0

  constructor(video: HTMLVideoElement, owner: WatchOwner) {
    this.#video = video
    this.#owner = owner
    this.#timer = setInterval(() => this.#look(), TICK_MS)
    video.addEventListener('waiting', () => this.#onWaiting(), { signal: this.#listeners.signal })
  }

  /** A new engine begins: it gets its time before it is judged. */
  restarted(): void {
    this.#restartDueMs = Date.now() + RESTART_AFTER_MS
    this.#hasPlayed = false
    this.#lastTime = -1
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#listeners.abort()
  }

  #onWaiting(): void {
    if (this.#hasPlayed && !this.#video.seeking) this.stalls += 1
  }

  #look(): void {
    const now = Date.now()
    const time = this.#video.currentTime
    const moved = this.#lastTime >= 0 && time > this.#lastTime && !this.#video.seeking
    this.#lastTime = time
    if (moved) this.#hasPlayed = true
    if (moved || this.#video.paused || this.#video.ended) {
      this.#standingSinceMs = now
      this.#restartDueMs = now + RESTART_AFTER_MS
      if (moved) {
        this.#keepDistance()
        this.#owner.progressed()
      }
      return
    }
    const engine = this.#owner.engine()
    const standingMs = now - this.#standingSinceMs
    if (!engine) return
    if (standingMs > NOTICE_AFTER_MS) this.#owner.standing(engine.inputAway())
    if (standingMs > JUMP_AFTER_MS) this.#jump(engine)
    if (now < this.#restartDueMs) return
    this.#restartDueMs = now + RESTART_AFTER_MS
    // While the encoder is away there is nothing that a new engine could play, and the old one keeps asking.
    if (!engine.inputAway()) this.#owner.hopeless()
  }

  /**
   * Behind a hole playback goes on with the first media there is, so close to the live edge that the next late segment would
   * stop it; it falls back to the advised distance without stopping.
   */
  #keepDistance(): void {
    const engine = this.#owner.engine()
    const live = engine?.isLive() ? engine.livePosition() : undefined
    const lead = live === undefined ? 0 : this.#video.currentTime - live
    if (lead > TOO_CLOSE_S) this.#video.playbackRate = RECOVERY_RATE
    else if (lead < TOO_CLOSE_S / 4 && this.#video.playbackRate === RECOVERY_RATE) this.#video.playbackRate = 1
  }

  /** Over the hole to what is buffered behind it, or back to the live edge when the position has left the window. */
  #jump(engine: Engine): void {
    const { buffered, currentTime } = this.#video
    for (let i = 0; i < buffered.length; i++) {
      const start = buffered.start(i)
      if (start > currentTime && buffered.end(i) - start > 0.5) {
        this.#video.currentTime = start + 0.05
        return
      }
    }
    const range = engine.seekRange()
    const live = engine.livePosition()
    if (engine.isLive() && range && live !== undefined && this.#hasPlayed && currentTime < range.start - 1) {
      this.#video.currentTime = live
    }
  }
}
