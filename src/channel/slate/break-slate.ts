import { type Marker, markerEndTicks } from '../../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../../presentation/records.ts'
import type { ChannelObserver, SlateMedia, SlateWish } from '../ports.ts'

/** What the slates of breaks need of the channel. */
export type BreakSlatePorts = {
  readonly find: (markerId: string) => Marker | undefined
  readonly make: (layer: string, wish: SlateWish) => Promise<SlateMedia>
  /** Layers are filled until they are released, whatever comes in. */
  readonly inputs: {
    readonly seen: readonly (readonly [string, SlateWish])[]
    holdSlates(layers: readonly (readonly [string, SlateMedia])[]): void
    /** `isAway`: there is no input whose key frame it would be worth to wait for. */
    releaseSlates(isAway: boolean): void
  }
  readonly observer: Pick<ChannelObserver, 'slateShown' | 'slateEnded' | 'slateFailed'>
}

/** It takes a second or two to make one. */
const PREPARE_TICKS = 10 * PRESENTATION_TIMESCALE

/** Shows the slate, while the input is there, for as long as breaks last that want it. */
export class BreakSlate {
  readonly #ports: BreakSlatePorts
  readonly #wanted = new Set<string>()
  #made: Promise<void> | undefined
  #ready: readonly (readonly [string, SlateMedia])[] | undefined
  #isShown = false

  constructor(ports: BreakSlatePorts) {
    this.#ports = ports
  }

  /** For as long as the break with this id lasts. */
  want(markerId: string): void {
    this.#wanted.add(markerId)
  }

  /** Shows it, or ends it, if it is time; every few hundred milliseconds. `isAway`: there is no input that it could take the place of. */
  tick(nowTicks: number, isAway: boolean): void {
    if (this.#wanted.size === 0 && !this.#isShown) return
    let isDue = false
    let isNear = false
    for (const id of this.#wanted) {
      const marker = this.#ports.find(id)
      if (!marker || marker.isCancelled || markerEndTicks(marker) <= nowTicks) {
        this.#wanted.delete(id)
        continue
      }
      isDue ||= marker.startTicks <= nowTicks
      isNear ||= marker.startTicks - PREPARE_TICKS <= nowTicks
    }
    if (this.#isShown) {
      if (!isDue) this.#end(isAway)
      return
    }
    if (!isNear || isAway) {
      this.#forget()
      return
    }
    this.#made ??= this.#prepare()
    if (isDue && this.#ready) this.#show(this.#ready)
  }

  /** The channel stops, and no break has a slate any more. */
  stop(): void {
    this.#wanted.clear()
    if (this.#isShown) this.#end(true)
    this.#forget()
  }

  async #prepare(): Promise<void> {
    const { inputs, make, observer } = this.#ports
    const layers = inputs.seen.filter(([, { video, audio }]) => video || audio)
    try {
      const made = await Promise.all(layers.map(async ([layer, wish]) => [layer, await make(layer, wish)] as const))
      if (made.length > 0) this.#ready = made
    } catch (error) {
      observer.slateFailed(error)
    }
  }

  #show(layers: readonly (readonly [string, SlateMedia])[]): void {
    this.#isShown = true
    this.#ports.inputs.holdSlates(layers)
    this.#ports.observer.slateShown()
  }

  #end(isAway: boolean): void {
    this.#isShown = false
    this.#forget()
    this.#ports.inputs.releaseSlates(isAway)
    this.#ports.observer.slateEnded()
  }

  #forget(): void {
    this.#made = undefined
    this.#ready = undefined
  }
}
