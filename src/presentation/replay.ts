import type { DiscontinuityHistory } from './discontinuity-history.ts'
import type { FragmentRecord, OpenSegment } from './open-segment.ts'
import type { LogRecord, Track } from './records.ts'
import type { Span } from './span-table.ts'
import type { PresentationView, SegmentRow } from './view.ts'

/** The state of a presentation, as far as a replica has to be told. */
export type ReplaySource = {
  readonly view: PresentationView
  readonly tracks: Iterable<Track>
  readonly discontinuities: DiscontinuityHistory
  readonly spans: readonly Span[]
  readonly open: OpenSegment | undefined
  /** Whether the log has said where its numbers begin. */
  readonly isNumbered: boolean
  /** The fragments of a closed segment whose parts are not folded yet. */
  recentFragments(sequence: number): readonly FragmentRecord[] | undefined
}

/**
 * Records which, applied to a fresh presentation with the same header, give an equal view. Segments whose parts are folded
 * have one fragment per rendition; markers are not among them.
 */
export function* replayRecords(source: ReplaySource): Iterable<LogRecord> {
  const { view, discontinuities, open } = source
  yield { type: 'opened', header: view.header }
  for (const track of source.tracks) yield { type: 'track-added', track }
  yield* recordsBeforeFirst(source)
  let discontinuity = discontinuities.oldest?.discontinuitySequence
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    const row = view.segment(sequence) as SegmentRow
    yield* discontinuities.records(discontinuity, row.discontinuitySequence)
    discontinuity = row.discontinuitySequence
    yield* recordsOf(row, source)
  }
  yield* discontinuities.records(discontinuity, discontinuities.current)
  if (open) {
    const { sequence, discontinuitySequence, startTicks, wallMs, fragments } = open
    yield { type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs }
    yield* fragments
  }
  for (const span of source.spans) yield { type: 'span', ...span }
  if (view.ended) yield { type: 'ended' }
  if (view.archived) yield { type: 'archived' }
}

/** What a replica must know of segments that are gone: where the numbers begin, and the oldest stretch of timeline. */
function* recordsBeforeFirst({ view, discontinuities, isNumbered }: ReplaySource): Iterable<LogRecord> {
  const { firstSequence } = view
  const first = view.segment(firstSequence)
  const { oldest } = discontinuities
  if (oldest && oldest.startTicks !== first?.startTicks) {
    // A row that is evicted at once: it says where the oldest stretch began.
    yield { type: 'gap', ...oldest, sequence: firstSequence - 1, durationTicks: 0, wallMs: first?.wallMs ?? 0 }
  }
  if (isNumbered) yield { type: 'evicted', firstSequence }
}

function* recordsOf(row: SegmentRow, { view, recentFragments }: ReplaySource): Iterable<LogRecord> {
  const { sequence, discontinuitySequence, startTicks, durationTicks, wallMs, gap } = row
  const head = { sequence, discontinuitySequence, startTicks, wallMs }
  if (gap) {
    yield { type: 'gap', ...head, durationTicks }
    return
  }
  yield { type: 'segment-opened', ...head }
  const fragments = recentFragments(sequence)
  if (fragments) yield* fragments
  else {
    for (const { index } of view.renditions) {
      const media = view.renditionSegment(index, sequence)
      if (media) yield { type: 'fragment', ...media, wallMs }
    }
  }
  yield { type: 'segment-closed', sequence, durationTicks }
}
