import { equalBytes } from '../../lib/bytes.ts'
import { AppError } from '../../lib/errors.ts'
import { buildInitSegment } from '../../media/cmaf/init-segment.ts'
import type { VideoConfig } from '../../media/media.ts'
import { markerEndTicks } from '../../presentation/markers.ts'
import { Presentation } from '../../presentation/presentation.ts'
import {
  type DiscontinuityReason,
  type LogRecord,
  PRESENTATION_TIMESCALE,
  type PresentationHeader,
  type Track,
} from '../../presentation/records.ts'
import type { PresentationView, SegmentRow } from '../../presentation/view.ts'
import type { CutRow } from './clip-edges.ts'
import type { ClipRows } from './clip-range.ts'
import type { CutSegment } from './coded-row.ts'

/** Who a clip is: the id of its presentation, which is its asset's, and an epoch of its own, so that its URLs are too. */
export type ClipIdentity = { readonly id: string; readonly epoch: string }

/** What a clip's log is made of. */
export type ClipSourceLog = {
  readonly view: PresentationView
  /** As `Presentation.spanRecords`. */
  readonly spanRecords: (firstSequence: number, endSequence: number) => Iterable<LogRecord>
}

/** A row of a clip: of which row of the recording it is, and, where that was cut, what is left of it. */
export type ClipRow = { readonly source: number; readonly cut?: CutRow }

/** The rows of a clip. Their numbers begin with that of the first one's source and go up by one. */
export function clipRowsOf(
  { firstSequence, endSequence }: ClipRows,
  cuts: ReadonlyMap<number, readonly CutRow[]>,
): ClipRow[] {
  const rows: ClipRow[] = []
  for (let source = firstSequence; source < endSequence; source++) {
    const parts = cuts.get(source)
    if (parts) for (const cut of parts) rows.push({ source, cut })
    else rows.push({ source })
  }
  return rows
}

/**
 * The clip's presentation, ended. It stands on the recording's time line and keeps the numbers of its tracks, so that what lies in
 * storage is named and placed as it was; it has the tracks that it has media of. What was encoded anew is a track of its own, with a
 * discontinuity before and behind it. `rest` is awaited now and then, since a day is a lot of rows.
 *
 * @throws AppError `SEGMENT_GONE` where the recording discards rows meanwhile; what `rest` throws
 */
export async function clipPresentation(
  source: ClipSourceLog,
  rows: readonly ClipRow[],
  { id, epoch }: ClipIdentity,
  rest: () => Promise<void>,
): Promise<Presentation> {
  const { targetDurationMs, manifestName, timeBaseTicks } = source.view.header
  const header: PresentationHeader = {
    id,
    epoch,
    targetDurationMs,
    ...(manifestName !== undefined && { manifestName }),
    ...(timeBaseTicks !== undefined && { timeBaseTicks }),
  }
  const writer = new ClipLogWriter(new Presentation(header), source)
  const sequence = rows[0]?.source ?? 0
  for (const [index, row] of rows.entries()) {
    if (index % ROWS_AT_ONCE === 0) await rest()
    writer.add(sequence + index, row, rows[index - 1])
  }
  return writer.finish()
}

const ROWS_AT_ONCE = 256

class ClipLogWriter {
  readonly #clip: Presentation
  readonly #view: PresentationView
  readonly #spanRecords: ClipSourceLog['spanRecords']
  readonly #encoded: Track[] = []
  #nextTrack: number
  #discontinuity: number | undefined
  readonly #known = new Set<number>()

  constructor(clip: Presentation, { view, spanRecords }: ClipSourceLog) {
    this.#clip = clip
    this.#view = view
    this.#spanRecords = spanRecords
    const tracks = view.renditions.flatMap((rendition) => rendition.tracks)
    this.#nextTrack = Math.max(0, ...tracks.map(({ track }) => track)) + 1
  }

