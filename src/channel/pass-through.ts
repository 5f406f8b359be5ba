import type { CodecConfig, Sample } from '../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { Layer, LayerOutput } from './layer.ts'
import { RenditionNames } from './rendition-names.ts'
import type { Segmenter } from './segmenter.ts'
import type { TappedUnit } from './tap.ts'
import type { ChannelTimeline } from './timeline.ts'

/** What both ways through a channel need of it. */
export type OutputPorts = {
  readonly segmenter: Segmenter
  readonly timeline: ChannelTimeline
  readonly mediaArrived: () => void
  readonly tapped: (unit: TappedUnit) => void
  readonly layerEnded: (layer: Layer, reason: string) => void
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** `encoding: none`: what the encoder sends is what viewers get, each layer's video a rendition. */
export class PassThrough implements LayerOutput {
  readonly #ports: OutputPorts
  readonly #names = new RenditionNames()
  /** Renditions by the layer that feeds them. */
  readonly #feeds = new Map<string, { readonly layer: Layer; readonly config: CodecConfig }>()
  #needsDiscontinuity = false

  constructor(ports: OutputPorts) {
    this.#ports = ports
  }

  configure(layer: Layer, trackId: number, config: CodecConfig): void {
    const name = this.#nameFor(layer, config.kind, trackId)
    if (name === undefined) return
    const before = this.#feeds.get(name)
    if (before && before.layer === layer) this.#ports.segmenter.discontinuity('codec-change')
    this.#feeds.set(name, { layer, config })
    const frameRate = config.kind === 'video' ? config.frameRate : undefined
    this.#ports.segmenter.configure({ name, config, ...(frameRate === undefined ? {} : { frameRate }) })
    this.#ports.tapped({ type: 'config', stream: name, config })
  }

  write(layer: Layer, kind: 'video' | 'audio', trackId: number, sample: Sample): undefined {
    const name = this.#names.nameOf(this.#owner(layer, kind), kind, trackId)
    if (this.#feeds.get(name)?.layer !== layer) return
    if (this.#needsDiscontinuity) {
      this.#needsDiscontinuity = false
      this.#ports.segmenter.discontinuity('input-returned')
    }
    this.#ports.mediaArrived()
    this.#ports.segmenter.push(name, sample)
    this.#ports.tapped({ type: 'sample', stream: name, kind, sample })
  }

  jumped(): void {
    this.#ports.segmenter.discontinuity('clock-jump')
  }

  ended(layer: Layer, reason: string): void {
    const isLast = [...this.#feeds.values()].every((feed) => feed.layer === layer)
    // Together, so that audio after the last picture is kept.
    if (isLast) this.#ports.segmenter.flush()
    for (const [name, feed] of this.#feeds) {
      if (feed.layer !== layer) continue
      this.#ports.segmenter.remove(name)
      this.#feeds.delete(name)
    }
    this.#ports.layerEnded(layer, reason)
  }

  filledUntilMs(): number {
    return this.#ports.timeline.highWaterMs
  }

  inputLost(): void {
    this.#ports.segmenter.flush()
    this.#ports.timeline.raise(this.#ports.segmenter.numbers.endTicks / TICKS_PER_MS)
    if (this.#feeds.size === 0) this.#ports.timeline.release()
    this.#needsDiscontinuity = true
  }

  async settled(): Promise<void> {}

  async stop(): Promise<void> {}

  /** One audio rendition serves all layers: that of whichever layer brought it first; the others' copies are not stored. */
  #nameFor(layer: Layer, kind: 'video' | 'audio', trackId: number): string | undefined {
    const name = this.#names.nameOf(this.#owner(layer, kind), kind, trackId)
    const feed = this.#feeds.get(name)
    return feed && feed.layer !== layer ? undefined : name
  }

  #owner(layer: Layer, kind: 'video' | 'audio'): string {
    return kind === 'audio' ? '' : layer.name
  }
}
