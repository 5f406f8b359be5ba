import type { CodecConfig } from '../media/media.ts'
import { sameConfig } from '../media/same-config.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { ChannelTimeline } from './channel-timeline.ts'
import type { Layer, LayerOutput } from './layer.ts'
import { RenditionNames } from './rendition-names.ts'
import type { Segmenter } from './segmenter.ts'
import type { TappedUnit } from './tap.ts'
import type { PlacedSample } from './timeline.ts'

/** What both ways through a channel need of it. */
export type OutputPorts = {
  readonly segmenter: Segmenter
  readonly timeline: ChannelTimeline
  readonly mediaArrived: (layer: Layer) => void
  readonly tapped: (unit: TappedUnit) => void
  readonly layerEnded: (layer: Layer, reason: string) => void
}

/** A rendition: the layer that feeds it, and all that could, with what they would bring. */
type Feed = {
  readonly name: string
  owner: Layer
  /** What the owner's media is written with. */
  config: CodecConfig
  readonly offers: Map<Layer, CodecConfig>
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/**
 * `encoding: none`: what the encoder sends is what viewers get, each layer's video a rendition. One audio rendition serves all
 * layers: that of whichever brought it first; another takes over when it goes.
 */
export class PassThrough implements LayerOutput {
  readonly #ports: OutputPorts
  readonly #names = new RenditionNames()
  readonly #feeds = new Map<string, Feed>()

  constructor(ports: OutputPorts) {
    this.#ports = ports
  }

  configure(layer: Layer, trackId: number, config: CodecConfig): void {
    const name = this.#nameOf(layer, config.kind, trackId)
    const feed = this.#feeds.get(name)
    if (!feed) {
      this.#feeds.set(name, { name, owner: layer, config, offers: new Map([[layer, config]]) })
      this.#announce(name, config)
      return
    }
    feed.offers.set(layer, config)
    if (feed.owner === layer) this.#feed(feed, layer, config)
  }

  write(layer: Layer, kind: 'video' | 'audio', trackId: number, { sample, durationTicks }: PlacedSample): undefined {
    const name = this.#nameOf(layer, kind, trackId)
    if (this.#feeds.get(name)?.owner !== layer) return
    this.#ports.mediaArrived(layer)
    // The segmenter comes last, because what it has written is no longer to be read.
    this.#ports.tapped({ type: 'sample', stream: name, kind, sample })
    this.#ports.segmenter.push(name, sample, durationTicks)
  }

  /** Alone, a layer that jumps is the presentation that jumps; among others it drops out, and in again at the next segment. */
  jumped(layer: Layer): void {
    const feeds = [...this.#feeds.values()]
    if (feeds.every(({ owner }) => owner === layer)) {
      this.#ports.segmenter.discontinuity('clock-jump')
      return
    }
    for (const { name, owner, config } of feeds) {
      if (owner !== layer) continue
      this.#ports.segmenter.remove(name)
      this.#announce(name, config)
    }
  }

  /** Alone, it is a discontinuity; among others the layer drops out, and in again at the next segment. */
  switching(from: Layer): void {
    const feeds = [...this.#feeds.values()]
    if (feeds.every(({ owner }) => owner === from)) {
      this.#ports.segmenter.discontinuity('input-switched')
      return
    }
    for (const { name, owner } of feeds) if (owner === from) this.#ports.segmenter.remove(name)
  }

  switched(from: Layer, next: Layer): void {
    for (const feed of [...this.#feeds.values()]) {
      feed.offers.delete(from)
      if (feed.owner !== from) continue
      const config = feed.offers.get(next)
      if (!config) {
        this.#handOver(feed)
        continue
      }
      feed.owner = next
      feed.config = config
      this.#announce(feed.name, config)
    }
  }

  ended(layer: Layer, reason: string): void {
    const feeds = [...this.#feeds.values()]
    for (const { offers } of feeds) offers.delete(layer)
    // Together, so that audio after the last picture is kept.
    if (feeds.every(({ offers }) => offers.size === 0)) this.#ports.segmenter.flush()
    for (const feed of feeds) if (feed.owner === layer) this.#handOver(feed)
    this.#ports.layerEnded(layer, reason)
  }

  inputLost(): void {
    this.#ports.segmenter.discontinuity('input-returned')
    this.#ports.timeline.raise(this.#ports.segmenter.numbers.endTicks / TICKS_PER_MS)
    if (this.#feeds.size === 0) this.#ports.timeline.release()
  }

  async settled(): Promise<void> {}

  async stop(): Promise<void> {}

  #handOver(feed: Feed): void {
    const [next] = feed.offers
    if (next) {
      this.#feed(feed, ...next)
    } else {
      this.#feeds.delete(feed.name)
      this.#ports.segmenter.remove(feed.name)
    }
  }

  #feed(feed: Feed, owner: Layer, config: CodecConfig): void {
    feed.owner = owner
    if (sameConfig(feed.config, config)) return
    feed.config = config
    this.#announce(feed.name, config)
  }

  #announce(name: string, config: CodecConfig): void {
    const frameRate = config.kind === 'video' ? config.frameRate : undefined
    this.#ports.segmenter.configure({ name, config, ...(frameRate === undefined ? {} : { frameRate }) })
    this.#ports.tapped({ type: 'config', stream: name, config })
  }

  #nameOf(layer: Layer, kind: 'video' | 'audio', trackId: number): string {
    return this.#names.nameOf(kind === 'audio' ? '' : layer.name, kind, trackId)
  }
}
