import type { Marker } from '../../../src/presentation/markers.ts'
import type { RecordOf } from '../../../src/presentation/records.ts'
import { START_TICKS } from './sample-log.ts'

/** A marker so many seconds from where sample logs start. */
export function sampleMarker(id: string, seconds: number, more: Partial<Marker> = {}): Marker {
  const startTicks = START_TICKS + seconds * 90_000
  return { version: 1, id, kind: 'ad-break', startTicks, wallMs: startTicks / 90, revision: 0, ...more }
}

/** The record that says it. */
export function said(marker: Marker): RecordOf<'marker'> {
  return { type: 'marker', ...marker }
}
