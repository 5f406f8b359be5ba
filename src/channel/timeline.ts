import type { Clock } from '../lib/clock.ts'
import { frameSamples } from '../media/codecs/frame-samples.ts'
import { type AudioConfig, type Contribution, type Sample, VIDEO_TIMESCALE } from '../media/media.ts'
import { AudioCounter } from './audio-counter.ts'
import { SessionClock } from './session-clock.ts'

type Frame = Extract<Contribution, { readonly type: 'frame' }>

/** What became of a contributed frame. */
export type Placement =
  | { readonly kind: 'sample'; readonly sample: Sample }
  /** The session's clock left its course; the sample is the first of a new stretch. */
  | { readonly kind: 'jump'; readonly sample: Sample }
  | { readonly kind: 'dropped'; readonly reason: 'straggler' | 'overlap' | 'not-configured' }

/**
 * The channel's place in time: where its media stands on the epoch, shared by all its layers, so that encoders which
 * publish side by side from one clock stay side by side.
 */
export class ChannelTimeline {
  readonly #clock: Clock
  /** Nothing is ever placed at or before this (ms since the epoch). */
  #highWaterMs: number
  #offsetMs: number | undefined

  constructor(clock: Clock, highWaterMs: number) {
    this.#clock = clock
    this.#highWaterMs = highWaterMs
  }

  get highWaterMs(): number {
    return this.#highWaterMs
  }

  /** Raises the mark that no later anchor goes below. */
  raise(epochMs: number): void {
    if (epochMs > this.#highWaterMs) this.#highWaterMs = epochMs
  }

  /** The shared clock is given up: the next session anchors anew. */
  release(): void {
    this.#offsetMs = undefined
  }

  /**
   * The offset from a session's milliseconds to the epoch's. A session joining a running clock shares its offset when that
   * puts it within `SHARED_CLOCK_MS` of now; else it is anchored at max(now, high-water mark + one frame).
   */
  anchor(sessionMs: number, mayShare: boolean): number {
    const nowMs = this.#clock.now()
    if (mayShare && this.#offsetMs !== undefined) {
      const sharedMs = sessionMs + this.#offsetMs
      if (Math.abs(sharedMs - nowMs) < SHARED_CLOCK_MS) return this.#offsetMs
    }
    const offsetMs = Math.ceil(Math.max(nowMs, this.#highWaterMs + ONE_FRAME_MS) - sessionMs)
    if (!mayShare || this.#offsetMs === undefined) this.#offsetMs = offsetMs
    return offsetMs
  }
}

const SHARED_CLOCK_MS = 3_000
const ONE_FRAME_MS = 40

/** Maps one session's frames onto the channel's timeline: rollover, jumps, jitter and non-monotonic DTS end here. */
export class SessionTimeline {
  readonly #clock: Clock
  readonly #channel: ChannelTimeline
  readonly #sessionClock = new SessionClock()
  readonly #audio = new Map<number, { readonly config: AudioConfig; readonly counter: AudioCounter }>()
  readonly #lastVideoTicks = new Map<number, number>()
  #offsetMs: number | undefined
  #lastEpochMs = 0
  #driftMs = 0

  constructor(clock: Clock, channel: ChannelTimeline) {
    this.#clock = clock
    this.#channel = channel
  }

  /** How far the newest frame stands ahead of the wall clock, in ms; its growth is the encoder clock's drift. */
  get driftMs(): number {
    return this.#driftMs
  }

  /** The newest place that was given, in ms since the epoch; 0 before the first. */
  get newestEpochMs(): number {
    return this.#lastEpochMs
  }

  configureAudio(trackId: number, config: AudioConfig): void {
    this.#audio.set(trackId, { config, counter: new AudioCounter(config.sampleRate) })
  }

  place(frame: Frame): Placement {
    const step = this.#sessionClock.step(frame.dtsMs, this.#clock.monotonicMs())
    if (step.kind === 'straggler') return { kind: 'dropped', reason: 'straggler' }
    const isJump = step.kind === 'jump'
    if (isJump) this.#forget()
    this.#offsetMs ??= this.#channel.anchor(step.ms, !isJump)
    const epochMs = step.ms + this.#offsetMs
    this.#lastEpochMs = Math.max(this.#lastEpochMs, epochMs)
    this.#driftMs = this.#lastEpochMs - this.#clock.now()
    const sample = frame.kind === 'video' ? this.#placeVideo(frame, epochMs) : this.#placeAudio(frame, epochMs)
    if (typeof sample === 'string') return { kind: 'dropped', reason: sample }
    return { kind: isJump ? 'jump' : 'sample', sample }
  }

  /** The present course is given up (after a gap that wall time does not explain): the next frame anchors anew. */
  reanchor(): void {
    this.#forget()
    this.#offsetMs = undefined
    this.#channel.release()
  }

  #forget(): void {
    this.#offsetMs = undefined
    this.#lastEpochMs = 0
    this.#lastVideoTicks.clear()
    for (const [trackId, { config }] of this.#audio) this.configureAudio(trackId, config)
  }

  #placeVideo(frame: Frame, epochMs: number): Sample {
    const claimedTicks = Math.round((epochMs * VIDEO_TIMESCALE) / 1_000)
    const ptsTicks = claimedTicks + Math.round((frame.compositionMs * VIDEO_TIMESCALE) / 1_000)
    // A DTS that does not advance is nudged on by one tick; its PTS stays, because that is what people see.
    const lastTicks = this.#lastVideoTicks.get(frame.trackId) ?? Number.NEGATIVE_INFINITY
    const dtsTicks = Math.max(claimedTicks, lastTicks + 1)
    this.#lastVideoTicks.set(frame.trackId, dtsTicks)
    return { dtsTicks, compositionTicks: ptsTicks - dtsTicks, independent: frame.independent, data: frame.data }
  }

  #placeAudio(frame: Frame, epochMs: number): Sample | 'overlap' | 'not-configured' {
    const track = this.#audio.get(frame.trackId)
    if (!track) return 'not-configured'
    const dtsTicks = track.counter.place(epochMs, frameSamples(track.config, frame.data))
    if (dtsTicks === undefined) return 'overlap'
    return { dtsTicks, compositionTicks: 0, independent: true, data: frame.data }
  }
}
