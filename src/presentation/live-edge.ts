import type { RecordOf } from './records.ts'

/** A fragment of a presentation that is stored in parts. */
export type PartRecord = RecordOf<'fragment'>

/** The end of a presentation that is stored in parts, where it changes with each of them. */
export type LiveEdge = {
  /** Grows with every fragment; `PresentationView.version` does not. */
  readonly partVersion: number
  /** The segment that is being written; it and its fragments are as they are until the next record. */
  readonly openSegment:
    | (Omit<RecordOf<'segment-opened'>, 'type'> & { readonly fragments: readonly PartRecord[] })
    | undefined
  /** The closed segments whose fragments are known one by one, oldest first. */
  readonly recentSegments: readonly { readonly fragments: readonly PartRecord[] }[]
  /** The fragments of one rendition in the open segment or in a recent one; `undefined` for any other. */
  parts(renditionIndex: number, sequence: number): readonly PartRecord[] | undefined
}

/** A part and where its bytes begin in what its track has in the segment. */
export type PlacedPart = { readonly fragment: PartRecord; readonly offsetBytes: number }

/** The part with this number of a track; `undefined` when it is not there yet, or is folded. */
export function findPart(live: LiveEdge, track: number, number: number): PlacedPart | undefined {
  for (const fragments of newestFirst(live)) {
    let offsetBytes = 0
    for (const fragment of fragments) {
      if (fragment.track !== track) continue
      if (fragment.number === number) return { fragment, offsetBytes }
      offsetBytes += fragment.sizeBytes
    }
  }
  return undefined
}

/** The newest part of any of these tracks; `undefined` where none is known. */
export function newestPart(live: LiveEdge, tracks: readonly { readonly track: number }[]): PartRecord | undefined {
  for (const fragments of newestFirst(live)) {
    const found = fragments.findLast((fragment) => tracks.some(({ track }) => track === fragment.track))
    if (found) return found
  }
  return undefined
}

function* newestFirst({ openSegment, recentSegments }: LiveEdge): Iterable<readonly PartRecord[]> {
  if (openSegment) yield openSegment.fragments
  for (let at = recentSegments.length - 1; at >= 0; at--) yield recentSegments[at]?.fragments ?? []
}
