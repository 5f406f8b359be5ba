import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { sameConfig } from '../../media/same-config.ts'
import type { ChannelObserver, SlateMaker, SlateMedia, SlateWish } from '../ports.ts'

/** What a slate needs of the channel. */
export type ChannelSlatePorts = {
  readonly clock: Clock
  readonly make: SlateMaker
  /** Layers are filled until their input is there again, or the slates are hidden. */
  readonly inputs: {
    showSlates(layers: Iterable<readonly [string, SlateMedia]>): void
    hideSlates(): void
  }
  readonly observer: Pick<ChannelObserver, 'slateShown' | 'slateEnded' | 'slateFailed'>
}

/** Layers of one encoder end one after the other, and come back so. */
const TOGETHER_MS = 5_000

type Made = { readonly wish: SlateWish; readonly media: Promise<SlateMedia> }

/**
 * Fills the presentation with a picture and silence when the input has been away for a while. It is encoded as soon as the input
 * goes, once for each layer, and kept for the next time.
 */
export class ChannelSlate {
  readonly #ports: ChannelSlatePorts
  /** What was last seen of each layer, and when its input went. */
  readonly #seen = new Map<string, { readonly wish: SlateWish; readonly atMs: number }>()
  readonly #made = new Map<string, Made>()
  #ready: ReadonlyMap<string, SlateMedia> | undefined
  #isShown = false
  /** When the input came back while other layers were filled still. */
  #returnedMs: number | undefined
  /** Counts absences: what was made for one that is over is not shown. */
  #absence = 0
  readonly #making = new Set<Promise<SlateMedia>>()
  readonly #stopping = new AbortController()

  constructor(ports: ChannelSlatePorts) {
    this.#ports = ports
  }

  get isShown(): boolean {
    return this.#isShown
  }

  /** This is what the layer had when its input went. */
  saw(layer: string, wish: SlateWish): void {
    if (wish.video || wish.audio) this.#seen.set(layer, { wish, atMs: this.#ports.clock.monotonicMs() })
  }

  /** A slate for a layer that looks like this; kept for the next time. */
  media(layer: string, wish: SlateWish): Promise<SlateMedia> {
    return this.#make(layer, wish)
  }

  /** The input is away: what may be needed is made ready. */
  prepare(): void {
    const absence = ++this.#absence
    this.#ready = undefined
    const nowMs = this.#ports.clock.monotonicMs()
    const layers = [...this.#seen].filter(([, { atMs }]) => nowMs - atMs < TOGETHER_MS)
    this.#seen.clear()
    for (const layer of this.#made.keys()) if (!layers.some(([name]) => name === layer)) this.#made.delete(layer)
    if (layers.length === 0) return
    Promise.all(layers.map(async ([layer, { wish }]) => [layer, await this.#make(layer, wish)] as const)).then(
      (media) => {
        if (absence === this.#absence) this.#ready = new Map(media)
      },
      (error: unknown) => {
        if (absence === this.#absence) this.#ports.observer.slateFailed(error)
      },
    )
  }

  /** Shows it if it is time. `awayMs`: for how long nothing has come. */
  tick(awayMs: number, afterMs: number): void {
    if (this.#returnedMs !== undefined && this.#ports.clock.monotonicMs() - this.#returnedMs > TOGETHER_MS) this.hide()
    if (this.#isShown || !this.#ready || awayMs < afterMs) return
    this.#isShown = true
    this.#ports.inputs.showSlates(this.#ready)
    this.#ports.observer.slateShown()
  }

  /** The input is back; other layers are given a few seconds to follow. */
  returned(): void {
    this.#absence++
    this.#ready = undefined
    if (!this.#isShown) return
    this.#isShown = false
    this.#returnedMs = this.#ports.clock.monotonicMs()
    this.#ports.observer.slateEnded()
  }

  /** The absence is over, or goes on without it. */
  hide(): void {
    const wasShown = this.#isShown
    this.#absence++
    this.#ready = undefined
    this.#isShown = false
    this.#returnedMs = undefined
    this.#ports.inputs.hideSlates()
    if (wasShown) this.#ports.observer.slateEnded()
  }

  /** Resolves when nothing is being made any more. */
  async stop(): Promise<void> {
    this.hide()
    this.#stopping.abort(new AppError('STOPPED', 'The channel is stopped.'))
    await Promise.allSettled(this.#making)
  }

  /** Another picture is wanted from now on. */
  forget(): void {
    this.#made.clear()
  }

  #make(layer: string, wish: SlateWish): Promise<SlateMedia> {
    const before = this.#made.get(layer)
    if (before && isSame(before.wish, wish)) return before.media
    const made = { wish, media: this.#ports.make(wish, this.#stopping.signal) }
    this.#made.set(layer, made)
    this.#making.add(made.media)
    made.media.then(
      () => this.#making.delete(made.media),
      () => {
        this.#making.delete(made.media)
        // What failed is tried again the next time.
        if (this.#made.get(layer) === made) this.#made.delete(layer)
      },
    )
    return made.media
  }
}

function isSame(a: SlateWish, b: SlateWish): boolean {
  const isAlike = (one: SlateWish['video' | 'audio'], other: SlateWish['video' | 'audio']) =>
    one === other || (other !== undefined && sameConfig(one, other))
  return isAlike(a.video, b.video) && isAlike(a.audio, b.audio) && Math.abs(a.frameRate - b.frameRate) < 0.01
}
