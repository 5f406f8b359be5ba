import type { LiveEdge } from './live-edge.ts'
import type { PlacedMarker } from './markers.ts'
import type { PresentationHeader, Track } from './records.ts'
import type { SegmentEvents } from './segment-events.ts'
import type { Span } from './span-table.ts'
import type { TextRendition } from './text-rendition.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from './view.ts'

/** A presentation with texts beside it; all else is as it is there. Other texts make another view, so nothing that was made of this one changes. */
export class TextedView implements PresentationView {
  readonly whole: PresentationView
  readonly texts: readonly TextRendition[]

  constructor(whole: PresentationView, texts: readonly TextRendition[]) {
    this.whole = whole
    this.texts = texts
  }

  get header(): PresentationHeader {
    return this.whole.header
  }

  get version(): number {
    return this.whole.version
  }

  get ended(): boolean {
    return this.whole.ended
  }

  get archived(): boolean {
    return this.whole.archived
  }

  get renditions(): readonly Rendition[] {
    return this.whole.renditions
  }

  get firstSequence(): number {
    return this.whole.firstSequence
  }

  get endSequence(): number {
    return this.whole.endSequence
  }

  get markers(): readonly PlacedMarker[] {
    return this.whole.markers
  }

  get live(): LiveEdge | undefined {
    return this.whole.live
  }

  track(track: number): Track | undefined {
    return this.whole.track(track)
  }

  segment(sequence: number): SegmentRow | undefined {
    return this.whole.segment(sequence)
  }

  renditionSegment(renditionIndex: number, sequence: number): RenditionSegment | undefined {
    return this.whole.renditionSegment(renditionIndex, sequence)
  }

  discontinuityStartTicks(discontinuitySequence: number): number | undefined {
    return this.whole.discontinuityStartTicks(discontinuitySequence)
  }

  events(sequence: number): SegmentEvents | undefined {
    return this.whole.events(sequence)
  }

  span(sequence: number): Span | undefined {
    return this.whole.span(sequence)
  }

  keyFrames(...asked: Parameters<NonNullable<PresentationView['keyFrames']>>): PresentationView | undefined {
    return this.whole.keyFrames?.(...asked)
  }

  findSegment(renditionIndex: number, startTicks: number): RenditionSegment | undefined {
    return this.whole.findSegment(renditionIndex, startTicks)
  }
}
