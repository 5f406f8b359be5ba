import { firstNumber, gridTicks } from '../presentation/epoch-grid.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import type { ListedPeriod, NumberedPeriod } from './dash-period.ts'
import type { ListedWindow } from './listed-window.ts'
import { isoTime } from './time-text.ts'
import { element, type Xml } from './xml.ts'

/** DASH-IF, "Low-latency Modes for DASH": chunks are no longer than this, or nothing is gained by them. */
const LONGEST_CHUNK_MS = 1_000
/** From the contribution of a picture to the part that it lies in, at most, where nothing is late: decoder, encoder, muxers. */
const PRODUCTION_MS = 500
/** Two chunks that are buffered, one that is under way, and what production and the way to the player take. */
const TARGET_CHUNKS = 3
const TARGET_MARGIN_MS = 600
/** What hardly anybody hears or sees, and yet makes up for a second in ten. */
const PLAYBACK_RATES = { min: '0.95', max: '1.1' } as const
/** Of templates by number; a grid is a whole number of milliseconds, in whatever timescale media is. */
const TIMESCALE = 1_000

/** How segments are addressed that can be asked for while they are written: by their number on the epoch grid. */
export type LowLatency = { readonly gridMs: number; readonly chunkMs: number }

/** The low latency that a view has; `undefined` where its segments can't be told in advance, or have no chunks. */
export function lowLatencyOf({ header, live }: PresentationView): LowLatency | undefined {
  const { gridMs, partDurationMs } = header
  if (gridMs === undefined || partDurationMs === undefined || !live) return undefined
  if (partDurationMs > LONGEST_CHUNK_MS || partDurationMs >= gridMs) return undefined
  return { gridMs, chunkMs: partDurationMs }
}

/** `ServiceDescription` (ISO/IEC 23009-1 Annex K): what a player is to hold, and how fast it may play to do so. */
export function serviceDescription({ chunkMs }: LowLatency): Xml {
  const target = TARGET_CHUNKS * chunkMs + TARGET_MARGIN_MS
  const latency = { referenceId: 0, target, min: chunkMs + TARGET_MARGIN_MS, max: 2 * target }
  return element('ServiceDescription', { id: 0 }, [
    element('Latency', latency),
    element('PlaybackRate', PLAYBACK_RATES),
  ])
}

/** The periods with their segments counted; one that the next one takes all of the time of is not there. */
export function numberedPeriods(
  periods: readonly ListedPeriod[],
  latency: LowLatency,
  utcTiming: Xml,
): readonly ListedPeriod[] {
  const numbered = periods.map((period) => numberedPeriod(period, latency, utcTiming))
  return numbered.filter(({ startTicks }, at) => startTicks !== numbered[at + 1]?.startTicks)
}

/**
 * The period with its segments counted rather than listed. It begins on the grid, because the nominal times of its segments count from its
 * beginning, and is the same however much of it is still kept.
 */
function numberedPeriod(period: ListedPeriod, latency: LowLatency, utcTiming: Xml): ListedPeriod {
  const { discontinuitySequence } = period
  const { gridMs, chunkMs } = latency
  const startNumber = firstNumber(period.startTicks, gridMs)
  const productionMs = Math.min(PRODUCTION_MS, (gridMs - chunkMs) / 2)
  const numbered: NumberedPeriod = {
    discontinuitySequence,
    template: {
      timescale: TIMESCALE,
      duration: gridMs,
      startNumber,
      presentationTimeOffset: startNumber * gridMs,
      // The first chunk is there when it has been written, long before the segment is.
      availabilityTimeOffset: String((gridMs - chunkMs - productionMs) / 1_000),
      availabilityTimeComplete: 'false',
    },
    elements: (kind) => lowLatencyElements(startNumber * gridMs, latency, kind, utcTiming),
  }
  return {
    ...period,
    startTicks: gridTicks(startNumber, gridMs),
    representations: period.representations.map((representation) => ({
      ...representation,
      timeline: undefined,
      numbered,
    })),
  }
}

/** Which clock latency is measured by (presentation times are those of contribution), and where chunks begin. */
function lowLatencyElements(
  presentationTime: number,
  { chunkMs }: LowLatency,
  kind: 'video' | 'audio',
  utcTiming: Xml,
): readonly Xml[] {
  const wallClockTime = isoTime(presentationTime)
  const reference = { id: 0, type: 'encoder', wallClockTime, presentationTime, inband: true }
  return [
    element('ProducerReferenceTime', reference, [utcTiming]),
    // Every chunk of sound can be begun with; of pictures it is a place to find the next box again.
    element('Resync', { type: kind === 'audio' ? 1 : 0, dT: chunkMs }),
  ]
}

/**
 * The period of a stretch of timeline that has just begun, before its first segment is closed: as soon as everything is there that was
 * there before it.
 */
export function openedPeriod(
  view: PresentationView,
  { end }: ListedWindow,
  renditions: readonly Rendition[],
): ListedPeriod | undefined {
  const open = view.live?.openSegment
  const newest = view.segment(end - 1)
  if (!open || view.ended || open.discontinuitySequence === newest?.discontinuitySequence) return undefined
  const media = renditions.map((rendition) => {
    const [part] = view.live?.parts(rendition.index, open.sequence) ?? []
    return { rendition, part, track: part && view.track(part.track) }
  })
  const wanted = lastMedia(view, renditions)
  const representations = media.flatMap(({ rendition, part, track }) =>
    part && track ? [{ id: rendition.name, rendition, track, timeline: undefined, independent: part.independent }] : [],
  )
  const isWhole = representations.length > 0 && representations.length >= wanted
  if (!isWhole) return undefined
  const { discontinuitySequence, startTicks } = open
  return { discontinuitySequence, startTicks, firstMediaTicks: startTicks, endMediaTicks: startTicks, representations }
}

/** How many renditions the newest segment with media has. */
function lastMedia(view: PresentationView, renditions: readonly Rendition[]): number {
  for (let sequence = view.endSequence - 1; sequence >= view.firstSequence; sequence--) {
    if (view.segment(sequence)?.gap !== false) continue
    return renditions.filter(({ index }) => view.renditionSegment(index, sequence)).length
  }
  return renditions.length
}
