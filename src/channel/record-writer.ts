import type { CaptionService } from '../media/codecs/captions.ts'
import { sameConfig } from '../media/same-config.ts'
import { type DiscontinuityReason, PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { Cut } from './cut-rule.ts'
import type { RenditionSpec } from './rendition-track.ts'
import type { AssemblyHead, LogEntry, SegmentAssembly } from './segment-assembly.ts'
import { describeTrack } from './track-description.ts'

/** What survives a restart: numbers never go back. */
export type SegmenterNumbers = {
  readonly nextSequence: number
  readonly discontinuitySequence: number
  readonly nextTrackNumber: number
  /** End of everything that was ever in the log, 90 kHz. */
  readonly endTicks: number
}

/** A rendition's track, and how it stands to what the log has: `first` comes before anything was announced. */
export type TrackAssignment = {
  readonly trackNumber: number
  readonly kind: 'first' | 'same' | 'newcomer' | 'changed'
  /** The track that the rendition had before. */
  readonly previous: number | undefined
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** A hole shorter than this is jitter, and no row. */
const MIN_GAP_TICKS = PRESENTATION_TIMESCALE / 4
/** More than so many are not made up for at once: the process slept, or the clock was set. */
const MAX_GAPS_AT_ONCE = 32

/**
 * Numbers and writes what the log's order is made of: rows without holes whose starts rise, one discontinuity for all that
 * happened between two segments, gaps on the epoch grid and never over media, each track before its first fragment.
 */
export class RecordWriter {
  readonly #emit: (entry: LogEntry) => void
  readonly #segmentTicks: number
  readonly #captions: readonly CaptionService[] | undefined
  readonly #announced = new Map<number, Track>()
  /** What every track number was given for. */
  readonly #assigned = new Map<number, RenditionSpec>()
  /** The track that each rendition has now. */
  readonly #current = new Map<string, number>()
  #numbers: { -readonly [K in keyof SegmenterNumbers]: SegmenterNumbers[K] }
  #pendingReason: DiscontinuityReason | undefined
  /** No row may start before this. */
  #floorTicks = Number.NEGATIVE_INFINITY

  constructor(
    segmentTicks: number,
    emit: (entry: LogEntry) => void,
    numbers: SegmenterNumbers,
    captions?: readonly CaptionService[],
  ) {
    this.#segmentTicks = segmentTicks
    this.#captions = captions
    this.#emit = emit
    this.#numbers = { ...numbers }
    if (this.#hasRows) this.#pendingReason = 'restart'
  }

  get numbers(): SegmenterNumbers {
    return this.#numbers
  }

  /** Where a segment may start at the earliest, 90 kHz. */
  get floorTicks(): number {
    return this.#floorTicks
  }

  get #hasRows(): boolean {
    return this.#numbers.nextSequence > 0
  }

  /** What happened since the last segment has made the next one the start of a new stretch. */
  get isDiscontinuous(): boolean {
    return this.#pendingReason !== undefined
  }

  isAnnounced(trackNumber: number): boolean {
    return this.#announced.has(trackNumber)
  }

  /** The next segment begins a new stretch. The first reason stands; before any media there is nothing to be continuous with. */
  discontinuity(reason: DiscontinuityReason): void {
    if (this.#hasRows) this.#pendingReason ??= reason
  }

  /** The same configuration again is the same track, also after another one in between. */
  assign(spec: RenditionSpec): TrackAssignment {
    const previous = this.#current.get(spec.name)
    const trackNumber = this.#knownTrack(spec) ?? this.#numbers.nextTrackNumber++
    this.#assigned.set(trackNumber, spec)
    this.#current.set(spec.name, trackNumber)
    if (previous === undefined) return { trackNumber, previous, kind: this.#announced.size > 0 ? 'newcomer' : 'first' }
    return { trackNumber, previous, kind: trackNumber === previous ? 'same' : 'changed' }
  }

  #knownTrack(spec: RenditionSpec): number | undefined {
    for (const [trackNumber, { name, config }] of this.#assigned) {
      if (name === spec.name && sameConfig(config, spec.config)) return trackNumber
    }
    return undefined
  }

  /**
   * Numbers the next segment. `isFirst`: nothing is under way before it, so that a hole can still be filled with gaps. Gives
   * its head and the records with which it will begin in the log.
   */
  begin(
    start: { readonly startTicks: number; readonly decodeTicks: number; readonly cut: Cut },
    isFirst: boolean,
  ): { readonly head: AssemblyHead; readonly opening: LogEntry[] } {
    const startTicks = Math.round(Math.max(start.startTicks, this.#floorTicks))
    const reason = this.#pendingReason
    this.#pendingReason = undefined
    if (reason && reason !== 'restart' && isFirst) this.#fillHole(startTicks)
    const opening: LogEntry[] = []
    if (reason) {
      const discontinuitySequence = ++this.#numbers.discontinuitySequence
      opening.push({ record: { type: 'discontinuity', discontinuitySequence, reason } })
    }
    const { discontinuitySequence } = this.#numbers
    const sequence = this.#numbers.nextSequence++
    const wallMs = startTicks / TICKS_PER_MS
    opening.push({ record: { type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs } })
    this.#floorTicks = startTicks + 1
    const audioFromTicks = isFirst ? Math.min(startTicks, start.decodeTicks) : startTicks
    return { head: { sequence, startTicks, audioFromTicks, cut: start.cut }, opening }
  }

  /** Lets out what the oldest segment has so far, each track before its first fragment. */
  release(assembly: SegmentAssembly): void {
    for (const [renditionTrack, total] of assembly.totals) {
      if (this.#announced.has(renditionTrack.trackNumber)) continue
      const track = describeTrack(renditionTrack, total, [...this.#announced.values()], this.#captions)
      this.#announced.set(track.track, track)
      this.#emit({ record: { type: 'track-added', track } })
    }
    for (const entry of assembly.entries) this.#emit(entry)
    assembly.entries.length = 0
  }

  close({ head, next, lengthTicks, endTicks }: SegmentAssembly): void {
    const { sequence, startTicks } = head
    const untilNextTicks = (next?.head.startTicks ?? Number.POSITIVE_INFINITY) - startTicks
    const durationTicks = Math.round(Math.min(untilNextTicks, lengthTicks))
    const mediaEndTicks = Math.ceil(Math.max(startTicks + durationTicks, endTicks))
    this.#numbers.endTicks = Math.max(this.#numbers.endTicks, mediaEndTicks)
    this.#emit({ record: { type: 'segment-closed', sequence, durationTicks } })
  }

  /** Appends gaps on the epoch grid, each no longer than a segment, that end at or before `untilTicks` (90 kHz). */
  fillGap(untilTicks: number): void {
    if (!this.#hasRows) return
    const gridTicks = Math.floor(untilTicks / this.#segmentTicks) * this.#segmentTicks
    let startTicks = Math.max(this.#numbers.endTicks, this.#floorTicks)
    if (gridTicks - startTicks > MAX_GAPS_AT_ONCE * this.#segmentTicks) startTicks = gridTicks - this.#segmentTicks
    while (startTicks < gridTicks) {
      const endTicks = (Math.floor(startTicks / this.#segmentTicks) + 1) * this.#segmentTicks
      this.#gap(startTicks, endTicks)
      startTicks = endTicks
    }
  }

  /** What is missing between the last row and the media that came back, where it is worth a row and no long absence. */
  #fillHole(startTicks: number): void {
    const holeTicks = startTicks - this.#numbers.endTicks
    if (holeTicks > MAX_GAPS_AT_ONCE * this.#segmentTicks) return
    this.fillGap(startTicks)
    const restTicks = startTicks - this.#numbers.endTicks
    if (restTicks >= MIN_GAP_TICKS) this.#gap(this.#numbers.endTicks, startTicks)
  }

  #gap(startTicks: number, endTicks: number): void {
    const { discontinuitySequence } = this.#numbers
    const sequence = this.#numbers.nextSequence++
    this.#numbers.endTicks = endTicks
    this.#floorTicks = endTicks
    this.#emit({
      record: {
        type: 'gap',
        sequence,
        discontinuitySequence,
        startTicks,
        durationTicks: endTicks - startTicks,
        wallMs: startTicks / TICKS_PER_MS,
      },
    })
  }
}
