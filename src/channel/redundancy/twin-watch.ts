import type { InputName } from '../ports.ts'
import { type FrameMatch, matchFrames, matchNewest, stillMatches } from './frame-match.ts'
import type { LayerInput } from './layer-input.ts'
import { type Frame, isKeyFrame } from './standby-buffer.ts'

/** Sound alone has no key frames at which the inputs could be compared. */
const COMPARE_MS = 2_000
/** Where every picture is a key frame, not each is an occasion. */
const LEAST_COMPARE_MS = 400

type Inputs = ReadonlyMap<InputName, LayerInput>

/** Follows whether a layer's two inputs carry the same coded frames. */
export class TwinWatch {
  readonly #inputs: Inputs
  /** From the secondary's clock to the primary's. */
  #match: FrameMatch | undefined
  readonly #comparedMs = new Map<LayerInput, number>()

  constructor(inputs: Inputs) {
    this.#inputs = inputs
  }

  /** Both do, as far as they were compared. */
  get areTwins(): boolean {
    return this.#match !== undefined
  }

  /** An input has come, gone, or changed what it sends. */
  forget(): void {
    this.#match = undefined
    this.#comparedMs.clear()
  }

  /** A frame came, and is in its ring: at each key frame it is looked again. */
  arrived(input: LayerInput, frame: Frame, nowMs: number): void {
    const isPoint = input.hasVideo ? isKeyFrame(frame) : frame.trackId === 0
    const sinceMs = nowMs - (this.#comparedMs.get(input) ?? Number.NEGATIVE_INFINITY)
    if (!isPoint || sinceMs < (input.hasVideo ? LEAST_COMPARE_MS : COMPARE_MS)) return
    this.#comparedMs.set(input, nowMs)
    const [primary, secondary] = [this.#inputs.get('primary'), this.#inputs.get('secondary')]
    if (!primary || !secondary) return
    this.#match = primary.hasConfigsOf(secondary) ? matchFrames(primary.ring, secondary.ring) : undefined
  }

  /**
   * From the standby's clock to the one that the layer has from the input on the air. `undefined`: they are no twins. `isSure`: what came
   * since they were last compared is compared too.
   */
  shiftMs(active: LayerInput, standby: LayerInput, isSure: boolean): number | undefined {
    const isForward = active.publisher.input === 'primary'
    const [primary, secondary] = isForward ? [active, standby] : [standby, active]
    const match = isSure ? this.#surely(primary, secondary) : this.#match
    if (!match) return undefined
    return active.shiftMs + (isForward ? match.offsetMs : -match.offsetMs)
  }

  #surely(primary: LayerInput, secondary: LayerInput): FrameMatch | undefined {
    if (!primary.hasConfigsOf(secondary)) return undefined
    if (!this.#match) return matchNewest(primary.ring, secondary.ring)
    return stillMatches(this.#match, primary.ring, secondary.ring) ? this.#match : undefined
  }
}
