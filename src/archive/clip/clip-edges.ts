import { AppError } from '../../lib/errors.ts'
import { buildFragment } from '../../media/cmaf/fragment.ts'
import { FragmentedMp4Reader } from '../../media/isobmff/fragmented-reader.ts'
import type { Sample } from '../../media/media.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../../presentation/records.ts'
import type { Rendition } from '../../presentation/view.ts'
import { type ReadableRecording, readSegmentRange } from '../segment-ranges.ts'
import type { ClipRows } from './clip-range.ts'

/** A segment that was cut: what the log says of it, and its bytes. Times in the track's timescale. */
export type CutSegment = {
  readonly track: number
  readonly startTicks: number
  readonly durationTicks: number
  readonly leadingBytes: number
  readonly independent: boolean
  readonly bytes: Uint8Array
}

/** A row of which something is cut away. 90 kHz; `segments` is by rendition index, without those that have nothing left. */
export type CutRow = {
  readonly startTicks: number
  readonly durationTicks: number
  readonly segments: ReadonlyMap<number, CutSegment>
}

type TimedSample = Sample & { readonly durationTicks: number }
/** What a rendition has in a row, with times in seconds since the epoch. */
type Coded = {
  readonly rendition: Rendition
  readonly track: Track
  readonly trackId: number
  readonly samples: readonly TimedSample[]
}

/** Where to cut, in seconds since the epoch; `undefined`: not. */
type Cut = { readonly from: number | undefined; readonly to: number | undefined }

/** Renditions are cut at the same picture, whose times may differ by rounding. */
const SAME_PICTURE_SECONDS = 0.005

/**
 * Cuts the first and the last segment of a clip at the key frames around the times that were asked for: nothing that was asked for is
 * missing, and no more than the rest of its group of pictures is added. Samples stay what they are. Without pictures it is cut at the
 * frames of sound.
 *
 * @throws AppError `SEGMENT_GONE`; `FormatError` for a segment that can't be read; what the storage throws
 */
