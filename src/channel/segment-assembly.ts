import { buildFragment } from '../media/cmaf/fragment.ts'
import { type LogRecord, PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { Cut } from './cut-rule.ts'
import type { QueuedSample, RenditionTrack } from './rendition-track.ts'

/** A record of the log with the bytes it speaks of, if any. */
export type LogEntry = { readonly record: LogRecord; readonly bytes?: Uint8Array }

type OpenFragment = { samples: QueuedSample[]; durationTicks: number; nextDtsTicks: number; isFirst: boolean }

/** What one rendition put into a segment. */
export type RenditionTotal = { sizeBytes: number; durationTicks: number }

export type AssemblyHead = {
  readonly sequence: number
  readonly discontinuitySequence: number
  readonly startTicks: number
  /** Audio from here on belongs to it: its start, or, where nothing went before, all that came with its first picture. */
  readonly audioFromTicks: number
  readonly cut: Cut
}

export type AssemblyOptions = {
  /** Part target in seconds; absent: a segment is one fragment. */
  readonly partSeconds: number | undefined
  readonly allocate: (sizeBytes: number) => Uint8Array
  readonly nextFragmentNumber: (track: RenditionTrack) => number
  readonly wallMs: () => number
}

/** Parts may pass their target by rounding only; a tick's worth of error must not make a part of one frame less. */
const ROUNDING_SECONDS = 0.001

/**
 * A segment under construction: samples of all renditions come in, fragments come out as log entries. It holds them back
 * (`entries`) until the segmenter lets them go, because the log has one open segment at a time.
 */
export class SegmentAssembly {
  readonly head: AssemblyHead
  readonly entries: LogEntry[] = []
  readonly totals = new Map<RenditionTrack, RenditionTotal>()
  readonly #open = new Map<RenditionTrack, OpenFragment>()
  readonly #options: AssemblyOptions

  constructor(head: AssemblyHead, options: AssemblyOptions) {
    this.head = head
    this.#options = options
  }

  /** How long it is: as its longest video where it has any, else as its audio; 90 kHz. */
  get lengthTicks(): number {
    const totals = [...this.totals]
    const video = totals.filter(([track]) => track.isVideo)
    const lengths = (video.length > 0 ? video : totals).map(([track, total]) => total.durationTicks / track.timescale)
    return Math.max(0, ...lengths) * PRESENTATION_TIMESCALE
  }

  add(track: RenditionTrack, sample: QueuedSample): void {
    const fragment = this.#fragmentFor(track, sample)
    fragment.samples.push(sample)
    fragment.durationTicks += sample.durationTicks
    fragment.nextDtsTicks = sample.dtsTicks + sample.durationTicks
  }

  /** The rendition has nothing more for this segment: its last fragment is written. */
  finish(track: RenditionTrack): void {
    const fragment = this.#open.get(track)
    this.#open.delete(track)
    if (fragment) this.#write(track, fragment)
  }

  #fragmentFor(track: RenditionTrack, sample: QueuedSample): OpenFragment {
    const open = this.#open.get(track)
    if (open && !this.#isFull(track, open, sample)) return open
    if (open) this.#write(track, open)
    const fresh = { samples: [], durationTicks: 0, nextDtsTicks: sample.dtsTicks, isFirst: !this.totals.has(track) }
    this.#open.set(track, fresh)
    return fresh
  }

  /** A hole in decode times needs a `tfdt` of its own; a part ends before the sample that would take it past its target. */
  #isFull(track: RenditionTrack, open: OpenFragment, sample: QueuedSample): boolean {
    if (open.nextDtsTicks !== sample.dtsTicks) return true
    const { partSeconds } = this.#options
    return (
      partSeconds !== undefined &&
      (open.durationTicks + sample.durationTicks) / track.timescale > partSeconds + ROUNDING_SECONDS
    )
  }

  #write(track: RenditionTrack, { samples, durationTicks, isFirst }: OpenFragment): void {
    const first = samples[0]
    if (!first) return
    const { bytes, leadingBytes } = buildFragment(
      {
        trackId: 1,
        sequenceNumber: this.#options.nextFragmentNumber(track),
        baseDecodeTicks: first.dtsTicks,
        kind: track.spec.config.kind,
        samples,
        opensSegment: isFirst,
      },
      this.#options.allocate,
    )
    const total = this.totals.get(track) ?? { sizeBytes: 0, durationTicks: 0 }
    total.sizeBytes += bytes.byteLength
    total.durationTicks += durationTicks
    this.totals.set(track, total)
    this.entries.push({
      bytes,
      record: {
        type: 'fragment',
        sequence: this.head.sequence,
        track: track.trackNumber,
        startTicks: earliestTicks(samples),
        durationTicks,
        sizeBytes: bytes.byteLength,
        leadingBytes,
        independent: first.independent,
        wallMs: this.#options.wallMs(),
      },
    })
  }
}

function earliestTicks(samples: readonly QueuedSample[]): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const { dtsTicks, compositionTicks } of samples) earliest = Math.min(earliest, dtsTicks + compositionTicks)
  return earliest
}
