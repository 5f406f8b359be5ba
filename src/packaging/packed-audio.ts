import type { TakeMemory } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import type { AudioCodec, CodecConfig } from '../media/media.ts'
import { timestampTag } from '../media/mpegts/timestamp-tag.ts'
import { transportTicks } from '../media/mpegts/timestamps.ts'
import { type StoredSample, samplesOf } from './fragment-samples.ts'
import type { SampleStage } from './sample-stage.ts'
import type { SegmentPackaging, StoredMedia, StoredSegment } from './segment-packaging.ts'
import { audioFrames } from './transport-streams.ts'

/** A file of audio frames alone: what it is called, and what it is. */
export type PackedForm = { readonly extension: 'aac' | 'ac3' | 'eac3' | 'mp3'; readonly packaging: SegmentPackaging }

/** ffmpeg takes `.eac3` alone for E-AC-3, where Apple's tools write `.ec3`; players go by the type. */
const forms: Partial<Record<AudioCodec, PackedForm>> = {
  aac: form('aac', 'audio/aac'),
  ac3: form('ac3', 'audio/ac3'),
  eac3: form('eac3', 'audio/eac3'),
  mp3: form('mp3', 'audio/mpeg'),
}

/**
 * Packed audio of this codec (RFC 8216 §3.4): an ID3 tag with the time of the first frame, then frames, which go through the stage first
 * where there is one. @throws AppError `MEDIA_UNSUPPORTED`
 */
export function packedForm(config: CodecConfig, stage?: SampleStage): PackedForm {
  const found = config.kind === 'audio' ? forms[config.codec] : undefined
  if (!found) throw new AppError('MEDIA_UNSUPPORTED', `Packed audio has no place for ${config.codecString}.`)
  if (!stage) return found
  const { extension, packaging } = found
  const { contentType } = packaging
  const name = `${extension}-${stage.name}`
  return { extension, packaging: { name, contentType, package: (segment, take) => packAudio(segment, take, stage) } }
}

function form(extension: PackedForm['extension'], contentType: string): PackedForm {
  return {
    extension,
    packaging: { name: extension, contentType, package: (segment, take) => packAudio(segment, take) },
  }
}

function packAudio(
  { header, media: [media] }: StoredSegment,
  take: TakeMemory = Buffer.allocUnsafeSlow,
  stage?: SampleStage,
): Uint8Array {
  const { track, fragments } = media as StoredMedia
  const { config, timescale } = track
  if (config.kind !== 'audio') throw new AppError('MEDIA_UNSUPPORTED', 'Packed audio has no place for pictures.')
  const samples = samplesOf({ track, fragments })
  const { dtsTicks } = samples[0] as StoredSample
  const clear = audioFrames(config, samples).flat()
  const { frames, setup } = stage?.packed(clear, config) ?? { frames: clear }
  const tag = timestampTag(transportTicks(dtsTicks, timescale, header.timeBaseTicks ?? 0), setup)
  const pieces = [{ bytes: tag, from: 0, to: tag.byteLength }, ...frames]
  const sizeBytes = pieces.reduce((sum, { from, to }) => sum + to - from, 0)
  // Every byte of it is written.
  const memory = take(sizeBytes)
  let at = 0
  for (const { bytes, from, to } of pieces) {
    Buffer.prototype.copy.call(bytes, memory, at, from, to)
    at += to - from
  }
  return new Uint8Array(memory.buffer, memory.byteOffset, sizeBytes)
}
