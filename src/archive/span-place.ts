import type { PresentationView } from '../presentation/view.ts'

/** Where a segment of a track lies: in the span of the track that begins at `spanTicks`, from `offset` on. */
export type SpanPlace = {
  readonly track: number
  /** Start of the track's first segment in the span, in the track's timescale: it names the file. */
  readonly spanTicks: number
  readonly offset: number
  readonly sizeBytes: number
}

/** Follows from the index alone: a span has the segments of a track one behind the other. `undefined`: not in storage. */
export function placeInSpan(view: PresentationView, renditionIndex: number, sequence: number): SpanPlace | undefined {
  const span = view.span(sequence)
  const segment = view.renditionSegment(renditionIndex, sequence)
  if (!span || !segment) return undefined
  let spanTicks = segment.startTicks
  let offset = 0
  for (let before = sequence - 1; before >= span.firstSequence; before--) {
    const earlier = view.renditionSegment(renditionIndex, before)
    if (earlier?.track !== segment.track) continue
    spanTicks = earlier.startTicks
    offset += earlier.sizeBytes
  }
  return { track: segment.track, spanTicks, offset, sizeBytes: segment.sizeBytes }
}

/** The segments that a track, of one rendition, has in a span; one of them at least. */
export type TrackSpan = {
  readonly track: number
  readonly renditionIndex: number
  readonly spanTicks: number
  readonly sequences: readonly number[]
}

/** What of each track lies in the segments from `first` to before `end`. */
export function trackSpans(view: PresentationView, first: number, end: number): TrackSpan[] {
  const spans = new Map<number, TrackSpan & { sequences: number[] }>()
  for (let sequence = first; sequence < end; sequence++) {
    for (const { index: renditionIndex } of view.renditions) {
      const segment = view.renditionSegment(renditionIndex, sequence)
      if (!segment) continue
      const { track, startTicks: spanTicks } = segment
      const known = spans.get(track)
      if (known) known.sequences.push(sequence)
      else spans.set(track, { track, renditionIndex, spanTicks, sequences: [sequence] })
    }
  }
  return [...spans.values()]
}
