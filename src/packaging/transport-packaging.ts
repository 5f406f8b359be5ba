import { buildTransportSegment, type StreamPackets } from '../media/mpegts/transport-segment.ts'
import { type StoredSample, samplesOf } from './fragment-samples.ts'
import type { SegmentPackaging, StoredMedia, StoredSegment } from './segment-packaging.ts'
import { audioPackets, videoPackets } from './transport-streams.ts'

const CONTENT_TYPE = 'video/mp2t'

/** The media of a segment in one MPEG transport stream, in the order in which they are given; the clock goes with the first. */
export const transportPackaging: SegmentPackaging = {
  name: 'ts',
  contentType: CONTENT_TYPE,
  package: (segment, take) =>
    buildTransportSegment(
      segment.media.map((media) => streamOf(segment, media, samplesOf(media))),
      take,
    ),
}

/** The first picture of a segment alone, for playlists of key frames. */
export const keyFramePackaging: SegmentPackaging = {
  name: 'iframe-ts',
  contentType: CONTENT_TYPE,
  package: (segment, take) =>
    buildTransportSegment(
      segment.media.map((media) => streamOf(segment, media, samplesOf(media).slice(0, 1))),
      take,
    ),
}

function streamOf({ header }: StoredSegment, { track }: StoredMedia, samples: readonly StoredSample[]): StreamPackets {
  const { config, timescale } = track
  const time = { timescale, baseTicks: header.timeBaseTicks ?? 0 }
  return config.kind === 'video' ? videoPackets(config, time, samples) : audioPackets(config, time, samples)
}
