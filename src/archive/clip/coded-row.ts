import { AppError } from '../../lib/errors.ts'
import { buildFragment } from '../../media/cmaf/fragment.ts'
import { FragmentedMp4Reader } from '../../media/isobmff/fragmented-reader.ts'
import type { Sample, VideoConfig } from '../../media/media.ts'
import type { Track } from '../../presentation/records.ts'
import type { Rendition } from '../../presentation/view.ts'
import { type ReadableRecording, readSegmentRange } from '../segment-ranges.ts'

/** A sample with how long it lasts, in the track's timescale. */
export type TimedSample = Sample & { readonly durationTicks: number }

/** What a rendition has in a segment. */
export type CodedSegment = {
  readonly rendition: Rendition
  readonly track: Track
  readonly trackId: number
  readonly samples: readonly TimedSample[]
}

/** A segment of a clip that was made of one: what the log says of it, and its bytes. Times in the track's timescale. */
export type CutSegment = {
  readonly track: number
  readonly startTicks: number
  readonly durationTicks: number
  readonly leadingBytes: number
  readonly independent: boolean
  readonly bytes: Uint8Array
  /** Its pictures were encoded anew: it is of another track than `track`, with this configuration. */
  readonly config?: VideoConfig
}

/** From where to where, in seconds since the epoch; `undefined`: from its start, to its end. */
export type Cut = { readonly from: number | undefined; readonly to: number | undefined }

/** Renditions are cut at the same picture, whose times may differ by rounding. */
export const SAME_PICTURE_SECONDS = 0.005

/** Reads a row of a recording, rendition by rendition. @throws AppError `SEGMENT_GONE`; `FormatError`; what the storage throws */
export async function readRow(
  recording: ReadableRecording,
  sequence: number,
  signal: AbortSignal,
): Promise<CodedSegment[]> {
  const coded: CodedSegment[] = []
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

/** When a sample is shown, in seconds since the epoch. */
export function secondsOf({ track }: CodedSegment, { dtsTicks, compositionTicks }: TimedSample): number {
  return (dtsTicks + compositionTicks) / track.timescale
}

/** In coding order: pictures from one key frame to before another, sound by the middle of its frames. */
export function keptSamples(coded: CodedSegment, { from, to }: Cut): readonly TimedSample[] {
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

/** Samples as a segment: one fragment for each stretch without a hole. There is one sample at least. */
export function writeSegment(
  { track, trackId, rendition }: CodedSegment,
  samples: readonly TimedSample[],
  config?: VideoConfig,
): CutSegment {
  const runs: TimedSample[][] = []
  for (const sample of samples) {
    const last = runs.at(-1)?.at(-1)
    if (last && last.dtsTicks + last.durationTicks === sample.dtsTicks) runs.at(-1)?.push(sample)
    else runs.push([sample])
  }
  const fragments = runs.map((run, index) =>
    buildFragment({
      trackId: config ? 1 : trackId,
      sequenceNumber: index + 1,
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
    ...(config && { config }),
  }
}
