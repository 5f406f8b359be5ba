import type { TakeMemory } from '../lib/buffer-pool.ts'
import { freeBytes } from '../lib/buffer-pool.ts'
import type { SmoothInterval } from '../media/isobmff/smooth-boxes.ts'
import { samplesOf } from '../packaging/fragment-samples.ts'
import type { SampleStage } from '../packaging/sample-stage.ts'
import { onlyMedia, type SegmentPackaging, type StoredSegment } from '../packaging/segment-packaging.ts'
import { type SmoothPart, smoothPackaging } from '../packaging/smooth-fragment.ts'
import { withEvents } from '../presentation/carried-events.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { protectSmoothFragment } from '../protection/cenc/protect-fragments.ts'
import type { TrackProtection } from '../protection/cenc/track-protection.ts'
import { encryptPackedAudio, encryptTransportStream } from '../protection/hls/sample-aes.ts'
import { encryptedSize, encryptSegment, type SegmentKey } from '../protection/hls/segment-cipher.ts'
import { sliceChunks } from './slice-chunks.ts'

/** A key that is named, as whole segments and the samples of transport streams are encrypted with it. */
export type NamedSegmentKey = SegmentKey & { readonly kid: Uint8Array }

/** Whatever it was, nobody can read it as that before it is decrypted. */
export const ENVELOPED_TYPE = 'application/octet-stream'
/** Transport streams and packed audio keep their type: old players go by it. */
const MP4_TYPE = /\/mp4$/

/** What a packaging makes, encrypted whole with AES-128 (RFC 8216 §4.3.2.4; ISO/IEC 23009-4). It is encrypted where it was written. */
export function envelopedPackaging(clear: SegmentPackaging, key: NamedSegmentKey): SegmentPackaging {
  return {
    name: `${clear.name}-aes128-${hex(key.kid)}`,
    contentType: MP4_TYPE.test(clear.contentType) ? ENVELOPED_TYPE : clear.contentType,
    package: (segment, take = Buffer.allocUnsafeSlow) => envelope(clear, segment, key, take),
  }
}

function envelope(clear: SegmentPackaging, segment: StoredSegment, key: SegmentKey, take: TakeMemory): Uint8Array {
  let memory: Buffer | undefined
  const made = clear.package(segment, (sizeBytes) => {
    memory = take(encryptedSize(sizeBytes))
    return memory.subarray(0, sizeBytes)
  })
  const room = memory
  const isInPlace = room?.buffer === made.buffer && room.byteOffset === made.byteOffset
  return encryptSegment([made], key, (sizeBytes) => (isInPlace ? room.subarray(0, sizeBytes) : take(sizeBytes)))
}

/** The stored fragments of one rendition, with the events that they carry, encrypted whole: those of a segment, or of a key frame by itself. */
export function envelopedFragments(
  view: PresentationView,
  rendition: Rendition,
  key: NamedSegmentKey,
  of: 'segment' | 'key-frame-apart' = 'segment',
): SegmentPackaging {
  // Where a segment is but one sample, the key frame by itself begins as early and is as long, and has other bytes.
  const what = of === 'segment' ? 'cmaf' : `cmaf-${of}`
  return {
    name: `${what}-aes128-${hex(key.kid)}`,
    contentType: ENVELOPED_TYPE,
    package: (stored, take) =>
      encryptSegment(withEvents(view, rendition, stored.row.sequence, onlyMedia(stored).fragments), key, take),
  }
}

/** What a playlist of key frames names of a segment: its beginning up to the end of its key frame, encrypted whole. */
export function envelopedKeyFrame(key: NamedSegmentKey): SegmentPackaging {
  return {
    name: `cmaf-key-frame-aes128-${hex(key.kid)}`,
    contentType: ENVELOPED_TYPE,
    package: (stored, take) => {
      const { segment, fragments } = onlyMedia(stored)
      return encryptSegment(sliceChunks(fragments, { first: 0, last: segment.leadingBytes - 1 }), key, take)
    },
  }
}

/** An init segment, encrypted whole as the segments behind it are. */
export function envelopedInit(init: Uint8Array, key: SegmentKey): Uint8Array {
  return encryptSegment([init], key)
}

/** SAMPLE-AES as transport streams and packed audio have it. */
export function sampleAesStage(key: NamedSegmentKey): SampleStage {
  return {
    name: `sample-aes-${hex(key.kid)}`,
    stream: (packets, config) => encryptTransportStream(packets, config, key),
    packed: (frames, config) => encryptPackedAudio(frames, config, key),
  }
}

/** Smooth Streaming's fragments as PIFF 1.1 encrypts them; `next` and `part` are as for `smoothPackaging`. */
export function piffPackaging(
  kind: 'video' | 'audio',
  next: readonly SmoothInterval[],
  part: SmoothPart,
  protection: TrackProtection & { readonly scheme: 'cenc' },
): SegmentPackaging {
  const { name } = smoothPackaging(kind, next, part)
  // Of the `moof` alone a sample's subsamples could not be told.
  const clear = smoothPackaging(kind, next, 'fragment')
  return {
    name: `${name}-piff-${hex(protection.kid)}`,
    contentType: clear.contentType,
    package: (segment, take) => {
      const media = onlyMedia(segment)
      const dtsTicks = samplesOf(media).map((sample) => sample.dtsTicks)
      const fragment = clear.package(segment)
      const encrypted = protectSmoothFragment({ fragment, dtsTicks, part }, media.track, protection, take)
      freeBytes(fragment)
      return encrypted
    },
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
