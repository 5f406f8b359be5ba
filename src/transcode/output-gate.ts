import { FragmentedMp4Reader } from '../media/isobmff/fragmented-reader.ts'
import { type CodecConfig, type Sample, timescaleOf } from '../media/media.ts'
import type { AudioRendition, VideoRendition } from './rendition-plan.ts'
import type { TranscodedRendition } from './transcode-sink.ts'

const MAX_BOX_BYTES = 32 * 1024 * 1024

/** Who hears what a child gives, put in order. */
export type OutputListener = {
  /** All init segments are there; called once, before the first sample. */
  renditions(list: readonly TranscodedRendition[]): void
  sample(rendition: string, sample: Sample, durationTicks: number): void
}

type Pipe = {
  readonly rendition: VideoRendition | AudioRendition
  readonly reader: FragmentedMp4Reader
  config: CodecConfig | undefined
}
type HeldSample = { readonly name: string; readonly sample: Sample; readonly durationTicks: number }

/**
 * Where each rendition's media time has got to, across children. A child's AAC begins with a frame of priming before its
 * first sample, and its first DTS with the B-frames' delay: neither may go back behind what was delivered.
 */
export class MediaFloors {
  readonly #ends = new Map<string, number>()

  /** The sample as it may be delivered, or `undefined` where it lies before what was. */
  admit(name: string, kind: 'video' | 'audio', sample: Sample, durationTicks: number): Sample | undefined {
    const end = this.#ends.get(name)
    if (kind === 'audio') {
      if (end !== undefined && sample.dtsTicks < end) return undefined
      this.#ends.set(name, sample.dtsTicks + durationTicks)
      return sample
    }
    // For a picture only the decoding order is at stake: its PTS, new by the nature of the input, stays.
    const dtsTicks = end === undefined ? sample.dtsTicks : Math.max(sample.dtsTicks, end)
    this.#ends.set(name, dtsTicks + 1)
    if (dtsTicks === sample.dtsTicks) return sample
    const compositionTicks = sample.compositionTicks - (dtsTicks - sample.dtsTicks)
    return { ...sample, dtsTicks, compositionTicks }
  }
}

/** Reads one child's pipes. Samples wait until every rendition's init segment has come, within a budget of bytes. */
export class OutputGate {
  readonly #pipes: readonly Pipe[]
  readonly #listener: OutputListener
  readonly #floors: MediaFloors
  readonly #maxHeldBytes: number
  readonly #frameRate: number | undefined
  #held: HeldSample[] | undefined = []
  #heldBytes = 0

  constructor(
    renditions: readonly (VideoRendition | AudioRendition)[],
    options: { readonly floors: MediaFloors; readonly maxHeldBytes: number; readonly frameRate: number | undefined },
    listener: OutputListener,
  ) {
    this.#pipes = renditions.map((rendition) => ({
      rendition,
      reader: new FragmentedMp4Reader({ maxBoxBytes: MAX_BOX_BYTES }),
      config: undefined,
    }))
    this.#floors = options.floors
    this.#maxHeldBytes = options.maxHeldBytes
    this.#frameRate = options.frameRate
    this.#listener = listener
  }

  /**
   * Bytes of the pipe at `index`; gives the newest presentation time in milliseconds that they completed. Throws
   * `FormatError` where they aren't fragmented MP4 and `RangeError` where one rendition stays away until the others pass the budget.
   */
  push(index: number, chunk: Uint8Array): { readonly kind: 'video' | 'audio'; readonly ptsMs: number } | undefined {
    const pipe = this.#pipes[index]
    if (pipe === undefined) return undefined
    let newestMs: number | undefined
    for (const event of pipe.reader.push(chunk)) {
      if (event.type === 'init') {
        pipe.config ??= event.tracks[0]?.config
        this.#openIfComplete()
      } else if (pipe.config) {
        const { sample, durationTicks } = event
        const ptsMs = ((sample.dtsTicks + sample.compositionTicks) * 1000) / timescaleOf(pipe.config)
        newestMs = Math.max(newestMs ?? ptsMs, ptsMs)
        this.#take(pipe, sample, durationTicks)
      }
    }
    return newestMs === undefined ? undefined : { kind: pipe.rendition.kind, ptsMs: newestMs }
  }

  #take(pipe: Pipe, sample: Sample, durationTicks: number): void {
    const { name, kind } = pipe.rendition
    const admitted = this.#floors.admit(name, kind, sample, durationTicks)
    if (!admitted) return
    if (!this.#held) {
      this.#listener.sample(name, admitted, durationTicks)
      return
    }
    this.#heldBytes += sample.data.byteLength
    if (this.#heldBytes > this.#maxHeldBytes) throw new RangeError('a rendition has given no init segment')
    this.#held.push({ name, sample: admitted, durationTicks })
  }

  #openIfComplete(): void {
    const list: TranscodedRendition[] = []
    for (const { rendition, config } of this.#pipes) {
      if (!config) return
      list.push({
        name: rendition.name,
        kind: rendition.kind,
        config,
        bandwidth: rendition.maxrate,
        averageBandwidth: rendition.bitrate,
        nominalBitrate: rendition.bitrate,
        ...(rendition.kind === 'video' && this.#frameRate !== undefined ? { frameRate: this.#frameRate } : {}),
      })
    }
    const held = this.#held ?? []
    this.#held = undefined
    this.#listener.renditions(list)
    for (const { name, sample, durationTicks } of held) this.#listener.sample(name, sample, durationTicks)
  }
}
