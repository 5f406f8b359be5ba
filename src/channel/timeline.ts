import type { Clock } from '../lib/clock.ts'
import { frameSamples } from '../media/codecs/frame-samples.ts'
import { type AudioConfig, type Contribution, type Sample, VIDEO_TIMESCALE } from '../media/media.ts'
import { AudioCounter } from './audio-counter.ts'
import type { ChannelTimeline, ClockSource } from './channel-timeline.ts'
import { SessionClock, unroll } from './session-clock.ts'

type Frame = Extract<Contribution, { readonly type: 'frame' }>

/** A sample with its own duration, where its codec says one: of audio, in samples. */
export type PlacedSample = { readonly sample: Sample; readonly durationTicks: number | undefined }

/** What became of a contributed frame. */
export type Placement =
  | ({ readonly kind: 'sample' } & PlacedSample)
  /** The session's course was left; the sample is the first of a new one. */
  | ({ readonly kind: 'jump' } & PlacedSample)
  | { readonly kind: 'dropped'; readonly reason: 'straggler' | 'overlap' | 'not-configured' }

/** A picture is shown this far from where it is decoded at most: what is further is no reordering but nonsense. */
const MAX_COMPOSITION_MS = 10_000
const TICKS_PER_MS = VIDEO_TIMESCALE / 1_000
/** Pictures whose decode time goes back by more than this were not mixed up: the clock was set back. */
const BACK_STEP_MS = 500

/** Maps one session's frames onto the channel's timeline: rollover, jumps, jitter and non-monotonic DTS end here. */
export class SessionTimeline {
  readonly #clock: Clock
  readonly #channel: ChannelTimeline
  readonly #input: ClockSource
  readonly #sessionClock = new SessionClock()
  readonly #audio = new Map<number, { readonly config: AudioConfig; readonly counter: AudioCounter }>()
  readonly #lastVideoTicks = new Map<number, number>()
  #offsetMs: number | undefined
  /** The offset of the course that was left, until the new one has its own. */
  #leftOffsetMs: number | undefined
  #lastEpochMs = 0
  #driftMs = 0
  /** How far ahead of the wall clock it was anchored. */
  #leadMs = 0

  constructor(clock: Clock, channel: ChannelTimeline, input: ClockSource = 'primary') {
    this.#clock = clock
    this.#channel = channel
    this.#input = input
  }

  /** How far the newest frame stands ahead of where an encoder with an exact clock would have it, in ms. */
  get encoderDriftMs(): number {
    return this.#driftMs - this.#leadMs
  }

  /** How far the newest frame stands ahead of the wall clock, in ms; its growth is the encoder clock's drift. */
  get driftMs(): number {
    return this.#driftMs
  }

  /** The newest place that was given, in ms since the epoch; 0 before the first. */
  get newestEpochMs(): number {
    return this.#lastEpochMs
  }

  /** Where a timestamp of the encoder stands, ms since the epoch; `undefined` before its first frame, and behind a jump. */
  placeOf(rawMs: number): number | undefined {
    const { lastMs } = this.#sessionClock
    if (this.#offsetMs === undefined || lastMs === undefined) return undefined
    return lastMs + unroll(rawMs, lastMs) + this.#offsetMs
  }

  /** Before the first frame of the track, and again when its configuration changes. */
  configureAudio(trackId: number, config: AudioConfig): void {
    this.#audio.set(trackId, { config, counter: new AudioCounter(config.sampleRate) })
  }

  /** `ageMs`: how long ago it arrived. Throws a `FormatError` for audio that is not what its configuration says. */
  place(frame: Frame, ageMs = 0): Placement {
    const step = this.#sessionClock.step(frame.dtsMs, this.#clock.monotonicMs())
    if (step.kind === 'straggler') return { kind: 'dropped', reason: 'straggler' }
    if (step.kind === 'jump' || this.#stepsBack(frame, step.ms)) this.reanchor()
    const isJump = this.#leftOffsetMs !== undefined
    this.#offsetMs ??= this.#anchor(step.ms, ageMs)
    const epochMs = step.ms + this.#offsetMs
    const placed = frame.kind === 'video' ? this.#placeVideo(frame, epochMs) : this.#placeAudio(frame, epochMs)
    if (typeof placed === 'string') return { kind: 'dropped', reason: placed }
    this.#leftOffsetMs = undefined
    this.#lastEpochMs = Math.max(this.#lastEpochMs, epochMs)
    this.#driftMs = this.#lastEpochMs - this.#clock.now()
    return { kind: isJump ? 'jump' : 'sample', ...placed }
  }

  #anchor(sessionMs: number, ageMs: number): number {
    const offsetMs = this.#channel.anchor(sessionMs, this.#leftOffsetMs, { input: this.#input, ageMs })
    this.#leadMs = Math.max(0, sessionMs + offsetMs - (this.#clock.now() - ageMs))
    return offsetMs
  }

  /** The present course is given up: the next frame anchors anew, and is reported as a jump. */
  reanchor(): void {
    this.#leftOffsetMs = this.#offsetMs ?? this.#leftOffsetMs
    this.#offsetMs = undefined
    this.#lastEpochMs = 0
    this.#lastVideoTicks.clear()
    for (const [trackId, { config }] of this.#audio) this.configureAudio(trackId, config)
  }

  /** A step that is too short for the session's clock, which can't tell it from interleaving. */
  #stepsBack({ kind, trackId }: Frame, sessionMs: number): boolean {
    const lastTicks = kind === 'video' ? this.#lastVideoTicks.get(trackId) : undefined
    if (lastTicks === undefined || this.#offsetMs === undefined) return false
    return lastTicks / TICKS_PER_MS - (sessionMs + this.#offsetMs) > BACK_STEP_MS
  }

  #placeVideo(frame: Frame, epochMs: number): PlacedSample {
    const claimedTicks = Math.round(epochMs * TICKS_PER_MS)
    const compositionMs = Math.max(-MAX_COMPOSITION_MS, Math.min(MAX_COMPOSITION_MS, frame.compositionMs))
    const ptsTicks = claimedTicks + Math.round(compositionMs * TICKS_PER_MS)
    // A DTS that does not advance is nudged on by one tick; its PTS stays, because that is what people see.
    const lastTicks = this.#lastVideoTicks.get(frame.trackId) ?? Number.NEGATIVE_INFINITY
    const dtsTicks = Math.max(claimedTicks, lastTicks + 1)
    this.#lastVideoTicks.set(frame.trackId, dtsTicks)
    this.#channel.raise(Math.max(ptsTicks, dtsTicks) / TICKS_PER_MS)
    const { independent, data } = frame
    return { sample: { dtsTicks, compositionTicks: ptsTicks - dtsTicks, independent, data }, durationTicks: undefined }
  }

  #placeAudio(frame: Frame, epochMs: number): PlacedSample | 'overlap' | 'not-configured' {
    const track = this.#audio.get(frame.trackId)
    if (!track) return 'not-configured'
    const { sampleRate } = track.config
    const durationTicks = frameSamples(track.config, frame.data)
    const dtsTicks = track.counter.place(epochMs, durationTicks)
    if (dtsTicks === undefined) return 'overlap'
    this.#channel.raise(((dtsTicks + durationTicks) * 1_000) / sampleRate)
    const sample = { dtsTicks, compositionTicks: 0, independent: true, data: frame.data }
    return { sample, durationTicks: Math.max(1, durationTicks) }
  }
}
