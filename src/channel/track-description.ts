import { buildInitSegment } from '../media/cmaf/init-segment.ts'
import type { CaptionService } from '../media/codecs/captions.ts'
import type { Track } from '../presentation/records.ts'
import type { RenditionSpec, RenditionTrack } from './rendition-track.ts'
import type { RenditionTotal } from './segment-assembly.ts'

/** What cameras and encoders produce; a measured rate within a third of the distance from 29.97 to 30 is taken for one of them. */
const USUAL_RATES = [24_000 / 1_001, 24, 25, 30_000 / 1_001, 30, 50, 60_000 / 1_001, 60] as const
const USUAL_RATE_TOLERANCE = 1 / 3_000
/** Less than this says too little about a rate. */
const MIN_MEASURED_SECONDS = 0.5

type DeclaredBitrates = Pick<Track, 'bandwidth' | 'averageBandwidth' | 'nominalBitrate'>

/** Headroom over the first segment: a peak may pass BANDWIDTH by less than a quarter (Apple's authoring specification). */
const PEAK_FACTOR = 1.25

/**
 * The log's description of a track, made once its first samples are there. `taken`: tracks that were described before. `captions`: what its
 * pictures are said to carry; absent: what is found in them.
 */
export function describeTrack(
  track: RenditionTrack,
  first: RenditionTotal,
  taken: readonly Track[],
  captions?: readonly CaptionService[],
): Track {
  const { spec, trackNumber, timescale } = track
  const frameRate = spec.frameRate ?? (track.isVideo ? measureFrameRate(first, timescale) : undefined)
  const language = spec.language === undefined ? {} : { language: spec.language }
  const services = track.isVideo ? (captions ?? track.captions.services) : []
  track.captions.end()
  return {
    track: trackNumber,
    rendition: spec.name,
    config: spec.config,
    timescale,
    init: buildInitSegment([{ trackId: 1, config: spec.config, ...language }]),
    ...declareBitrates(spec, first, timescale, taken),
    ...(frameRate === undefined ? {} : { frameRate }),
    ...language,
    ...(services.length > 0 && { captions: services }),
  }
}

/** AV1, VP9 and many H.264 streams don't say their frame rate, and a manifest should: their first segment is counted. */
function measureFrameRate({ samples, durationTicks }: RenditionTotal, timescale: number): number | undefined {
  const seconds = durationTicks / timescale
  if (seconds < MIN_MEASURED_SECONDS) return undefined
  const measured = samples / seconds
  const usual = USUAL_RATES.find((rate) => Math.abs(measured / rate - 1) < USUAL_RATE_TOLERANCE)
  return usual ?? Math.round(measured * 100) / 100
}

/**
 * The bitrates a track is declared with for good: the ladder's own where there is one, else measured on the first segment.
 * `nominalBitrate` is made unique among `taken`, because it stands in URLs.
 */
function declareBitrates(
  spec: RenditionSpec,
  first: RenditionTotal,
  timescale: number,
  taken: readonly Track[],
): DeclaredBitrates {
  const seconds = Math.max(first.durationTicks / timescale, 0.001)
  const measured = Math.ceil((first.sizeBytes * 8) / seconds)
  const averageBandwidth = spec.averageBandwidth ?? measured
  const bandwidth = Math.max(spec.bandwidth ?? Math.ceil(measured * PEAK_FACTOR), averageBandwidth)
  let nominalBitrate = spec.nominalBitrate ?? roundTo(averageBandwidth)
  const isTaken = () =>
    taken.some((track) => track.config.kind === spec.config.kind && track.nominalBitrate === nominalBitrate)
  while (isTaken()) nominalBitrate++
  return { bandwidth, averageBandwidth, nominalBitrate }
}

/** Two significant digits read better in a URL than seven that mean nothing. */
function roundTo(bitrate: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, bitrate))) - 1)
  return Math.round(bitrate / step) * step
}
