import { Presentation } from '../../presentation/presentation.ts'
import { type LogRecord, PRESENTATION_TIMESCALE, type PresentationHeader } from '../../presentation/records.ts'
import type { PresentationView } from '../../presentation/view.ts'
import type { CutRow } from './clip-edges.ts'
import type { ClipRows } from './clip-range.ts'

/** Who a clip is: the id of its presentation, which is its asset's, and an epoch of its own, so that its URLs are too. */
export type ClipIdentity = { readonly id: string; readonly epoch: string }

/** What a clip's log is made of. */
export type ClipSourceLog = {
  readonly view: PresentationView
  /** As `Presentation.spanRecords`. */
  readonly spanRecords: (firstSequence: number, endSequence: number) => Iterable<LogRecord>
}

/**
 * The clip's presentation, ended. It stands on the recording's time line and keeps its numbers (of segments, discontinuities and
 * tracks), so that what lies in storage is named and placed as it was; it has the tracks that it has media of.
 */
export function clipPresentation(
  source: ClipSourceLog,
  { firstSequence, endSequence }: ClipRows,
  cuts: ReadonlyMap<number, CutRow>,
  { id, epoch }: ClipIdentity,
): Presentation {
  const { targetDurationMs } = source.view.header
  const header: PresentationHeader = { id, epoch, targetDurationMs }
  const clip = new Presentation(header)
  const used = usedTracks(source.view, firstSequence, endSequence)
  let hasRows = false
  for (const record of source.spanRecords(firstSequence, endSequence)) {
    switch (record.type) {
      case 'track-added':
        if (used.has(record.track.track)) clip.apply(record)
        break
      case 'segment-opened':
      case 'gap':
        // What a span says of before its first row is the recording's, not the clip's.
        if (record.sequence < firstSequence) break
        hasRows = true
        clip.apply(opening(record, cuts.get(record.sequence)))
        break
      case 'fragment':
        if (!cuts.has(record.sequence)) clip.apply(record)
        break
      case 'segment-closed':
        applyClosing(clip, record, cuts.get(record.sequence))
        break
      case 'discontinuity':
        if (hasRows) clip.apply(record)
        break
      default:
        break
    }
  }
  clip.apply({ type: 'ended' })
  return clip
}

function opening<T extends Extract<LogRecord, { readonly type: 'segment-opened' | 'gap' }>>(
  record: T,
  cut: CutRow | undefined,
): T {
  if (!cut) return record
  const laterMs = ((cut.startTicks - record.startTicks) / PRESENTATION_TIMESCALE) * 1_000
  return { ...record, startTicks: cut.startTicks, wallMs: record.wallMs + laterMs }
}

function applyClosing(
  clip: Presentation,
  record: Extract<LogRecord, { readonly type: 'segment-closed' }>,
  cut: CutRow | undefined,
): void {
  const { sequence } = record
  for (const [, { bytes, ...segment }] of cut?.segments ?? []) {
    const wallMs = clip.openSegment?.wallMs ?? 0
    clip.apply({ type: 'fragment', sequence, ...segment, sizeBytes: bytes.byteLength, wallMs })
  }
  clip.apply(cut ? { type: 'segment-closed', sequence, durationTicks: cut.durationTicks } : record)
}

function usedTracks(view: PresentationView, firstSequence: number, endSequence: number): ReadonlySet<number> {
  const used = new Set<number>()
  for (const { index } of view.renditions) {
    for (let sequence = firstSequence; sequence < endSequence; sequence++) {
      const segment = view.renditionSegment(index, sequence)
      if (segment) used.add(segment.track)
    }
  }
  return used
}
