import type { Clock } from '../../lib/clock.ts'
import type { ChannelTimeline, ClockSource } from '../channel-timeline.ts'
import { Layer, type LayerObserver, type LayerOutput } from '../layer.ts'
import type { PlacedCue } from '../markers-rtmp.ts'
import type { ChannelObserver, SlateMedia, SlateWish } from '../ports.ts'
import { InputSwitch } from './input-switch.ts'

/** What a channel's inputs are wired to. */
export type ChannelInputsPorts = {
  readonly clock: Clock
  readonly observer: ChannelObserver
  readonly timeline: ChannelTimeline
  readonly output: LayerOutput
  /** Access units that are not read any more. */
  readonly done: (data: Uint8Array) => void
  readonly keyFrameIntervalMs: number
  readonly returnAfterMs: () => number
  /** Nothing comes of the only layer, although somebody is connected. */
  readonly lost: (reason: string) => void
  /** What the encoder on the air says of its media. */
  readonly cued?: (cue: PlacedCue) => void
  /** An encoder is there, although a slate is on the air in its place. */
  readonly heard?: () => void
}

/** What we made ourselves says nothing of an encoder. */
const unheard: LayerObserver = {
  frameReceived: () => undefined,
  frameDropped: () => undefined,
  gopEnded: () => undefined,
  drift: () => undefined,
  clockJumped: () => undefined,
  audioVideoOffset: () => undefined,
}

/** The layers that are published, or filled with a slate, each with its inputs. */
export class ChannelInputs {
  readonly #ports: ChannelInputsPorts
  readonly #layers = new Map<string, InputSwitch>()

  constructor(ports: ChannelInputsPorts) {
    this.#ports = ports
  }

  get size(): number {
    return this.#layers.size
  }

  /** Layers that somebody publishes. */
  get published(): readonly string[] {
    return [...this.#layers.values()].filter(({ publishers }) => publishers.length > 0).map(({ name }) => name)
  }

  find(name: string): InputSwitch | undefined {
    return this.#layers.get(name)
  }

  /** A layer that is not there yet. */
  open(name: string, first: ClockSource): InputSwitch {
    const { timeline, output, lost, cued, heard = () => undefined, ...ports } = this.#ports
    const { clock, observer } = ports
    const inputs = new InputSwitch(name, first, {
      ...ports,
      heard,
      // Its clock has no place on the timeline for now: what counts is when it is said.
      coveredCue: ({ name, value, dtsMs }) => cued?.({ name, value, sentMs: dtsMs, epochMs: timeline.nowMs() }),
      leadMs: () => timeline.leadMs,
      lost: (reason) => {
        if (this.#layers.size === 1) lost(reason)
      },
      openLayer: (source) =>
        new Layer(name, source, output, {
          clock,
          channelTimeline: timeline,
          observer: source === 'slate' ? unheard : observer,
          ...(cued && { cued }),
        }),
      replaced: (from, next, configure) => {
        output.switching(from)
        from.retire()
        configure()
        output.switched(from, next)
      },
    })
    this.#layers.set(name, inputs)
    return inputs
  }

  /** The layer has ended: gives what was last seen of it, where it was one of an encoder. */
  ended(layer: Layer): SlateWish | undefined {
    const inputs = this.#layers.get(layer.name)
    if (inputs?.layer !== layer) return undefined
    this.#layers.delete(layer.name)
    return inputs.seen
  }

  /** What the layers that are there look like. */
  get seen(): readonly (readonly [string, SlateWish])[] {
    return [...this.#layers.values()].flatMap(({ name, seen }) => (seen ? [[name, seen] as const] : []))
  }

  /** Fills layers until their input is there again, also such as are not there any more. The encoders' media begins behind it then. */
  showSlates(layers: Iterable<readonly [string, SlateMedia]>): void {
    this.#ports.timeline.release()
    for (const [name, media] of layers) {
      const inputs = this.#layers.get(name) ?? this.open(name, 'slate')
      inputs.showSlate('absence', media)
    }
  }

  /** Fills layers until they are released, whatever comes in. */
  holdSlates(layers: readonly (readonly [string, SlateMedia])[]): void {
    this.#ports.timeline.release()
    for (const [name, media] of layers) this.#layers.get(name)?.showSlate('break', media)
  }

  /** No break wants them any more: they give way to the input. `isAway`: there is none to wait for. */
  releaseSlates(isAway: boolean): void {
    for (const inputs of [...this.#layers.values()]) inputs.releaseSlate(isAway)
  }

  /** Nothing is to fill an absence any more; what a break holds stays. */
  hideSlates(): void {
    for (const inputs of [...this.#layers.values()]) inputs.hideSlate()
  }

  /** Whoever wants them, they are over. */
  endSlates(): void {
    for (const inputs of [...this.#layers.values()]) inputs.endSlate()
  }

  /** Slates stand for all layers, and go on doing so. */
  get areCovered(): boolean {
    const layers = [...this.#layers.values()]
    return layers.length > 0 && layers.every(({ isCovered }) => isCovered)
  }

  /** Looks at how all are; every few hundred milliseconds. */
  review(): void {
    for (const inputs of this.#layers.values()) inputs.review()
  }

  /** All fell silent. */
  interrupt(): void {
    for (const inputs of [...this.#layers.values()]) inputs.interrupted()
  }

  /** Ends all publishers; nobody takes over. */
  async end(reason: string): Promise<void> {
    const layers = [...this.#layers.values()]
    for (const inputs of layers) inputs.freeze()
    const publishers = layers.flatMap((inputs) => inputs.publishers.map((publisher) => ({ inputs, publisher })))
    await Promise.allSettled(publishers.map(({ publisher }) => publisher.end(reason)))
    for (const { inputs, publisher } of publishers) inputs.leave(publisher, reason)
  }
}
