import { MarkerDesk } from '../../../src/channel/markers.ts'
import type { MarkerChange } from '../../../src/channel/markers-news.ts'
import type { Marker } from '../../../src/presentation/markers.ts'

export const START_MS = 1_763_702_400_000

/** A desk by itself: what it says goes into the arrays. */
export function deskOf(
  markers: Marker[],
  changes: MarkerChange[] = [],
  clock = { nowTicks: START_MS * 90 },
  known: Marker[] = [],
) {
  return new MarkerDesk({
    nowTicks: () => clock.nowTicks,
    emit: (marker) => void markers.push(marker),
    known: () => known,
    changed: (change) => void changes.push(change),
  })
}
