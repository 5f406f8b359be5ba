import type { Track } from '../presentation/records.ts'

/** The key of a track at a time, as a playlist says it. */
export type HlsTrackKey = {
  /** Tells it from any other. */
  readonly kid: string
  /** Begin of its period, in ms; absent: it does not change. */
  readonly periodMs?: number | undefined
  /** EXT-X-KEY, once for each system by which players get it. */
  readonly lines: readonly string[]
}

/** How what a playlist lists is protected. */
export type HlsProtection = {
  /** The key of a track in a segment that starts at `rowStartTicks` (90 kHz): all renditions change keys at the same segments. */
  keyOf(track: Track, rowStartTicks: number): HlsTrackKey
  /** Whole segments are encrypted: nobody could decrypt a part. */
  readonly omitsParts?: true
  /** EXT-X-VERSION at least, where the keys need it. */
  readonly version?: number
}
