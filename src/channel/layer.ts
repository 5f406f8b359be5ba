import type { Clock } from '../lib/clock.ts'
import type { CodecConfig, Contribution } from '../media/media.ts'
import type { ChannelTimeline, ClockSource } from './channel-timeline.ts'
import type { PlacedCue } from './markers-rtmp.ts'
import type { ChannelObserver, ContributionSink } from './ports.ts'
import { type PlacedSample, SessionTimeline } from './timeline.ts'

/** Where a layer's access units go: straight into the segmenter, or into the transcoder. */
export type LayerOutput = {
  configure(layer: Layer, trackId: number, config: CodecConfig): void
  /** A promise: the pipeline is congested. */
  write(layer: Layer, kind: 'video' | 'audio', trackId: number, placed: PlacedSample): Promise<void> | undefined
  /** The layer's clock left its course: what it writes from now on is a new stretch of the timeline. */
  jumped(layer: Layer): void
  /** Another encoder's media is about to take the layer's place: a new stretch of the timeline. */
  switching(from: Layer): void
  /** `next` has said what it has; `from` brings nothing any more. */
  switched(from: Layer, next: Layer): void
  ended(layer: Layer, reason: string): void
}

/** Media from before the gaps is given this long to catch up with the timeline before it gets an anchor of its own. */
const CATCH_UP_MS = 2_000
/** A clock further off than this is put right where the timeline is interrupted anyway. */
const MAX_DRIFT_MS = 1_000

/** Cues that come before there is media wait for it; more of them are none that anybody needs. */
const MAX_EARLY_CUES = 16

type Frame = Extract<Contribution, { readonly type: 'frame' }>
type Cue = Extract<Contribution, { readonly type: 'cue' }>

/** What a layer tells of its encoder's media. */
export type LayerObserver = Pick<
  ChannelObserver,
  'frameReceived' | 'frameDropped' | 'gopEnded' | 'drift' | 'clockJumped' | 'audioVideoOffset'
>

/** One encoder's media on its way to the timeline. */
export class Layer implements ContributionSink {
  readonly name: string
  /** Whose media it is; the layers of one source share a clock. */
  readonly source: ClockSource
  readonly #clock: Clock
  readonly #channelTimeline: ChannelTimeline
  readonly #timeline: SessionTimeline
  readonly #output: LayerOutput
  readonly #observer: LayerObserver
  readonly #configured = new Set<string>()
  readonly #cued: (cue: PlacedCue) => void
  #earlyCues: Cue[] = []
  #lastKeyMs: number | undefined
  #newestVideoMs = 0
  #behindSinceMs: number | undefined
  #ended = false

  constructor(
    name: string,
    source: ClockSource,
    output: LayerOutput,
    ports: {
      readonly clock: Clock
      readonly channelTimeline: ChannelTimeline
      readonly observer: LayerObserver
      /** What the encoder says of its media. */
      readonly cued?: (cue: PlacedCue) => void
    },
  ) {
    this.name = name
    this.source = source
    this.#clock = ports.clock
    this.#output = output
    this.#observer = ports.observer
    this.#channelTimeline = ports.channelTimeline
    this.#cued = ports.cued ?? (() => undefined)
    this.#timeline = new SessionTimeline(ports.clock, ports.channelTimeline, source)
  }

  /** `ageMs`: how long ago it arrived. */
  push(contribution: Contribution, ageMs = 0): Promise<void> | undefined {
    if (this.#ended) return undefined
    switch (contribution.type) {
      case 'config':
        if (contribution.config.kind === 'audio')
          this.#timeline.configureAudio(contribution.trackId, contribution.config)
        this.#configured.add(streamName(contribution.config.kind, contribution.trackId))
        this.#output.configure(this, contribution.trackId, contribution.config)
        return undefined
      case 'frame':
        return this.#frame(contribution, ageMs)
      case 'cue':
        this.#cue(contribution)
        return undefined
      default:
        return undefined
    }
  }

  /** The input fell silent: the next frame begins a new stretch, and may stand elsewhere. */
  interrupted(): void {
    if (Math.abs(this.#timeline.driftMs) > MAX_DRIFT_MS) this.#timeline.reanchor()
  }

  /** Another layer has taken its place. */
  retire(): void {
    this.#ended = true
  }

  end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#output.ended(this, reason)
  }

  #frame(frame: Frame, ageMs: number): Promise<void> | undefined {
    this.#observer.frameReceived(this.name, frame.kind, frame.data.byteLength)
    if (!this.#configured.has(streamName(frame.kind, frame.trackId))) {
      this.#observer.frameDropped(this.name, 'not-configured')
      return undefined
    }
    const placement = this.#timeline.place(frame, ageMs)
    if (placement.kind === 'dropped') {
      this.#observer.frameDropped(this.name, placement.reason)
      return undefined
    }
    if (placement.kind === 'jump') {
      this.#observer.clockJumped(this.name)
      this.#output.jumped(this)
    }
    if (this.#isBehind()) {
      this.#observer.frameDropped(this.name, 'behind')
      return undefined
    }
    this.#measure(frame)
    if (this.#earlyCues.length > 0) for (const cue of this.#earlyCues.splice(0)) this.#cue(cue)
    return this.#output.write(this, frame.kind, frame.trackId, placement)
  }

  #cue(cue: Cue): void {
    const { name, value, dtsMs, sentMs = dtsMs } = cue
    const epochMs = this.#timeline.placeOf(dtsMs)
    if (epochMs !== undefined) this.#cued({ name, value, sentMs, epochMs })
    else if (this.#earlyCues.length < MAX_EARLY_CUES) this.#earlyCues.push(cue)
  }

  /** Late media whose place was already filled with gaps is dropped until it catches up, or is anchored anew. */
  #isBehind(): boolean {
    if (this.#timeline.newestEpochMs >= this.#channelTimeline.filledUntilMs) {
      this.#behindSinceMs = undefined
      return false
    }
    this.#behindSinceMs ??= this.#clock.monotonicMs()
    if (this.#clock.monotonicMs() - this.#behindSinceMs > CATCH_UP_MS) {
      this.#behindSinceMs = undefined
      this.#timeline.reanchor()
    }
    return true
  }

  #measure(frame: Frame): void {
    this.#observer.drift(this.name, this.#timeline.encoderDriftMs / 1_000)
    if (frame.kind === 'audio') {
      if (this.#newestVideoMs > 0)
        this.#observer.audioVideoOffset(this.name, (frame.dtsMs - this.#newestVideoMs) / 1_000)
      return
    }
    this.#newestVideoMs = frame.dtsMs
    if (!frame.independent || frame.trackId !== 0) return
    if (this.#lastKeyMs !== undefined) this.#observer.gopEnded(this.name, (frame.dtsMs - this.#lastKeyMs) / 1_000)
    this.#lastKeyMs = frame.dtsMs
  }
}

function streamName(kind: 'video' | 'audio', trackId: number): string {
  return `${kind}/${trackId}`
}
