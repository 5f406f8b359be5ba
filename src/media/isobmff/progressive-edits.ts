import type { SampleTable } from './progressive-samples.ts'

/** Ticks per second of a progressive file's `mvhd`: those of video, so that its edits are exact. */
export const MOVIE_TIMESCALE = 90_000

/** An entry of `elst` (ISO/IEC 14496-12 §8.6.6): how long, in movie ticks, and from where in the track, in its own; -1: nothing. */
export type Edit = { readonly durationTicks: number; readonly mediaTicks: number }

/** How a track stands on the movie's time line; all ticks but the edits' own `mediaTicks` are the movie's. */
export type TrackTiming = { readonly edits: readonly Edit[]; readonly durationTicks: number }

/**
 * The edits that put the first picture at 0 (without pictures: the first sound), and every other track as far from it as it was
 * recorded. Sound from before the first picture stays in the file and isn't played; sound that begins later follows an empty edit.
 */
export function trackTimings(tables: readonly SampleTable[]): TrackTiming[] {
  const leader = tables.find(({ kind }) => kind === 'video') ?? tables[0]
  if (leader === undefined) return []
  return tables.map((table) => timingOf(table, leader))
}

function timingOf(table: SampleTable, leader: SampleTable): TrackTiming {
  const { startTicks, endTicks, decodeStartTicks, timescale } = table
  // Since the epoch there are more ticks than a double multiplies exactly.
  const apart = BigInt(startTicks) * BigInt(leader.timescale) - BigInt(leader.startTicks) * BigInt(timescale)
  const laterSeconds = Number(apart) / (timescale * leader.timescale)
  const skippedTicks = laterSeconds < 0 ? Math.min(Math.round(-laterSeconds * timescale), endTicks - startTicks) : 0
  const waitTicks = laterSeconds > 0 ? Math.round(laterSeconds * MOVIE_TIMESCALE) : 0
  const shownTicks = Math.round(((endTicks - startTicks - skippedTicks) / timescale) * MOVIE_TIMESCALE)
  const mediaTicks = startTicks - decodeStartTicks + skippedTicks
  const edits: Edit[] = waitTicks > 0 ? [{ durationTicks: waitTicks, mediaTicks: -1 }] : []
  edits.push({ durationTicks: shownTicks, mediaTicks })
  return { edits, durationTicks: waitTicks + shownTicks }
}
