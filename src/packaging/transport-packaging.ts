import { buildTransportSegment, type StreamPackets } from '../media/mpegts/transport-segment.ts'
import { type StoredSample, samplesOf } from './fragment-samples.ts'
import type { SampleStage } from './sample-stage.ts'
import type { SegmentPackaging, StoredMedia, StoredSegment } from './segment-packaging.ts'
import { audioPackets, videoPackets } from './transport-streams.ts'

const CONTENT_TYPE = 'video/mp2t'

/** The media of a segment in one MPEG transport stream, in the order in which they are given; the clock goes with the first. */
export const transportPackaging: SegmentPackaging = transport('ts', (samples) => samples)

/** The first picture of a segment alone, for playlists of key frames. */
export const keyFramePackaging: SegmentPackaging = transport('iframe-ts', (samples) => samples.slice(0, 1))

/** The same with a stage that the samples go through first. */
export function stagedTransport(of: 'segment' | 'key-frame', stage: SampleStage): SegmentPackaging {
  return of === 'segment'
    ? transport(`ts-${stage.name}`, (samples) => samples, stage)
    : transport(`iframe-ts-${stage.name}`, (samples) => samples.slice(0, 1), stage)
}

function transport(
  name: string,
  choose: (samples: readonly StoredSample[]) => readonly StoredSample[],
  stage?: SampleStage,
): SegmentPackaging {
  return {
    name,
    contentType: CONTENT_TYPE,
    package: (segment, take) =>
      buildTransportSegment(
        segment.media.map((media) => {
          const stream = streamOf(segment, media, choose(samplesOf(media)))
          return stage ? stage.stream(stream, media.track.config) : stream
        }),
        take,
      ),
  }
}

function streamOf({ header }: StoredSegment, { track }: StoredMedia, samples: readonly StoredSample[]): StreamPackets {
  const { config, timescale } = track
  const time = { timescale, baseTicks: header.timeBaseTicks ?? 0 }
  return config.kind === 'video' ? videoPackets(config, time, samples) : audioPackets(config, time, samples)
}
