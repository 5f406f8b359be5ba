import type { CodecConfig, Contribution } from '../../media/media.ts'
import { sameConfig } from '../../media/same-config.ts'
import type { Layer } from '../layer.ts'
import type { Publisher, SlateWish } from '../ports.ts'
import { unroll } from '../session-clock.ts'
import { FrameRing, streamOf } from './frame-ring.ts'
import { InputVitals } from './input-vitals.ts'
import { type Frame, isKeyFrame, StandbyBuffer } from './standby-buffer.ts'

/** A stream's configuration as it was contributed. */
type StreamConfig = { readonly trackId: number; readonly config: CodecConfig }

/** What an encoder says of its media. */
export type Cue = Extract<Contribution, { readonly type: 'cue' }>

/** A change to the other input is made within a few seconds, or not because of what was missing. */
const CUES_KEPT_MS = 15_000
const MAX_CUES = 16

/** Where the pictures do not say how many they are in a second, and no whole GOP was seen. */
const USUAL_FRAME_RATE = 25

/** One of the two connections that may feed a layer, and what is known of it. */
export class LayerInput {
  readonly publisher: Publisher
  readonly vitals: InputVitals
  readonly ring = new FrameRing()
  readonly buffer: StandbyBuffer
  /** From its own clock (unrolled ms) to the clock on which the layer has its media. */
  shiftMs = 0
  /** When its newest frame came. */
  heardMs = 0
  #cues: { readonly cue: Cue; readonly arrivedMs: number }[] = []
  readonly #configs = new Map<string, StreamConfig>()
  #lastMs: number | undefined

  constructor(publisher: Publisher, declaredGopMs: number, nowMs: number, done: (data: Uint8Array) => void) {
    this.publisher = publisher
    this.vitals = new InputVitals(declaredGopMs, nowMs)
    this.buffer = new StandbyBuffer(done)
  }

  /** Keeps what it says while it stands by. */
  holdCue(cue: Cue, nowMs: number): void {
    const kept = this.#cues.filter(({ arrivedMs }) => arrivedMs > nowMs - CUES_KEPT_MS)
    this.#cues = [...kept, { cue, arrivedMs: nowMs }].slice(-MAX_CUES)
  }

  /** Gives up what it kept: what was said since then. */
  cuesSince(sinceMs: number): readonly Cue[] {
    return this.#cues.splice(0).flatMap(({ cue, arrivedMs }) => (arrivedMs > sinceMs ? [cue] : []))
  }

  get hasVideo(): boolean {
    return this.#configs.has('video/0')
  }

  /** False where it says what is known already. */
  configure(trackId: number, config: CodecConfig): boolean {
    const stream = streamOf({ kind: config.kind, trackId })
    const isNews = !sameConfig(this.#configs.get(stream)?.config, config)
    this.#configs.set(stream, { trackId, config })
    return isNews
  }

  /** Says what it has to whatever takes its frames from now on. */
  introduce(layer: Pick<Layer, 'push'>): void {
    for (const config of this.#configs.values()) void layer.push({ type: 'config', ...config })
  }

  /** Whether a decoder would see no difference. */
  hasConfigsOf(other: LayerInput): boolean {
    if (this.#configs.size !== other.#configs.size) return false
    return [...this.#configs].every(([stream, { config }]) => sameConfig(other.#configs.get(stream)?.config, config))
  }

  /** Whether viewers could begin with this frame. */
  canBeginWith(frame: Frame): boolean {
    return this.hasVideo ? isKeyFrame(frame) : frame.kind === 'audio'
  }

  /** What it looks and sounds like. */
  get looks(): SlateWish {
    const [video, audio] = [this.#configs.get('video/0')?.config, this.#configs.get('audio/0')?.config]
    const stated = video?.kind === 'video' ? video.frameRate : undefined
    return {
      video: video?.kind === 'video' ? video : undefined,
      audio: audio?.kind === 'audio' ? audio : undefined,
      frameRate: stated ?? this.vitals.frameRate ?? USUAL_FRAME_RATE,
    }
  }

  /** RTMP's 32 bits, unrolled: they start over after 49.7 days. */
  unroll(rawMs: number): number {
    this.#lastMs = this.#lastMs === undefined ? rawMs : this.#lastMs + unroll(rawMs, this.#lastMs)
    return this.#lastMs
  }
}
