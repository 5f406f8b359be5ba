import type { Marker } from '../presentation/markers.ts'

/** Who says something of markers. */
export type MarkerSource = 'api' | 'encoder'

/** What is said of markers. Times in ticks of 90 kHz. */
export type MarkerNews =
  | ({ readonly type: 'begin' } & Pick<Marker, 'id' | 'kind' | 'startTicks'> &
      Partial<Pick<Marker, 'plannedTicks' | 'autoReturn' | 'scte35' | 'values'>>)
  /** Of the newest break that goes on, where no id is given. */
  | { readonly type: 'end'; readonly id?: string; readonly endTicks: number; readonly scte35?: Uint8Array }
  /** `isFamily`: also all whose id goes on behind this one and a hyphen. */
  | { readonly type: 'cancel'; readonly id: string; readonly isFamily?: true }

/** What became of a marker. */
export type MarkerChange = {
  readonly source: MarkerSource
  readonly change: 'begun' | 'ended' | 'cancelled'
  readonly marker: Marker
}
