import type { InputName } from '../ports.ts'
import { type FrameMatch, matchFrames, stillMatches } from './frame-match.ts'
import type { LayerInput } from './layer-input.ts'
import type { Frame } from './standby-buffer.ts'

/** Sound alone has no key frames at which the inputs could be compared. */
const COMPARE_MS = 2_000

type Inputs = ReadonlyMap<InputName, LayerInput>

/** Follows whether a layer's two inputs carry the same coded frames. */
export class TwinWatch {
  readonly #inputs: Inputs
  /** From the secondary's clock to the primary's. */
  #match: FrameMatch | undefined
  #comparedMs = 0

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
  }

  /** A frame came, and is in its ring: at each key frame it is looked again. */
  arrived(input: LayerInput, frame: Frame, nowMs: number): void {
    const isPoint = input.hasVideo ? frame.kind === 'video' && frame.independent : nowMs - this.#comparedMs > COMPARE_MS
    if (!isPoint || frame.trackId !== 0) return
    this.#comparedMs = nowMs
    const [primary, secondary] = [this.#inputs.get('primary'), this.#inputs.get('secondary')]
    if (!primary || !secondary) return
    this.#match = primary.hasConfigsOf(secondary) ? matchFrames(primary.ring, secondary.ring) : undefined
  }

  /**
   * From the standby's clock to the one that the layer has from the input on the air. `undefined`: they are no twins. `isSure`: what came
   * since they were last compared is compared too.
   */
  shiftMs(active: LayerInput, standby: LayerInput, isSure: boolean): number | undefined {
    const match = this.#match
    if (!match) return undefined
    const isForward = active.publisher.input === 'primary'
    const [primary, secondary] = isForward ? [active, standby] : [standby, active]
    if (isSure && !stillMatches(match, primary.ring, secondary.ring)) return undefined
    return active.shiftMs + (isForward ? match.offsetMs : -match.offsetMs)
  }
}
