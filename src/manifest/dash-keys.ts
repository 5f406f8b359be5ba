import type { Track } from '../presentation/records.ts'
import type { Xml } from './xml.ts'

/** What an MPD says of keys. Where they rotate, the view has a stretch of timeline of its own under each (`KeyPeriodsView`). */
export type DashKeySignals = {
  /** The begin of the keys' period of such a stretch, ms; 0 where keys do not rotate. */
  periodMs(stretch: number): number
  /** The `ContentProtection` elements of a track in a period. */
  elements(track: Track, periodMs: number): readonly Xml[]
  /** With what the init segment of a track in a period is asked for; `undefined`: its key does not rotate. */
  initPeriod(track: Track, periodMs: number): number | undefined
}

/** What is said of keys in one period. */
export type PeriodKeys = {
  elements(track: Track): readonly Xml[]
  initPeriod(track: Track): number | undefined
}
