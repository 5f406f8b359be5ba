import { smoothTime, smoothTimeText } from '../media/isobmff/smooth-time.ts'
import type { MediaStretch } from './surveyed-rows.ts'
import { TimelineRuns } from './timeline-runs.ts'
import { element, type Xml } from './xml.ts'

/** The fragments of one track in order, without overlaps: where each starts and ends on Smooth's timeline. */
export type SmoothChunks = { readonly starts: readonly number[]; readonly ends: readonly number[] }

/** Reads what a window has of one track, but for the last `withheld` fragments. */
export function readChunks(pieces: readonly MediaStretch[], timescale: number, withheld: number): SmoothChunks {
  const timeline = new TimelineRuns()
  for (const { runs } of pieces) runs.addTo(timeline)
  const starts: number[] = []
  const ends: number[] = []
  timeline.forEachRun((startTicks, durationTicks, count) => {
    for (let at = 0; at < count; at++) {
      starts.push(smoothTime(startTicks + at * durationTicks, timescale))
      ends.push(smoothTime(startTicks + (at + 1) * durationTicks, timescale))
    }
  })
  const kept = Math.max(0, starts.length - withheld)
  starts.length = kept
  ends.length = kept
  return { starts, ends }
}

/** Whether players may switch between the two at every fragment. */
export function areAligned(a: SmoothChunks, b: SmoothChunks): boolean {
  if (a.starts.length !== b.starts.length) return false
  return a.starts.every((start, at) => start === b.starts[at] && a.ends[at] === b.ends[at])
}

/**
 * The `c` elements ([MS-SSTR] §2.2.2.6): `t` for the first and after each hole, `d` for all, and `r` where several in a row last as
 * long. It counts from one.
 */
export function chunkElements({ starts, ends }: SmoothChunks): readonly Xml[] {
  const elements: Xml[] = []
  for (let at = 0; at < starts.length; ) {
    const start = starts[at] as number
    const duration = (ends[at] as number) - start
    let next = at + 1
    while (
      next < starts.length &&
      starts[next] === ends[next - 1] &&
      (ends[next] as number) - (starts[next] as number) === duration
    ) {
      next++
    }
    const t = at > 0 && start === ends[at - 1] ? undefined : smoothTimeText(start)
    elements.push(element('c', { t, d: duration, r: next - at > 1 ? next - at : undefined }))
    at = next
  }
  return elements
}
