import type { InputFault } from '../ports.ts'
import { type Frame, isKeyFrame } from './standby-buffer.ts'

/**
 * Nothing for so long, and an input has failed. Going over costs nothing where both carry the same frames; where it costs a
 * discontinuity, a hiccup of the network is given a little more.
 */
export const SILENCE_MS = { seamless: 1_000, broken: 1_500 } as const
/** An encoder, or a network, that delivers in bursts is given half as much again as it took of late, up to a limit. */
const BURST_FACTOR = 1.5
const LONGEST_SILENCE_MS = 5_000
const BURSTS_KEPT_MS = 20_000
/** Sound may pause where a picture may not. */
const SOUND_SILENCE_MS = 3_000
/** Media that comes so much later than it did has fallen behind: the encoder's uplink is too slow. */
const LATE_MS = 2_000
const LATENESS_KEPT_MS = 60_000
/** A delay that grows by more than this from one frame to the next, and not because nothing came, is a clock that was set back. */
const CLOCK_STEP_MS = 1_000
/** Of the usual distance of key frames: as many without one, and there will be none. */
const KEY_FRAMES_MISSED = 3

/** The extreme of what was measured of late: over one span at least, over two at most. */
class Recent {
  readonly #spanMs: number
  readonly #pick: (a: number, b: number) => number
  #before: number | undefined
  #now: number | undefined
  #sinceMs = 0

  constructor(spanMs: number, pick: (a: number, b: number) => number) {
    this.#spanMs = spanMs
    this.#pick = pick
  }

  add(value: number, nowMs: number): void {
    if (nowMs - this.#sinceMs > this.#spanMs) {
      this.#before = this.#now
      this.#now = undefined
      this.#sinceMs = nowMs
    }
    this.#now = this.#now === undefined ? value : this.#pick(this.#now, value)
  }

  reset(): void {
    this.#before = undefined
    this.#now = undefined
  }

  get value(): number | undefined {
    if (this.#before === undefined || this.#now === undefined) return this.#now ?? this.#before
    return this.#pick(this.#before, this.#now)
  }
}

/** Whether an input delivers: that its media arrives, in time, with key frames. Arrival times are of a monotonic clock. */
export class InputVitals {
  readonly #declaredGopMs: number
  readonly #gaps = new Recent(BURSTS_KEPT_MS, Math.max)
  readonly #delays = new Recent(LATENESS_KEPT_MS, Math.min)
  #hasVideo = false
  #pictureMs: number
  #soundMs: number | undefined
  #keyMs: number | undefined
  #keyMediaMs: number | undefined
  #gopMs: number
  #gopFrames = 0
  #frameRate: number | undefined
  #delayMs = 0
  #wellSinceMs: number | undefined
  /** How many times it was asked to wait, and may not go on yet. */
  #holds = 0

  constructor(declaredGopMs: number, nowMs: number) {
    this.#declaredGopMs = declaredGopMs
    this.#gopMs = declaredGopMs
    this.#pictureMs = nowMs
  }

  /** A decoder could begin with what it sends. */
  get hasBegun(): boolean {
    return this.#keyMs !== undefined || (!this.#hasVideo && this.#soundMs !== undefined)
  }

  /** Pictures per second in the last whole GOP. */
  get frameRate(): number | undefined {
    return this.#frameRate
  }

  /** `ms`: on the session's clock, unrolled. */
  frame(frame: Frame, ms: number, nowMs: number): void {
    const delayMs = nowMs - ms
    const heardMs = Math.max(this.#pictureMs, this.#soundMs ?? 0)
    if (delayMs - this.#delayMs - (nowMs - heardMs) > CLOCK_STEP_MS) this.#delays.reset()
    this.#delayMs = delayMs
    this.#delays.add(delayMs, nowMs)
    if (frame.kind === 'audio') {
      if (!this.#hasVideo) this.#arrived(nowMs)
      this.#soundMs = nowMs
      return
    }
    this.#hasVideo = true
    this.#arrived(nowMs)
    if (!isKeyFrame(frame)) {
      if (frame.trackId === 0) this.#gopFrames++
      return
    }
    if (this.#keyMediaMs !== undefined) this.#gopMs = Math.max(0, ms - this.#keyMediaMs)
    if (this.#keyMediaMs !== undefined && this.#gopMs > 0) this.#frameRate = (this.#gopFrames * 1_000) / this.#gopMs
    this.#gopFrames = 1
    this.#keyMs = nowMs
    this.#keyMediaMs = ms
  }

  /** We read no more of it until `wait` settles: that nothing comes meanwhile, and late afterwards, is no fault of its own. */
  hold(wait: Promise<void>, nowMs: () => number): void {
    this.#holds++
    void wait.then(() => {
      this.#holds--
      this.#pictureMs = nowMs()
      if (this.#soundMs !== undefined) this.#soundMs = this.#pictureMs
      if (this.#keyMs !== undefined) this.#keyMs = this.#pictureMs
      this.#delays.reset()
    })
  }

  /** What is wrong with it, if anything. `isSeamless`: another input has the same frames. */
  fault(nowMs: number, isSeamless: boolean): InputFault | undefined {
    if (this.#holds > 0) return undefined
    const leastMs = isSeamless ? SILENCE_MS.seamless : SILENCE_MS.broken
    const usualMs = Math.min(LONGEST_SILENCE_MS, (this.#gaps.value ?? 0) * BURST_FACTOR)
    if (nowMs - this.#pictureMs > Math.max(leastMs, usualMs)) return 'silent'
    if (this.#soundMs !== undefined && nowMs - this.#soundMs > Math.max(SOUND_SILENCE_MS, usualMs)) return 'no-sound'
    const keyGapMs = KEY_FRAMES_MISSED * Math.max(this.#gopMs, this.#declaredGopMs)
    if (this.#hasVideo && this.#keyMs !== undefined && nowMs - this.#keyMs > keyGapMs) return 'no-key-frames'
    return this.#delayMs - (this.#delays.value ?? this.#delayMs) > LATE_MS ? 'late' : undefined
  }

  /** For how long it has been without fault, as far as it was looked at; call it every few hundred ms. */
  wellForMs(nowMs: number, isSeamless: boolean): number {
    if (!this.hasBegun || this.fault(nowMs, isSeamless)) {
      this.#wellSinceMs = undefined
      return 0
    }
    this.#wellSinceMs ??= nowMs
    return nowMs - this.#wellSinceMs
  }

  #arrived(nowMs: number): void {
    const gapMs = nowMs - this.#pictureMs
    // A failure says nothing about how it usually delivers.
    if (gapMs < LONGEST_SILENCE_MS) this.#gaps.add(gapMs, nowMs)
    this.#pictureMs = nowMs
  }
}
