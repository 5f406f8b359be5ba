import type { Layer } from '../layer.ts'
import { type FrameRing, streamOf } from './frame-ring.ts'
import type { LayerInput } from './layer-input.ts'
import type { HeldFrame } from './standby-buffer.ts'

/** Less than the shortest frame, more than what rounding to milliseconds makes of the same instant. */
const SAME_INSTANT_MS = 2
/** What is earlier by more than this was not sent twice: the encoder's clock was set. */
const LONGEST_REPEAT_MS = 15_000

/** What a layer was given so far, so that whoever feeds it next repeats nothing and leaves nothing out. */
export class OnAir {
  readonly #done: (data: Uint8Array) => void
  #layer: Layer
  /** On the layer's clock, of each stream the newest frame. */
  readonly #newestMs = new Map<string, number>()
  /** Up to here the input before this one had brought it. */
  readonly #hadMs = new Map<string, number>()

  constructor(layer: Layer, done: (data: Uint8Array) => void) {
    this.#layer = layer
    this.#done = done
  }

  get layer(): Layer {
    return this.#layer
  }

  /** Another layer, which has got nothing yet. */
  begin(layer: Layer): void {
    this.#layer = layer
    this.#newestMs.clear()
    this.#hadMs.clear()
  }

  /** What comes next may begin with what was there already. */
  skipWhatWas(): void {
    for (const [stream, ms] of this.#newestMs) this.#hadMs.set(stream, ms)
  }

  /** `ms`: on the layer's clock. */
  lacks(stream: string, ms: number): boolean {
    return ms > (this.#newestMs.get(stream) ?? Number.POSITIVE_INFINITY) + SAME_INSTANT_MS
  }

  /** Whether an input that has `ring` behind it and `held` at hand can go on without a hole. `shiftMs`: from its clock to the layer's. */
  reaches(ring: FrameRing, held: readonly HeldFrame[], shiftMs: number): boolean {
    for (const [stream, newestMs] of this.#newestMs) {
      const frames = ring.framesOf(stream)
      const next = frames.findIndex(({ ms }) => ms + shiftMs > newestMs + SAME_INSTANT_MS)
      const following = frames[next]
      // It is not that far yet: nothing is missing.
      if (!following) continue
      const isKnown = next > 0 && Math.abs((frames[next - 1]?.ms ?? 0) + shiftMs - newestMs) <= SAME_INSTANT_MS
      const isHeld = held.some(({ frame, ms }) => ms === following.ms && streamOf(frame) === stream)
      if (!isKnown || !isHeld) return false
    }
    return this.#newestMs.size > 0
  }

  /** On to the layer, unless it was there. A promise asks to send no more until it settles. */
  push({ shiftMs }: LayerInput, { frame, ms, arrivedMs }: HeldFrame, nowMs: number): Promise<void> | undefined {
    const stream = streamOf(frame)
    const layerMs = ms + shiftMs
    if (this.#isRepeated(stream, layerMs)) {
      this.#done(frame.data)
      return undefined
    }
    this.#newestMs.set(stream, layerMs)
    return this.#layer.push(shiftMs === 0 ? frame : { ...frame, dtsMs: layerMs }, nowMs - arrivedMs)
  }

  #isRepeated(stream: string, layerMs: number): boolean {
    const hadMs = this.#hadMs.get(stream)
    if (hadMs === undefined) return false
    if (layerMs <= hadMs + SAME_INSTANT_MS && layerMs > hadMs - LONGEST_REPEAT_MS) return true
    this.#hadMs.delete(stream)
    return false
  }
}
