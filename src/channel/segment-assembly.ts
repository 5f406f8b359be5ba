import { buildFragment } from '../media/cmaf/fragment.ts'
import { type LogRecord, PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { Cut } from './cut-rule.ts'
import type { QueuedSample, RenditionTrack } from './rendition-track.ts'

/** A record of the log with the bytes it speaks of, if any. */
export type LogEntry = { readonly record: LogRecord; readonly bytes?: Uint8Array }

/** What one rendition put into a segment. `startTicks`: its earliest PTS, in the track's timescale. */
export type RenditionTotal = { samples: number; sizeBytes: number; durationTicks: number; startTicks: number }

/** What is known of a segment when it opens. */
export type AssemblyHead = {
  readonly sequence: number
  readonly startTicks: number
  /** Audio from here on belongs to it: its start, or, where nothing went before, all that came with its first picture. */
  readonly audioFromTicks: number
  readonly cut: Cut
}

/** How a segment's fragments are made. */
export type AssemblyOptions = {
  /** Part target in seconds; absent: a segment is one fragment. */
  readonly partSeconds: number | undefined
  readonly allocate: (sizeBytes: number) => Uint8Array
  /** Nobody reads this sample's data any more. */
  readonly done: (data: Uint8Array) => void
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
  readonly entries: LogEntry[]
  readonly totals = new Map<RenditionTrack, RenditionTotal>()
  /** The segment after this one, once it has begun. */
  next: SegmentAssembly | undefined
  readonly #open = new Map<RenditionTrack, QueuedSample[]>()
  readonly #options: AssemblyOptions
  #endTicks = Number.NEGATIVE_INFINITY

  /** `opening`: the entries with which it begins in the log. */
  constructor(head: AssemblyHead, opening: LogEntry[], options: AssemblyOptions) {
    this.head = head
    this.entries = opening
    this.#options = options
  }

  /** How long it is: as its longest video where it has any, else as its audio; 90 kHz. */
  get lengthTicks(): number {
    let video = 0
    let audio = 0
    for (const [{ isVideo, timescale }, { durationTicks }] of this.totals) {
      const lengthTicks = (durationTicks / timescale) * PRESENTATION_TIMESCALE
      if (isVideo) video = Math.max(video, lengthTicks)
      else audio = Math.max(audio, lengthTicks)
    }
    return video > 0 ? video : audio
  }

  /** Where the last of its samples is over, in decoding time, 90 kHz; audio may outlast the pictures. */
  get endTicks(): number {
    return this.#endTicks
  }

  add(track: RenditionTrack, sample: QueuedSample): void {
    const open = this.#open.get(track)
    if (open && !this.#isFull(track, open, sample)) {
      open.push(sample)
      return
    }
    if (open) this.#write(track, open)
    this.#open.set(track, [sample])
  }

  /** The rendition has nothing more for this segment: its last fragment is written. */
  finish(track: RenditionTrack): void {
    const open = this.#open.get(track)
    this.#open.delete(track)
    if (open) this.#write(track, open)
    const total = this.totals.get(track)
    if (total) track.raiseFloor(total.startTicks)
  }

  /** A hole in decode times needs a `tfdt` of its own; a part ends before the sample that would take it past its target. */
  #isFull(track: RenditionTrack, open: readonly QueuedSample[], sample: QueuedSample): boolean {
    const first = open[0] ?? sample
    const last = open.at(-1) ?? sample
    if (last.dtsTicks + last.durationTicks !== sample.dtsTicks) return true
    const { partSeconds } = this.#options
    if (partSeconds === undefined) return false
    const durationTicks = sample.dtsTicks + sample.durationTicks - first.dtsTicks
    return durationTicks / track.timescale > partSeconds + ROUNDING_SECONDS
  }

  #write(track: RenditionTrack, samples: readonly QueuedSample[]): void {
    const first = samples[0]
    const last = samples.at(-1)
    if (!first || !last) return
    const number = track.nextFragmentNumber()
    const { bytes, leadingBytes } = buildFragment(
      {
        trackId: 1,
        sequenceNumber: number,
        baseDecodeTicks: first.dtsTicks,
        kind: track.spec.config.kind,
        samples,
        opensSegment: !this.totals.has(track),
      },
      this.#options.allocate,
    )
    for (const { data } of samples) this.#options.done(data)
    const startTicks = Math.max(earliestTicks(samples), track.startFloorTicks)
    const endTicks = last.dtsTicks + last.durationTicks
    const durationTicks = endTicks - first.dtsTicks
    this.#endTicks = Math.max(this.#endTicks, (endTicks / track.timescale) * PRESENTATION_TIMESCALE)
    this.#count(track, { samples: samples.length, sizeBytes: bytes.byteLength, durationTicks, startTicks })
    this.entries.push({
      bytes,
      record: {
        type: 'fragment',
        sequence: this.head.sequence,
        track: track.trackNumber,
        startTicks,
        durationTicks,
        sizeBytes: bytes.byteLength,
        leadingBytes,
        independent: first.independent,
        wallMs: this.#options.wallMs(),
        number,
      },
    })
  }

  #count(track: RenditionTrack, fragment: RenditionTotal): void {
    const total = this.totals.get(track)
    if (!total) {
      this.totals.set(track, fragment)
      return
    }
    total.samples += fragment.samples
    total.sizeBytes += fragment.sizeBytes
    total.durationTicks += fragment.durationTicks
    total.startTicks = Math.min(total.startTicks, fragment.startTicks)
  }
}

function earliestTicks(samples: readonly QueuedSample[]): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const { dtsTicks, compositionTicks } of samples) earliest = Math.min(earliest, dtsTicks + compositionTicks)
  return earliest
}
