import type { HistorySnapshot } from './discontinuity-history.ts'
import type { PlacedMarker } from './markers.ts'
import type { FragmentRecord } from './open-segment.ts'
import type { RecentSegment } from './recent-segments.ts'
import type { PresentationHeader, RecordOf, Track } from './records.ts'
import type { NumberedEvents } from './segment-events.ts'
import type { IndexColumns } from './segment-index.ts'
import type { Span } from './span-table.ts'

/** A presentation as plain data that threads can be sent (`Presentation.snapshot`). */
export type PresentationSnapshot = {
  readonly header: PresentationHeader
  readonly tracks: readonly Track[]
  readonly index: IndexColumns
  readonly discontinuities: HistorySnapshot
  readonly spans: readonly Span[]
  readonly markers: readonly PlacedMarker[]
  readonly events: readonly NumberedEvents[]
  readonly recent: readonly RecentSegment[]
  readonly open:
    | { readonly head: RecordOf<'segment-opened'>; readonly fragments: readonly FragmentRecord[] }
    | undefined
  readonly lastStartSeconds: readonly number[]
  readonly lastRowTicks: number
  readonly ended: boolean
  readonly archived: boolean
  readonly isNumbered: boolean
}
