import { buildInitSegment } from '../media/cmaf/init-segment.ts'
import type { CaptionService } from '../media/codecs/captions.ts'
import type { TableView } from '../media/isobmff/mp4-index-tables.ts'
import type { Track } from '../presentation/records.ts'
import type { SegmentColumns } from './segment-columns.ts'
import type { SourceTrack } from './source-track.ts'

/** Less than this is no measure of a peak: the rest of a file may be a few frames. */
const SHORTEST_PEAK_SECONDS = 1
/** Rates that are this near to a usual one are it: files round durations to their timescale. */
const USUAL_RATES = [24_000 / 1_001, 24, 25, 30_000 / 1_001, 30, 50, 60_000 / 1_001, 60] as const
const USUAL_RATE_TOLERANCE = 1 / 3_000
const USUAL_SHARE = 0.9
const MAX_DURATIONS = 64

/** Names and describes tracks as a presentation has them, `video-1`, `audio-1` …, with the bitrates that they were measured to have. */
export function describeTracks(
  sources: readonly SourceTrack[],
  columns: readonly SegmentColumns[],
  captions: readonly (readonly CaptionService[])[] = [],
): readonly Track[] {
  const counts = { video: 0, audio: 0 }
  const tracks: Track[] = []
  const spoken = new Map<string, number>()
  for (const [index, source] of sources.entries()) {
    const { config, timescale } = source
    const display = source.display === undefined ? {} : { display: source.display }
    const language = source.language === undefined ? {} : { language: source.language }
    const alternative = config.kind === 'audio' ? alternativeOf(source, spoken) : 0
    const frameRate = config.kind === 'video' ? frameRateOf(source) : undefined
    tracks.push({
      track: index + 1,
      rendition: `${config.kind}-${++counts[config.kind]}`,
      config,
      timescale,
      init: buildInitSegment([{ trackId: 1, config, timescale, ...language, ...display }]),
      ...bitratesOf(source, columns[index] as SegmentColumns, tracks),
      ...(frameRate === undefined ? {} : { frameRate }),
      ...language,
      ...(alternative > 0 && { alternative }),
      ...(captions[index]?.length && { captions: captions[index] }),
    })
  }
  return tracks
}

/**
 * How many the same file has had so far that are alike in language, codec and channels: other files of a set have the same sound in other
 * qualities, and the same file has it in other forms, as stereo and surround.
 */
function alternativeOf({ file, language = '', config }: SourceTrack, spoken: Map<string, number>): number {
  const form = config.kind === 'audio' ? [config.codec, config.channels] : []
  const key = JSON.stringify([file.name, language, ...form])
  const before = spoken.get(key) ?? 0
  spoken.set(key, before + 1)
  return before
}

/** The peak over segments and the average of all; the nominal one is unique among the tracks of a kind. */
function bitratesOf(
  { timescale, config }: SourceTrack,
  { sizeBytes, durationTicks }: SegmentColumns,
  taken: readonly Track[],
): Pick<Track, 'bandwidth' | 'averageBandwidth' | 'nominalBitrate'> {
  let bytes = 0
  let ticks = 0
  let peak = 0
  for (let i = 0; i < sizeBytes.length; i++) {
    const seconds = (durationTicks[i] ?? 0) / timescale
    bytes += sizeBytes[i] ?? 0
    ticks += durationTicks[i] ?? 0
    peak = Math.max(peak, ((sizeBytes[i] ?? 0) * 8) / Math.max(seconds, SHORTEST_PEAK_SECONDS))
  }
  const averageBandwidth = Math.max(1, Math.ceil((bytes * 8 * timescale) / Math.max(ticks, 1)))
  const bandwidth = Math.max(Math.ceil(peak), averageBandwidth)
  let nominalBitrate = roundTo(averageBandwidth)
  const isTaken = () =>
    taken.some((other) => other.config.kind === config.kind && other.nominalBitrate === nominalBitrate)
  while (isTaken()) nominalBitrate++
  return { bandwidth, averageBandwidth, nominalBitrate }
}

/** That of nearly all frames; of a variable rate, the average. */
function frameRateOf({ firstSample, endSample, contentTicks, endTicks, timescale, scale, tables }: SourceTrack) {
  const usualTicks = usualDuration(tables.durations, tables.sizes.entries) * scale
  const seconds = (endTicks - contentTicks) / timescale
  const measured = usualTicks > 0 ? timescale / usualTicks : (endSample - firstSample) / seconds
  if (!Number.isFinite(measured) || measured <= 0) return undefined
  const usual = USUAL_RATES.find((rate) => Math.abs(measured / rate - 1) < USUAL_RATE_TOLERANCE)
  return usual ?? Math.round(measured * 100) / 100
}

/** The duration that nine in ten samples have, in the file's ticks; 0 where they differ more. */
function usualDuration({ entries, view }: TableView, samples: number): number {
  const counts = new Map<number, number>()
  for (let i = 0; i < entries && counts.size < MAX_DURATIONS; i++) {
    const ticks = view.getUint32(i * 8 + 4)
    const count = (counts.get(ticks) ?? 0) + view.getUint32(i * 8)
    counts.set(ticks, count)
    if (count >= samples * USUAL_SHARE) return ticks
  }
  return 0
}

/** Two significant digits, as of live tracks. */
function roundTo(bitrate: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(bitrate)) - 1)
  return Math.round(bitrate / step) * step
}
