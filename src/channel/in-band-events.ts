import { beginMessage, endMessage } from '../presentation/marker-events.ts'
import { MAX_MARKERS, type Marker } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { SegmentEvents } from '../presentation/segment-events.ts'

/** What segments may carry of texts and tags: so much at once, and on average, so that 25 hours of them stay within 6 MB. */
const BURST_BYTES = 32_768
const BYTES_PER_SECOND = 64
/** Of breaks and programs, at once: what is more waits for the next segment. */
const MAX_SEGMENT_BYTES = 65_536

type Message = { readonly startTicks: number; readonly boxes: Uint8Array; readonly isMinor: boolean }

/**
 * Which markers a presentation's segments carry: each in the first segment that opens after it was announced, and so does the end of a
 * break. The log keeps what that comes to, because a marker that is told later must change nothing that was served.
 */
export class InBandEvents {
  /** What was told already, or is about to be; the latest last. */
  readonly #told = new Map<string, 'begun' | 'ended'>()
  #pending = new Map<string, Message>()
  #budget = { bytes: BURST_BYTES, atTicks: Number.NaN }

  /** Something was said of a marker. */
  take(marker: Marker): void {
    const { id, startTicks, isCancelled, scte35 } = marker
    const known = this.#told.get(id)
    if (isCancelled) {
      // Who was told already is told by the manifest that it is called off.
      this.#pending.delete(id)
      return
    }
    if (!known) this.#await(id, { startTicks, boxes: beginMessage(marker), isMinor: !scte35 })
    const end = known === 'ended' ? undefined : endMessage(marker)
    if (end) this.#await(`${id}/in`, { startTicks: startTicks + 1, boxes: end, isMinor: false })
    this.#told.delete(id)
    this.#told.set(id, known === 'ended' || end ? 'ended' : 'begun')
    if (this.#told.size > MAX_MARKERS) this.#told.delete(this.#told.keys().next().value ?? '')
  }

  /** While no segment opens, those told last are kept: manifests tell of the others. */
  #await(name: string, message: Message): void {
    this.#pending.set(name, message)
    if (this.#pending.size > MAX_MARKERS) this.#pending.delete(this.#pending.keys().next().value ?? '')
  }

  /** What the segment carries that opens at `startTicks` (90 kHz); `undefined`: nothing. */
  next(startTicks: number, tracks: readonly Track[]): SegmentEvents | undefined {
    if (this.#pending.size === 0) return undefined
    this.#refill(startTicks)
    const waiting = [...this.#pending].toSorted(([, one], [, other]) => one.startTicks - other.startTicks)
    const boxes: Uint8Array[] = []
    let sizeBytes = 0
    this.#pending = new Map()
    for (const [name, message] of waiting) {
      const bytes = message.boxes.byteLength
      if (sizeBytes + bytes > MAX_SEGMENT_BYTES) {
        if (!message.isMinor) this.#pending.set(name, message)
        continue
      }
      // A text for which there is no room is in the manifests all the same.
      if (message.isMinor && bytes > this.#budget.bytes) continue
      if (message.isMinor) this.#budget.bytes -= bytes
      boxes.push(message.boxes)
      sizeBytes += bytes
    }
    if (boxes.length === 0) return undefined
    const kind = tracks.some(({ config }) => config.kind === 'video') ? 'video' : 'audio'
    return { kind, boxes: Uint8Array.from(Buffer.concat(boxes)) }
  }

  #refill(nowTicks: number): void {
    const { bytes, atTicks } = this.#budget
    const seconds = Math.max(0, (nowTicks - atTicks) / PRESENTATION_TIMESCALE) || 0
    this.#budget = { bytes: Math.min(BURST_BYTES, bytes + seconds * BYTES_PER_SECOND), atTicks: nowTicks }
  }
}
