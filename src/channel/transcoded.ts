import type { CodecConfig, Sample } from '../media/media.ts'
import { type DiscontinuityReason, PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { Layer, LayerOutput } from './layer.ts'
import type { OutputPorts } from './pass-through.ts'
import type { Transcoder, TranscoderOutput } from './ports.ts'
import type { RenditionSpec } from './rendition-track.ts'
import type { PlacedSample } from './timeline.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** `encoding: standard`: one layer goes through a live transcoder, whose renditions are segmented. */
export class Transcoded implements LayerOutput, TranscoderOutput {
  readonly #ports: OutputPorts
  readonly #transcoder: Transcoder
  readonly #renditionNames = new Set<string>()
  #draining: Promise<void> = Promise.resolve()
  /** Something went in since the input was last ended. */
  #isFed = false

  constructor(ports: OutputPorts, createTranscoder: (output: TranscoderOutput) => Transcoder) {
    this.#ports = ports
    this.#transcoder = createTranscoder(this)
  }

  configure(_layer: Layer, trackId: number, config: CodecConfig): void {
    if (trackId !== 0) return
    this.#transcoder.configure(config)
    this.#ports.tapped({ type: 'config', stream: config.kind, config })
  }

  write(layer: Layer, kind: 'video' | 'audio', trackId: number, { sample }: PlacedSample): Promise<void> | undefined {
    if (trackId !== 0) return undefined
    this.#isFed = true
    this.#ports.mediaArrived(layer)
    this.#ports.tapped({ type: 'sample', stream: kind, kind, sample })
    return this.#transcoder.write(kind, sample)
  }

  jumped(): void {
    this.#inputEnds('clock-jump')
  }

  switching(): void {
    this.#inputEnds('input-switched')
  }

  switched(): void {}

  ended(layer: Layer, reason: string): void {
    this.#inputEnds('input-returned')
    this.#ports.timeline.release()
    this.#ports.layerEnded(layer, reason)
  }

  inputLost(): void {
    this.#inputEnds('input-returned')
  }

  /** Resolves when what the last input left in the encoder has come out. */
  settled(): Promise<void> {
    return this.#draining
  }

  async stop(): Promise<void> {
    await this.#draining
    await this.#transcoder.stop()
  }

  renditions(list: readonly RenditionSpec[]): void {
    for (const name of this.#renditionNames) {
      if (list.some((spec) => spec.name === name)) continue
      this.#renditionNames.delete(name)
      this.#ports.segmenter.remove(name)
    }
    for (const spec of list) {
      this.#renditionNames.add(spec.name)
      this.#ports.segmenter.configure(spec)
    }
  }

  sample(rendition: string, sample: Sample, durationTicks: number): void {
    this.#ports.segmenter.push(rendition, sample, durationTicks)
  }

  restarted(): void {
    this.#ports.segmenter.discontinuity('transcoder-restart')
  }

  /** Before anything more is written: that belongs to the next input. Once for each input, however it is lost. */
  #inputEnds(reason: DiscontinuityReason): void {
    if (!this.#isFed) return
    this.#isFed = false
    const drained = this.#transcoder.inputEnded()
    this.#draining = this.#draining
      .then(() => drained)
      .then(() => {
        this.#ports.segmenter.discontinuity(reason)
        this.#ports.timeline.raise(this.#ports.segmenter.numbers.endTicks / TICKS_PER_MS)
      })
  }
}