  add(sequence: number, { source, cut }: ClipRow, before: ClipRow | undefined): void {
    const row = this.#view.segment(source)
    if (!row) throw new AppError('SEGMENT_GONE', 'The recording has discarded a part of this clip while it was made.')
    const discontinuitySequence = this.#stretch(row, cut, before)
    const startTicks = cut?.startTicks ?? row.startTicks
    const wallMs = row.wallMs + ((startTicks - row.startTicks) / PRESENTATION_TIMESCALE) * 1_000
    const durationTicks = cut?.durationTicks ?? row.durationTicks
    const head = { sequence, discontinuitySequence, startTicks, wallMs }
    if (row.gap) {
      this.#clip.apply({ type: 'gap', ...head, durationTicks })
      return
    }
    // Tracks are made known before the segment is open.
    const fragments = this.#fragments(source, cut)
    // What is cut begins later than what was announced for it: its manifests tell of that.
    const events = cut ? undefined : this.#view.events(source)
    this.#clip.apply({ type: 'segment-opened', ...head, ...(events && { events }) })
    for (const fragment of fragments) this.#clip.apply({ type: 'fragment', ...fragment, sequence, wallMs })
    this.#clip.apply({ type: 'segment-closed', sequence, durationTicks })
  }

  /** With the markers that reach into it. */
  finish(): Presentation {
    const [first, last] = [this.#clip.segment(this.#clip.firstSequence), this.#clip.segment(this.#clip.endSequence - 1)]
    for (const { changedSequence: _source, ...marker } of this.#view.markers) {
      const isWithin = first && last && marker.startTicks < last.startTicks + last.durationTicks
      if (isWithin && markerEndTicks(marker) >= first.startTicks) this.#clip.apply({ type: 'marker', ...marker })
    }
    this.#clip.apply({ type: 'ended' })
    return this.#clip
  }

  /** The number of the stretch that the row is in, announced where it is new. */
  #stretch(row: SegmentRow, cut: CutRow | undefined, before: ClipRow | undefined): number {
    if (this.#discontinuity === undefined || !before) {
      this.#discontinuity = row.discontinuitySequence
      return this.#discontinuity
    }
    const earlier = this.#view.segment(before.source)?.discontinuitySequence ?? row.discontinuitySequence
    for (let own = earlier + 1; own <= row.discontinuitySequence; own++) {
      this.#announce(this.#reasonOf(row, own))
    }
    const isEdge =
      Boolean(cut?.isEncoded) !== Boolean(before.cut?.isEncoded) || (cut?.isEncoded && before.cut?.isEncoded)
    if (earlier === row.discontinuitySequence && isEdge) this.#announce('codec-change')
    return this.#discontinuity
  }

  /** A span that begins with the row says why its stretch began. */
  #reasonOf({ sequence }: SegmentRow, discontinuitySequence: number): DiscontinuityReason {
    for (const record of this.#spanRecords(sequence, sequence + 1)) {
      if (record.type === 'discontinuity' && record.discontinuitySequence === discontinuitySequence)
        return record.reason
    }
    return 'codec-change'
  }

  #announce(reason: DiscontinuityReason): void {
    const discontinuitySequence = (this.#discontinuity ?? 0) + 1
    this.#discontinuity = discontinuitySequence
    this.#clip.apply({ type: 'discontinuity', discontinuitySequence, reason })
  }

  #fragments(source: number, cut: CutRow | undefined) {
    const fragments: Omit<Extract<LogRecord, { type: 'fragment' }>, 'type' | 'sequence' | 'wallMs'>[] = []
    for (const { index } of this.#view.renditions) {
      const segment = cut ? cut.segments.get(index) : this.#view.renditionSegment(index, source)
      if (!segment) continue
      const track = this.#trackOf(segment)
      const { startTicks, durationTicks, leadingBytes, independent } = segment
      const sizeBytes = 'bytes' in segment ? segment.bytes.byteLength : segment.sizeBytes
      fragments.push({ track, startTicks, durationTicks, leadingBytes, independent, sizeBytes })
    }
    return fragments
  }

  #trackOf(segment: { readonly track: number } & Pick<CutSegment, 'config'>): number {
    const track = this.#view.track(segment.track) as Track
    const own = segment.config ? this.#encodedTrack(track, segment.config) : track
    if (!this.#known.has(own.track)) this.#clip.apply({ type: 'track-added', track: own })
    this.#known.add(own.track)
    return own.track
  }

  /** Both ends have one track where they were encoded alike. */
  #encodedTrack(like: Track, config: VideoConfig): Track {
    const isAlike = (other: Track) =>
      other.rendition === like.rendition && equalBytes(other.config.record, config.record)
    const known = this.#encoded.find(isAlike)
    if (known) return known
    const { language } = like
    const init = buildInitSegment([{ trackId: 1, config, ...(language !== undefined && { language }) }])
    const track: Track = { ...like, track: this.#nextTrack++, config, init }
    this.#encoded.push(track)
    return track
  }
}
