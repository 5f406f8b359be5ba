import type { TakeMemory } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import type { PresentationHeader, Track } from '../presentation/records.ts'
import type { RenditionSegment, SegmentRow } from '../presentation/view.ts'

/** What one rendition has in a segment, as it is stored. */
export type StoredMedia = {
  readonly track: Track
  readonly segment: RenditionSegment
  /** CMAF fragments (`moof` and `mdat` each) in order; joined they are the segment. */
  readonly fragments: readonly Uint8Array[]
}

/** A segment to be packaged: the media of one rendition, or of several that go into one. */
export type StoredSegment = {
  readonly header: PresentationHeader
  readonly row: SegmentRow
  readonly media: readonly StoredMedia[]
}

/** What the one rendition of a segment has. @throws AppError `INTERNAL` where it is of several */
export function onlyMedia({ media: [first, ...others] }: Pick<StoredSegment, 'media'>): StoredMedia {
  if (first && others.length === 0) return first
  throw new AppError('INTERNAL', `a segment of ${others.length + (first ? 1 : 0)} tracks`)
}

/**
 * A container that segments are put into at the moment of the request. It is a pure function of what is stored, so that every
 * origin makes the same bytes.
 */
export type SegmentPackaging = {
  /** Names the bytes that it makes of a segment: two packagings of one name make the same ones. */
  readonly name: string
  readonly contentType: string
  /** @throws AppError `MEDIA_UNSUPPORTED` for a codec that the container has no place for, `FORMAT_INVALID` for broken media */
  package(segment: StoredSegment, take?: TakeMemory): Uint8Array
  /**
   * The same bytes in a few pieces, those that are just as they are stored being views on the stored ones; `undefined`: they would be too many.
   * Absent: there are none such.
   */
  pieces?(segment: StoredSegment, take: TakeMemory): readonly Uint8Array[] | undefined
}
