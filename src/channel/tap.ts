import { BoundedQueue } from '../lib/bounded-queue.ts'
import type { CodecConfig, Sample } from '../media/media.ts'

/** What passes a tap: access units on the channel's timeline, each stream's configuration before its first. */
export type TappedUnit =
  | { readonly type: 'config'; readonly stream: string; readonly config: CodecConfig }
  | { readonly type: 'sample'; readonly stream: string; readonly kind: 'video' | 'audio'; readonly sample: Sample }

const CONFIG_COST_BYTES = 256

/**
 * A second consumer of a channel's access units. It can never slow the first: past its budget everything that waits is
 * dropped and it goes on at the next key frame of each video stream.
 */
export class Tap implements AsyncIterable<TappedUnit> {
  readonly #queue: BoundedQueue<TappedUnit>
  readonly #onClose: (tap: Tap) => void
  /** The newest configuration of each stream, to be given again when what was waiting had to be dropped. */
  readonly #configs = new Map<string, TappedUnit>()
  readonly #awaitingKeyFrame = new Set<string>()
  #droppedUnits = 0

  constructor(budgetBytes: number, onClose: (tap: Tap) => void) {
    this.#queue = new BoundedQueue(budgetBytes)
    this.#onClose = onClose
  }

  /** Units that this consumer was too slow for. */
  get droppedUnits(): number {
    return this.#droppedUnits
  }

  /** Never waits and never throws. */
  offer(unit: TappedUnit): void {
    if (this.#queue.closed) return
    if (unit.type === 'config') this.#configs.set(unit.stream, unit)
    else if (this.#awaitingKeyFrame.has(unit.stream) && !this.#resume(unit.stream, unit.sample.independent)) return
    if (this.#push(owned(unit))) return
    this.#droppedUnits += this.#queue.clear() + 1
    for (const stream of this.#configs.keys()) this.#awaitingKeyFrame.add(stream)
  }

  #resume(stream: string, isIndependent: boolean): boolean {
    if (!isIndependent) {
      this.#droppedUnits++
      return false
    }
    this.#awaitingKeyFrame.delete(stream)
    const config = this.#configs.get(stream)
    if (config) this.#push(config)
    return true
  }

  #push(unit: TappedUnit): boolean {
    return this.#queue.push(unit, unit.type === 'sample' ? unit.sample.data.byteLength : CONFIG_COST_BYTES)
  }

  close(): void {
    this.#queue.close()
    this.#onClose(this)
  }

  [Symbol.asyncIterator](): AsyncIterator<TappedUnit> {
    return this.#queue[Symbol.asyncIterator]()
  }
}

/** The channel uses the memory of a sample again while this consumer may still have it before it. */
function owned(unit: TappedUnit): TappedUnit {
  if (unit.type === 'config') return unit
  return { ...unit, sample: { ...unit.sample, data: Uint8Array.from(unit.sample.data) } }
}
