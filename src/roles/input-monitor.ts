import type { EventData } from '../domain/events.ts'
import { assessInput, type HealthMemory, type IngestMeasurement, type InputHealth } from '../domain/input-health.ts'
import type { Clock } from '../lib/clock.ts'
import type { Contribution } from '../media/media.ts'

/** What one look at the counters found since the look before. */
type Tally = {
  elapsedMs: number
  bytes: number
  videoFrames: number
  frames: number
  dropped: number
  jumps: number
  longestGopMs: number
}

/** What the encoder says of itself. */
type Declared = { bitsPerSecond?: number; framesPerSecond?: number }

/** The figures of a heartbeat. */
export type InputFigures = Pick<
  EventData<'channel.ingest-heartbeat'>,
  'bitsPerSecond' | 'framesPerSecond' | 'driftMs' | 'gopMs' | 'framesDropped' | 'health'
>

/** Looks that are remembered, one a second. */
const WINDOW_LOOKS = 5
/** Rates of less are chance. */
const RATE_FROM_MS = 2_500
/** What an encoder sends at first may have no place yet: sound from before the first picture, or before its header. */
const SETTLING_MS = 5_000
const GOOD: InputHealth = { status: 'good', reasons: [] }

/**
 * Measures one publishing input. While media comes it only counts; `look`, about once a second, turns the counts of the
 * last few seconds into figures and a judgement.
 */
export class InputMonitor {
  readonly #clock: Clock
  readonly #declaredGopMs: number
  readonly #declared: Declared = {}
  readonly #looks: Tally[] = []
  readonly #settledMs: number
  #now: Tally
  #lookedMs: number
  #heardMs: number
  #keyFrameMs: number
  #hasVideo = false
  #sawKeyFrame = false
  #lastKeyDtsMs: number | undefined
  #lastVideoDtsMs = 0
  #driftMs: number | undefined
  #droppedTotal = 0
  #memory: HealthMemory = {}
  #health = GOOD

  constructor(declaredGopMs: number, clock: Clock) {
    this.#clock = clock
    this.#declaredGopMs = declaredGopMs
    this.#now = nothing()
    this.#lookedMs = this.#heardMs = this.#keyFrameMs = clock.monotonicMs()
    this.#settledMs = this.#lookedMs + SETTLING_MS
  }

  /** As of the last look. */
  get health(): InputHealth {
    return this.#health
  }

  /** Before it goes on its way through the channel. */
  take(contribution: Contribution): void {
    if (contribution.type === 'frame') this.#frame(contribution)
    else if (contribution.type === 'metadata') this.#declare(contribution.values)
  }

  dropped(): void {
    this.#droppedTotal++
    if (this.#lookedMs >= this.#settledMs) this.#now.dropped++
  }

  clockJumped(): void {
    this.#now.jumps++
  }

  drift(ms: number): void {
    this.#driftMs = ms
  }

  /** Judges the input by what came since the last few looks. */
  look(): InputHealth {
    const nowMs = this.#clock.monotonicMs()
    this.#now.elapsedMs = nowMs - this.#lookedMs
    this.#lookedMs = nowMs
    if (this.#now.frames > 0) this.#heardMs = nowMs
    if (this.#sawKeyFrame) this.#keyFrameMs = nowMs
    this.#sawKeyFrame = false
    this.#looks.push(this.#now)
    this.#now = nothing()
    if (this.#looks.length > WINDOW_LOOKS) this.#looks.shift()
    const assessed = assessInput(this.#memory, this.#measure(nowMs), nowMs)
    this.#memory = assessed.memory
    this.#health = assessed.health
    return this.#health
  }

  figures(): InputFigures {
    const { bitsPerSecond = 0, framesPerSecond = 0, driftMs = 0, gopMs } = this.#measure(this.#clock.monotonicMs())
    return {
      bitsPerSecond: Math.round(bitsPerSecond),
      framesPerSecond: Math.round(framesPerSecond * 10) / 10,
      driftMs: Math.round(driftMs),
      ...(gopMs !== undefined && { gopMs: Math.round(gopMs) }),
      framesDropped: this.#droppedTotal,
      health: this.#health,
    }
  }

  #frame({ kind, trackId, independent, dtsMs, data }: Extract<Contribution, { readonly type: 'frame' }>): void {
    const now = this.#now
    now.frames++
    now.bytes += data.byteLength
    if (kind !== 'video' || trackId !== 0) return
    now.videoFrames++
    this.#hasVideo = true
    this.#lastVideoDtsMs = dtsMs
    if (!independent) return
    this.#sawKeyFrame = true
    const gopMs = dtsMs - (this.#lastKeyDtsMs ?? dtsMs)
    if (gopMs > now.longestGopMs) now.longestGopMs = gopMs
    this.#lastKeyDtsMs = dtsMs
  }

  #declare(values: Readonly<Record<string, unknown>>): void {
    const positive = (name: string) => {
      const value = values[name]
      return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined
    }
    const framesPerSecond = positive('framerate')
    const video = positive('videodatarate')
    // The audio's rate alone would say nothing of a stream with pictures.
    const kilobits = video === undefined && positive('width') !== undefined ? undefined : (video ?? 0)
    const bitsPerSecond = kilobits === undefined ? 0 : (kilobits + (positive('audiodatarate') ?? 0)) * 1_000
    if (framesPerSecond !== undefined) this.#declared.framesPerSecond = framesPerSecond
    if (bitsPerSecond > 0) this.#declared.bitsPerSecond = bitsPerSecond
  }

  #measure(nowMs: number): IngestMeasurement {
    const sum = this.#looks.reduce(added, nothing())
    const isLong = sum.elapsedMs >= RATE_FROM_MS
    const perSecond = (count: number) => (count * 1_000) / sum.elapsedMs
    const openGopMs = this.#lastVideoDtsMs - (this.#lastKeyDtsMs ?? this.#lastVideoDtsMs)
    const gopMs = Math.max(sum.longestGopMs, openGopMs)
    const { bitsPerSecond, framesPerSecond } = this.#declared
    return {
      silenceMs: nowMs - this.#heardMs,
      declaredGopMs: this.#declaredGopMs,
      ...(gopMs > 0 && { gopMs }),
      ...(this.#hasVideo && { keyFrameAgeMs: nowMs - this.#keyFrameMs }),
      ...(isLong && { bitsPerSecond: perSecond(sum.bytes) * 8 }),
      ...(isLong && this.#hasVideo && { framesPerSecond: perSecond(sum.videoFrames) }),
      ...(bitsPerSecond !== undefined && { declaredBitsPerSecond: bitsPerSecond }),
      ...(framesPerSecond !== undefined && { declaredFramesPerSecond: framesPerSecond }),
      ...(this.#driftMs !== undefined && { driftMs: this.#driftMs }),
      timestampJumps: sum.jumps,
      framesReceived: sum.frames,
      framesDropped: sum.dropped,
    }
  }
}

function nothing(): Tally {
  return { elapsedMs: 0, bytes: 0, videoFrames: 0, frames: 0, dropped: 0, jumps: 0, longestGopMs: 0 }
}

function added(sum: Tally, look: Tally): Tally {
  return {
    elapsedMs: sum.elapsedMs + look.elapsedMs,
    bytes: sum.bytes + look.bytes,
    videoFrames: sum.videoFrames + look.videoFrames,
    frames: sum.frames + look.frames,
    dropped: sum.dropped + look.dropped,
    jumps: sum.jumps + look.jumps,
    longestGopMs: Math.max(sum.longestGopMs, look.longestGopMs),
  }
}
