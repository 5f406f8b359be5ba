/** When a child is no longer well. */
export type HealthOptions = {
  readonly stallMs: number
  readonly lagBudgetMs: number
  /** Frames that the encoder may hold by right, so that a source of one frame a second isn't taken for a stall. */
  readonly heldFrames: number
}

/** `stalled`: no output while input is written. `audio-silent`: the same for the sound alone. `behind`: alive but too slow. */
export type HealthVerdict = 'well' | 'stalled' | 'audio-silent' | 'behind'

type Kind = 'video' | 'audio'
type Unanswered = { sinceMs: number; frames: number }

/** Audio frames are short, and codecs hold a few. */
const HELD_AUDIO_FRAMES = 64
/** A lag that shrinks is a burst being worked off, not a machine that is too small. */
const LAG_JUDGED_OVER_MS = 1000
const SHRINKING_MS = 200

/** Watches one child from its input and output times. `ptsMs` is media time, `nowMs` a clock that never goes back. */
export class ChildHealth {
  readonly #options: HealthOptions
  readonly #unanswered = new Map<Kind, Unanswered>()
  readonly #firstInputMs = new Map<Kind, number>()
  readonly #newestInputMs = new Map<Kind, number>()
  readonly #newestOutputMs = new Map<Kind, number>()
  #outputs = 0
  #over: { readonly nowMs: number; readonly lagMs: number; readonly outputs: number } | undefined

  constructor(options: HealthOptions) {
    this.#options = options
  }

  inputWritten(kind: Kind, ptsMs: number, nowMs: number): void {
    const waiting = this.#unanswered.get(kind)
    if (waiting) waiting.frames++
    else this.#unanswered.set(kind, { sinceMs: nowMs, frames: 1 })
    if (!this.#firstInputMs.has(kind)) this.#firstInputMs.set(kind, ptsMs)
    this.#newestInputMs.set(kind, Math.max(ptsMs, this.#newestInputMs.get(kind) ?? ptsMs))
  }

  outputSeen(kind: Kind, ptsMs: number): void {
    this.#outputs++
    this.#unanswered.delete(kind)
    this.#newestOutputMs.set(kind, Math.max(ptsMs, this.#newestOutputMs.get(kind) ?? ptsMs))
  }

  /** Media time between the newest picture that went in and the newest that came out; of the sound where there is no picture. */
  get lagMs(): number {
    const kind = this.#firstInputMs.has('video') ? 'video' : 'audio'
    const first = this.#firstInputMs.get(kind)
    const newest = this.#newestInputMs.get(kind)
    if (first === undefined || newest === undefined) return 0
    return Math.max(0, newest - Math.max(first, this.#newestOutputMs.get(kind) ?? first))
  }

  /** Media that came out, in milliseconds. */
  get producedMs(): number {
    const kind = this.#firstInputMs.has('video') ? 'video' : 'audio'
    const newest = this.#newestOutputMs.get(kind)
    return newest === undefined ? 0 : Math.max(0, newest - (this.#firstInputMs.get(kind) ?? newest))
  }

  /** To be asked a few times a second. */
  verdict(nowMs: number): HealthVerdict {
    const audioStalled = this.#isStalled('audio', HELD_AUDIO_FRAMES, nowMs)
    const hasVideo = this.#firstInputMs.has('video')
    if (hasVideo ? this.#isStalled('video', this.#options.heldFrames, nowMs) : audioStalled) return 'stalled'
    if (this.#isBehind(nowMs)) return 'behind'
    return audioStalled ? 'audio-silent' : 'well'
  }

  #isStalled(kind: Kind, heldFrames: number, nowMs: number): boolean {
    const waiting = this.#unanswered.get(kind)
    return waiting !== undefined && waiting.frames > heldFrames && nowMs - waiting.sinceMs > this.#options.stallMs
  }

  #isBehind(nowMs: number): boolean {
    const { lagMs } = this
    const over = this.#over
    if (lagMs <= this.#options.lagBudgetMs) {
      this.#over = undefined
      return false
    }
    if (over && nowMs - over.nowMs < LAG_JUDGED_OVER_MS) return false
    this.#over = { nowMs, lagMs, outputs: this.#outputs }
    // Without any output it is a stall, which a cheaper preset doesn't cure.
    return over !== undefined && lagMs > over.lagMs - SHRINKING_MS && this.#outputs > over.outputs
  }
}
