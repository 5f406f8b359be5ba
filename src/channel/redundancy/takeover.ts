import type { Clock } from '../../lib/clock.ts'
import type { ClockSource } from '../channel-timeline.ts'
import type { Layer } from '../layer.ts'
import type { SwitchReason } from '../ports.ts'
import type { LayerInput } from './layer-input.ts'
import type { OnAir } from './on-air.ts'
import type { HeldFrame } from './standby-buffer.ts'
import { SwitchPolicy } from './switch-policy.ts'
import type { TwinWatch } from './twin-watch.ts'

/** What a takeover needs of the channel. */
export type TakeoverPorts = {
  readonly clock: Clock
  readonly returnAfterMs: () => number
  /** A layer of this name, fed by that input. */
  readonly openLayer: (source: ClockSource) => Layer
  /** `next` takes the place of `from`, with a discontinuity. `configure` says what `next` has, between the two. */
  readonly replaced: (from: Layer, next: Layer, configure: () => void) => void
  /** A stretch may begin so far (ms) ahead of now at most. */
  readonly leadMs: () => number
}

/** Going on from a key frame that came a while ago sets the presentation ahead of the clock; at most by so much. */
const MAX_AHEAD_MS = 2_000

/** When one of a layer's two inputs is to take the place of the other on the air, and with which of its frames it does. */
export class Takeover {
  readonly #ports: TakeoverPorts
  readonly #twins: TwinWatch
  readonly #onAir: OnAir
  readonly #policy: SwitchPolicy
  /** The layer wants its encoder to wait. */
  #waiting: Promise<void> | undefined

  constructor(ports: TakeoverPorts, twins: TwinWatch, onAir: OnAir) {
    this.#ports = ports
    this.#twins = twins
    this.#onAir = onAir
    this.#policy = new SwitchPolicy({ returnAfterMs: ports.returnAfterMs })
  }

  /** Why the one on the air should be left for the other, if it should. */
  choose(active: LayerInput, standby: LayerInput): SwitchReason | undefined {
    const nowMs = this.#ports.clock.monotonicMs()
    const isSeamless = this.#twins.areTwins
    const standingOf = ({ vitals }: LayerInput) => ({
      fault: vitals.fault(nowMs, isSeamless),
      wellForMs: vitals.wellForMs(nowMs, isSeamless),
    })
    return this.#policy.choose(active.publisher.input, { active: standingOf(active), standby: standingOf(standby) })
  }

  /** The standby goes on in place of the one on the air; gives whether viewers see no difference. */
  change(active: LayerInput, standby: LayerInput, reason: SwitchReason): boolean {
    const isSeamless = this.#goOn(active, standby)
    if (!isSeamless) this.beginAnew(standby)
    this.#policy.switched(standby.publisher.input, reason, this.#ports.clock.monotonicMs())
    return isSeamless
  }

  /** With its newest key frame, or the next one where that would set the presentation too far ahead of the clock. */
  beginAnew(standby: LayerInput): void {
    const { leadMs, clock } = this.#ports
    this.replace(standby.publisher.input, (next) => standby.introduce(next))
    standby.shiftMs = 0
    const fresh = standby.buffer.fromNewestKeyFrame(standby.hasVideo)
    const ageMs = clock.monotonicMs() - (fresh[0]?.arrivedMs ?? 0)
    const taken = fresh.length > 0 && leadMs() + ageMs <= MAX_AHEAD_MS ? fresh : []
    const used = new Set(taken)
    standby.buffer.empty(standby.buffer.frames.filter((held) => !used.has(held)))
    this.#pushAll(standby, taken)
  }

  /** Another layer, fed by `source`, is on the air from now on. */
  replace(source: ClockSource, configure: (next: Layer) => void): void {
    const { openLayer, replaced } = this.#ports
    const next = openLayer(source)
    replaced(this.#onAir.layer, next, () => configure(next))
    this.#onAir.begin(next)
  }

  /** What the layer asked whoever feeds it to wait for since this was last asked. */
  takeWait(): Promise<void> | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  /** With the frame behind the last one, where the standby has it. */
  #goOn(active: LayerInput, standby: LayerInput): boolean {
    const shiftMs = this.#twins.shiftMs(active, standby, true)
    if (shiftMs === undefined) return false
    const held = standby.buffer.frames
    if (!this.#onAir.reaches(standby.ring, held, shiftMs)) return false
    standby.shiftMs = shiftMs
    this.#onAir.skipWhatWas()
    standby.buffer.empty([])
    this.#pushAll(standby, held)
    return true
  }

  #pushAll(input: LayerInput, frames: readonly HeldFrame[]): void {
    const nowMs = this.#ports.clock.monotonicMs()
    for (const held of frames) {
      const wait = this.#onAir.push(input, held, nowMs)
      if (wait) this.#waiting = wait
    }
  }
}
