import { readFileSync } from 'node:fs'
import { concatBytes } from '../../src/lib/bytes.ts'
import { buildFragment } from '../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../src/media/cmaf/init-segment.ts'
import { FragmentedMp4Reader, type ReadTrack } from '../../src/media/isobmff/fragmented-reader.ts'
import { type Sample, timescaleOf } from '../../src/media/media.ts'
import type { PresentationHeader, Track } from '../../src/presentation/records.ts'
import { FakeLive, START_SECONDS } from './origin-fixture.ts'

type TimedSample = Sample & { readonly durationTicks: number }
type Lane = { readonly track: Track; readonly samples: readonly TimedSample[] }

/** What becomes of a file in a log; segments begin where the first lane has a key frame. */
export type EncodedOptions = {
  readonly header?: Partial<PresentationHeader>
  /** Segments in which no rendition, or only this one, has no media. */
  readonly gaps?: readonly { readonly segment: number; readonly rendition?: string }[]
  /** Segments that begin a new stretch of timeline. */
  readonly discontinuities?: readonly number[]
}

/** A log of what ffmpeg wrote as fragmented MP4, at `START_SECONDS`. Renditions are called `video-1`, `audio-1`, `audio-2` … */
export function encodedLive(file: string, { header, gaps = [], discontinuities = [] }: EncodedOptions = {}): FakeLive {
  const live = new FakeLive({ timeBaseTicks: START_SECONDS * 90_000, targetDurationMs: 1_000, ...header })
  const lanes = lanesOf(file)
  for (const { track } of lanes) live.presentation.apply({ type: 'track-added', track })
  const starts = startsOf(lanes[0]!)
  let discontinuitySequence = 0
  for (const [segment, from] of starts.entries()) {
    const to = starts[segment + 1] ?? Number.POSITIVE_INFINITY
    const startTicks = Math.round(from * 90_000)
    const head = { sequence: segment, startTicks, wallMs: startTicks / 90 }
    if (discontinuities.includes(segment)) {
      discontinuitySequence++
      live.presentation.apply({ type: 'discontinuity', discontinuitySequence, reason: 'input-returned' })
    }
    const missing = gaps.filter((gap) => gap.segment === segment).map(({ rendition }) => rendition)
    const durationTicks = Math.round((Math.min(to, endOf(lanes[0]!)) - from) * 90_000)
    if (missing.includes(undefined)) {
      live.presentation.apply({ type: 'gap', ...head, discontinuitySequence, durationTicks })
      continue
    }
    live.presentation.apply({ type: 'segment-opened', ...head, discontinuitySequence })
    for (const [index, lane] of lanes.entries()) {
      if (!missing.includes(lane.track.rendition)) addSegment(live, index, lane, from, to, segment)
    }
    live.presentation.apply({ type: 'segment-closed', sequence: segment, durationTicks })
  }
  return live
}

function lanesOf(file: string): Lane[] {
  const events = new FragmentedMp4Reader().push(readFileSync(file))
  const tracks = events.flatMap((event) => (event.type === 'init' ? event.tracks : []))
  return tracks.map((read, index) => {
    const { config, timescale } = read
    const at = (ticks: number) =>
      START_SECONDS * timescaleOf(config) + Math.round((ticks / timescale) * timescaleOf(config))
    const samples = events.flatMap((event): TimedSample[] => {
      if (event.type !== 'sample' || event.trackId !== read.trackId) return []
      const { sample, durationTicks } = event
      const dtsTicks = at(sample.dtsTicks)
      return [
        {
          ...sample,
          dtsTicks,
          compositionTicks: at(sample.dtsTicks + sample.compositionTicks) - dtsTicks,
          durationTicks: at(sample.dtsTicks + durationTicks) - dtsTicks,
        },
      ]
    })
    const before = tracks.slice(0, index).filter(({ config: { kind } }) => kind === config.kind).length
    return { track: trackOf(read, index + 1, `${config.kind}-${before + 1}`), samples }
  })
}

function trackOf({ config, language }: ReadTrack, track: number, rendition: string): Track {
  const bandwidth = config.kind === 'video' ? 1_000_000 : 130_000
  return {
    track,
    rendition,
    config,
    timescale: timescaleOf(config),
    init: buildInitSegment([{ trackId: 1, config }]),
    bandwidth,
    averageBandwidth: bandwidth,
    nominalBitrate: bandwidth + track,
    ...(language !== undefined && { language }),
    ...(config.kind === 'video' && { frameRate: 25 }),
  }
}

/** Seconds at which segments begin: at every key frame, or every second of audio. */
function startsOf({ track, samples }: Lane): number[] {
  const seconds = ({ dtsTicks }: Sample) => dtsTicks / track.timescale
  if (track.config.kind === 'video') return samples.filter(({ independent }) => independent).map(seconds)
  const starts: number[] = []
  for (const sample of samples) if (seconds(sample) >= (starts.at(-1) ?? 0) + 1) starts.push(seconds(sample))
  return starts
}

function endOf({ track, samples }: Lane): number {
  const last = samples.at(-1)!
  return (last.dtsTicks + last.durationTicks) / track.timescale
}

/** In two fragments, as parts would be. */
function addSegment(
  live: FakeLive,
  index: number,
  { track, samples }: Lane,
  from: number,
  to: number,
  sequence: number,
) {
  const within = samples.filter(({ dtsTicks }) => dtsTicks / track.timescale >= from && dtsTicks / track.timescale < to)
  const half = Math.ceil(within.length / 2)
  const groups = [within.slice(0, half), within.slice(half)].filter((group) => group.length > 0)
  const fragments = groups.map((group, part) => {
    const { bytes, leadingBytes } = buildFragment({
      trackId: 1,
      sequenceNumber: sequence * 2 + part + 1,
      baseDecodeTicks: group[0]!.dtsTicks,
      kind: track.config.kind,
      samples: group,
      opensSegment: part === 0,
    })
    live.presentation.apply({
      type: 'fragment',
      sequence,
      track: track.track,
      startTicks: Math.min(...group.map(({ dtsTicks, compositionTicks }) => dtsTicks + compositionTicks)),
      durationTicks: group.reduce((sum, { durationTicks }) => sum + durationTicks, 0),
      sizeBytes: bytes.byteLength,
      leadingBytes,
      independent: group[0]!.independent,
      wallMs: from * 1_000,
    })
    return bytes
  })
  live.bytes.set(`${index}/${sequence}`, sequence % 2 === 0 ? fragments : [concatBytes(fragments)])
}
