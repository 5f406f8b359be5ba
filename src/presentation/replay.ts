import type { DiscontinuityHistory } from './discontinuity-history.ts'
import type { FragmentRecord, OpenSegment } from './open-segment.ts'
import type { LogRecord, RecordOf, Track } from './records.ts'
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
 * have one fragment per rendition.
 */
export function* replayRecords(source: ReplaySource): Iterable<LogRecord> {
  const { view, discontinuities, open } = source
  yield { type: 'opened', header: view.header }
  for (const track of source.tracks) yield { type: 'track-added', track }
  yield* recordsBeforeFirst(source)
  const listed = discontinuities.oldest?.discontinuitySequence
  yield* rowRecords(source, listed, view.firstSequence, view.endSequence)
  yield* discontinuities.records(
    view.segment(view.endSequence - 1)?.discontinuitySequence ?? listed,
    discontinuities.current,
  )
  if (open) {
    const { sequence, discontinuitySequence, startTicks, wallMs, fragments } = open
    yield { type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs, ...eventsOf(view, sequence) }
    yield* fragments
  }
  for (const span of source.spans) yield { type: 'span', ...span }
  for (const marker of view.markers) yield { type: 'marker', ...marker }
  if (view.ended) yield { type: 'ended' }
  if (view.archived) yield { type: 'archived' }
}

/**
 * Records of the rows from `first` to before `end`, with all that must be known of what lies before them: applied to a fresh
 * presentation, or behind those that end at `first`, they give these rows. Parts are folded.
 */
export function* replaySpan(source: ReplaySource, first: number, end: number): Iterable<LogRecord> {
  const { view, discontinuities } = source
  yield { type: 'opened', header: view.header }
  for (const track of source.tracks) yield { type: 'track-added', track }
  const row = view.segment(first)
  const stretchTicks = row && view.discontinuityStartTicks(row.discontinuitySequence)
  const isInStretch = row !== undefined && stretchTicks !== undefined && stretchTicks < row.startTicks && first > 0
  if (row && isInStretch) {
    const { discontinuitySequence, wallMs } = row
    const head = { sequence: first - 1, discontinuitySequence, startTicks: stretchTicks, wallMs }
    yield { type: 'gap', ...head, durationTicks: 0 }
  }
  yield { type: 'evicted', firstSequence: first }
  // The record that began the first row's stretch is part of it where it begins with the row.
  const before = row === undefined ? undefined : row.discontinuitySequence - (isInStretch ? 0 : 1)
  yield* rowRecords({ ...source, recentFragments: () => undefined }, before, first, end)
  const isLast = end === view.endSequence
  for (const marker of view.markers) {
    const { changedSequence } = marker
    // What was said before the next row stands in the journal of these rows, or of that one: in the chunks of both.
    if (changedSequence >= first && (changedSequence <= end || isLast)) yield { type: 'marker', ...marker }
  }
  if (isLast) {
    yield* discontinuities.records(view.segment(end - 1)?.discontinuitySequence, discontinuities.current)
    if (view.ended) yield { type: 'ended' }
  }
}

function* rowRecords(
  source: ReplaySource,
  discontinuityBefore: number | undefined,
  first: number,
  end: number,
): Iterable<LogRecord> {
  let discontinuity = discontinuityBefore
  for (let sequence = first; sequence < end; sequence++) {
    const row = source.view.segment(sequence) as SegmentRow
    yield* source.discontinuities.records(discontinuity, row.discontinuitySequence)
    discontinuity = row.discontinuitySequence
    yield* recordsOf(row, source)
  }
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

function eventsOf(view: PresentationView, sequence: number): Pick<RecordOf<'segment-opened'>, 'events'> {
  const events = view.events(sequence)
  return events ? { events: { kind: events.kind, boxes: events.boxes } } : {}
}

function* recordsOf(row: SegmentRow, { view, recentFragments }: ReplaySource): Iterable<LogRecord> {
  const { sequence, discontinuitySequence, startTicks, durationTicks, wallMs, gap } = row
  const head = { sequence, discontinuitySequence, startTicks, wallMs }
  if (gap) {
    yield { type: 'gap', ...head, durationTicks }
    return
  }
  yield { type: 'segment-opened', ...head, ...eventsOf(view, sequence) }
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