export async function cutEdges(
  recording: ReadableRecording,
  { firstSequence, endSequence, fromTicks, toTicks }: ClipRows,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, CutRow>> {
  const cuts = new Map<number, CutRow>()
  const edges = new Set([firstSequence, endSequence - 1])
  for (const sequence of edges) {
    const coded = await readRow(recording, sequence, signal)
    const leader = coded.find(({ rendition }) => rendition.kind === 'video') ?? coded[0]
    if (!leader) continue
    const from = sequence === firstSequence ? fromTicks / PRESENTATION_TIMESCALE : Number.NEGATIVE_INFINITY
    const to = sequence === endSequence - 1 ? toTicks / PRESENTATION_TIMESCALE : Number.POSITIVE_INFINITY
    const cut = cutOf(leader, from, to)
    if (cut.from === undefined && cut.to === undefined) continue
    cuts.set(sequence, cutRow(recording, sequence, coded, leader, cut))
  }
  return cuts
}

async function readRow(recording: ReadableRecording, sequence: number, signal: AbortSignal): Promise<Coded[]> {
  const coded: Coded[] = []
  for (const rendition of recording.view.renditions) {
    const segment = recording.view.renditionSegment(rendition.index, sequence)
    const track = segment && recording.view.track(segment.track)
    if (!segment || !track) continue
    const bytes = await readSegmentRange(recording, rendition.index, sequence, undefined, signal)
    if (!bytes) throw new AppError('SEGMENT_GONE', 'A part of this recording is no longer kept.')
    const reader = new FragmentedMp4Reader()
    const samples: TimedSample[] = []
    let trackId = 1
    for (const event of [...reader.push(track.init), ...reader.push(bytes)]) {
      if (event.type === 'init') trackId = event.tracks[0]?.trackId ?? 1
      else if (event.trackId === trackId) samples.push({ ...event.sample, durationTicks: event.durationTicks })
    }
    if (samples.length > 0) coded.push({ rendition, track, trackId, samples })
  }
  return coded
}

/** The times of the leader's key frames at or before `from`, and at or after `to`, where the segment has them inside. */
function cutOf(leader: Coded, from: number, to: number): Cut {
  const times = leader.samples.filter(({ independent }) => independent).map((sample) => secondsOf(leader, sample))
  const start = startOf(leader)
  const first = times.findLast((time) => time <= from + SAME_PICTURE_SECONDS)
  const end = times.find((time) => time >= to - SAME_PICTURE_SECONDS)
  return {
    from: first !== undefined && first > start + SAME_PICTURE_SECONDS ? first : undefined,
    to: end !== undefined && end > (first ?? start) + SAME_PICTURE_SECONDS ? end : undefined,
  }
}

function cutRow(
  recording: ReadableRecording,
  sequence: number,
  coded: readonly Coded[],
  leader: Coded,
  cut: Cut,
): CutRow {
  const row = recording.view.segment(sequence)
  const startTicks = cut.from === undefined ? (row?.startTicks ?? 0) : Math.round(cut.from * PRESENTATION_TIMESCALE)
  const endTicks =
    cut.to === undefined
      ? (row?.startTicks ?? 0) + (row?.durationTicks ?? 0)
      : Math.round(cut.to * PRESENTATION_TIMESCALE)
  const segments = new Map<number, CutSegment>()
  for (const each of coded) {
    const kept = keptSamples(each, cut)
    if (kept.length > 0) segments.set(each.rendition.index, written(each, kept, sequence))
  }
  if (!segments.has(leader.rendition.index)) throw new AppError('INTERNAL', 'A cut left no picture.')
  return { startTicks, durationTicks: Math.max(1, endTicks - startTicks), segments }
}

/** In coding order: pictures from one key frame to the next, sound by the middle of its frames. */
function keptSamples(coded: Coded, { from, to }: Cut): readonly TimedSample[] {
  const { samples, track, rendition } = coded
  if (rendition.kind === 'audio') {
    return samples.filter((sample) => {
      const middle = secondsOf(coded, sample) + sample.durationTicks / 2 / track.timescale
      return middle >= (from ?? Number.NEGATIVE_INFINITY) && middle < (to ?? Number.POSITIVE_INFINITY)
    })
  }
  const isKey = (sample: TimedSample, seconds: number) =>
    sample.independent && secondsOf(coded, sample) >= seconds - SAME_PICTURE_SECONDS
  const first = from === undefined ? 0 : samples.findIndex((sample) => isKey(sample, from))
  const end = to === undefined ? -1 : samples.findIndex((sample, index) => index > first && isKey(sample, to))
  return first < 0 ? [] : samples.slice(first, end < 0 ? samples.length : end)
}

/** One fragment for each stretch without a hole. */
function written({ track, trackId, rendition }: Coded, samples: readonly TimedSample[], sequence: number): CutSegment {
  const runs: TimedSample[][] = []
  for (const sample of samples) {
    const last = runs.at(-1)?.at(-1)
    if (last && last.dtsTicks + last.durationTicks === sample.dtsTicks) runs.at(-1)?.push(sample)
    else runs.push([sample])
  }
  const fragments = runs.map((run, index) =>
    buildFragment({
      trackId,
      sequenceNumber: (sequence + index) % 2 ** 32,
      baseDecodeTicks: run[0]?.dtsTicks ?? 0,
      kind: rendition.kind,
      samples: run,
      opensSegment: index === 0,
    }),
  )
  return {
    track: track.track,
    startTicks: Math.min(...samples.map(({ dtsTicks, compositionTicks }) => dtsTicks + compositionTicks)),
    durationTicks: samples.reduce((sum, { durationTicks }) => sum + durationTicks, 0),
    leadingBytes: fragments[0]?.leadingBytes ?? 0,
    independent: samples[0]?.independent ?? false,
    bytes: Buffer.concat(fragments.map(({ bytes }) => bytes)),
  }
}

function secondsOf({ track }: Coded, { dtsTicks, compositionTicks }: TimedSample): number {
  return (dtsTicks + compositionTicks) / track.timescale
}

function startOf(coded: Coded): number {
  return Math.min(...coded.samples.map((sample) => secondsOf(coded, sample)))
}
