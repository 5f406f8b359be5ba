import { durationMs } from '../domain/duration.ts'
import { chooseFilters, parseBitrateRange } from '../domain/filter-choice.ts'
import type { PublishedFilter } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'
import type { TimeRange, TrackCondition, ViewFilter } from '../presentation/view-filter.ts'

/**
 * The filters of these names, each as a rule for views. An asset's own goes before the account's of that name.
 * @throws AppError `URL_INVALID` for more than three, `URL_UNKNOWN` for a name that there is none of
 */
export function viewFilters(
  names: readonly string[],
  assetId: string,
  filters: readonly PublishedFilter[],
): readonly ViewFilter[] {
  try {
    return chooseFilters(names, assetId, filters).map(viewFilter)
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'ENTITY_NOT_FOUND') throw cause
    throw new AppError('URL_UNKNOWN', cause.message, { cause })
  }
}

function viewFilter({ timeRange, tracks, firstQuality }: PublishedFilter): ViewFilter {
  return {
    ...(timeRange && { timeRange: rangeOf(timeRange) }),
    tracks: tracks.map((conditions) => conditions.map(conditionOf)),
    ...(firstQuality !== undefined && { firstQuality }),
  }
}

function rangeOf(range: NonNullable<PublishedFilter['timeRange']>): TimeRange {
  const { start, end, liveBackoff, presentationWindow, forceEnd } = range
  return {
    ...(start !== undefined && { startMs: durationMs(start) }),
    ...(end !== undefined && { endMs: durationMs(end) }),
    ...(liveBackoff !== undefined && { liveBackoffMs: durationMs(liveBackoff) }),
    ...(presentationWindow !== undefined && { windowMs: durationMs(presentationWindow) }),
    forceEnd,
  }
}

function conditionOf({ property, operation, value }: PublishedFilter['tracks'][number][number]): TrackCondition {
  if (property !== 'bitrate') return { property, operation, value }
  // What is stored was checked; what is not a range all the same is a range without a bitrate in it.
  const { from, to } = parseBitrateRange(value) ?? { from: 1, to: 0 }
  return { property, operation, from, to }
}
