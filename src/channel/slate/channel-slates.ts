import type { Clock } from '../../lib/clock.ts'
import type { Marker } from '../../presentation/markers.ts'
import type { ChannelObserver, SlateMaker, SlateMedia, SlateWish } from '../ports.ts'
import { BreakSlate } from './break-slate.ts'
import { ChannelSlate } from './channel-slate.ts'
import type { SlateOwner } from './slate-cover.ts'

/** What a channel's slates need of it. */
export type ChannelSlatesPorts = {
  readonly clock: Clock
  readonly make: SlateMaker
  readonly inputs: {
    /** What the layers that are there look like. */
    readonly seen: readonly (readonly [string, SlateWish])[]
    showSlates(layers: Iterable<readonly [string, SlateMedia]>): void
    holdSlates(layers: readonly (readonly [string, SlateMedia])[]): void
    /** `isAway`: there is no input whose key frame it would be worth to wait for. */
    releaseSlates(isAway: boolean): void
    hideSlates(): void
    endSlates(): void
  }
  readonly observer: Pick<ChannelObserver, 'slateShown' | 'slateEnded' | 'slateFailed'>
  readonly findMarker: (id: string) => Marker | undefined
}

/** How a slate fills an absence. */
export type SlateTerms = { readonly afterMs: number; readonly picture: string }

/** When it is: for how long nothing has come, and where the channel is on its timeline, 90 kHz. */
export type SlateMoment = { readonly awayMs: number; readonly isAway: boolean; readonly nowTicks: number }

/** The slates of a channel, that of an absence and that of breaks: what is said of them is said once for both. */
export class ChannelSlates {
  readonly #inputs: ChannelSlatesPorts['inputs']
  readonly #absence: ChannelSlate
  readonly #breaks: BreakSlate

  constructor({ clock, make, inputs, observer, findMarker }: ChannelSlatesPorts) {
    this.#inputs = inputs
    const shown = new Set<SlateOwner>()
    const observed = (owner: SlateOwner) => ({
      slateShown: () => {
        if (shown.size === 0) observer.slateShown()
        shown.add(owner)
      },
      slateEnded: () => {
        if (shown.delete(owner) && shown.size === 0) observer.slateEnded()
      },
      slateFailed: (error: unknown) => observer.slateFailed(error),
    })
    const absence = new ChannelSlate({ clock, make, inputs, observer: observed('absence') })
    this.#absence = absence
    const makeOnce = (layer: string, wish: SlateWish) => absence.media(layer, wish)
    this.#breaks = new BreakSlate({ find: findMarker, make: makeOnce, inputs, observer: observed('break') })
  }

  /** It is shown while the break of this marker lasts. */
  during(markerId: string): void {
    this.#breaks.want(markerId)
  }

  /** This is what the layer had when its input went. */
  saw(layer: string, wish: SlateWish): void {
    this.#absence.saw(layer, wish)
  }

  /** The input is away: what may be needed is made ready. */
  lost(): void {
    for (const [layer, seen] of this.#inputs.seen) this.#absence.saw(layer, seen)
    this.#absence.prepare()
  }

  /** The input is back. */
  returned(): void {
    this.#absence.returned()
  }

  /** An absence is filled in another way from now on; that of a break goes on as it is. */
  update(before: SlateTerms | undefined, now: SlateTerms | undefined): void {
    if (now === undefined) this.#absence.hide()
    else if (now.picture !== before?.picture) this.#absence.forget()
  }

  /** Shows them, or ends them, if it is time; every few hundred milliseconds. */
  tick({ awayMs, isAway, nowTicks }: SlateMoment, terms: SlateTerms | undefined): void {
    this.#breaks.tick(nowTicks, isAway)
    this.#absence.tick(isAway ? awayMs : 0, terms?.afterMs ?? Number.POSITIVE_INFINITY)
  }

  /** Nothing is to fill the absence any longer. */
  giveUp(): void {
    if (this.#absence.isShown) this.#absence.hide()
  }

  /** None is shown any more; resolves when nothing is being made. */
  async stop(): Promise<void> {
    this.#breaks.stop()
    this.#inputs.endSlates()
    await this.#absence.stop()
  }
}
