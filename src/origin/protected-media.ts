import type { TakeMemory } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { onlyMedia, type SegmentPackaging, type StoredSegment } from '../packaging/segment-packaging.ts'
import { withEvents } from '../presentation/carried-events.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { protectFragments } from '../protection/cenc/protect-fragments.ts'
import { protectInit } from '../protection/cenc/protect-init.ts'
import type { TrackProtection } from '../protection/cenc/track-protection.ts'
import type { SampleDelivery } from './deliveries.ts'
import type { TrackKey } from './delivery-keys.ts'
import { psshBoxes } from './key-systems.ts'

type Part = { readonly bytes: Uint8Array; readonly memoryBytes: number }

/** Parts and chunks of what is being written: asked for by everybody within a second, and by nobody afterwards. */
const PART_CACHE_BYTES = 16 * 2 ** 20
const HEADER_BYTES = 8

/** How the samples of a track are encrypted with a key. */
export function protectionOf(
  { protection, ivBase }: SampleDelivery,
  { kidBytes, key, constantIv }: TrackKey,
): TrackProtection {
  if (protection === 'cenc') return { scheme: 'cenc', kid: kidBytes, key, ivBase }
  return { scheme: 'cbcs', kid: kidBytes, key, constantIv }
}

/** The init segment of a track while it is encrypted with this key. */
export function protectedInit(delivery: SampleDelivery, track: Track, key: TrackKey): Uint8Array {
  return protectInit(track.init, track.config.kind, protectionOf(delivery, key), psshBoxes(delivery, key, key.told))
}

/**
 * A closed CMAF segment, its samples encrypted; `pieces` puts boxes beside the fragments (`prft`), and has a name of its own, as has what is read
 * otherwise (`APART`).
 */
export function protectedPackaging(
  view: PresentationView,
  rendition: Rendition,
  delivery: SampleDelivery,
  key: TrackKey,
  beside: {
    readonly name: string
    pieces(stored: StoredSegment, fragments: readonly Uint8Array[]): Uint8Array[]
  } = PLAIN,
): SegmentPackaging {
  return {
    name: `${delivery.protection}-${key.kid}${beside.name}`,
    contentType: `${rendition.kind}/mp4`,
    package: (stored, take) => {
      const { track, fragments } = onlyMedia(stored)
      const pieces = withEvents(view, rendition, stored.row.sequence, beside.pieces(stored, fragments))
      return protectFragments({ fragments: pieces }, track, protectionOf(delivery, key), take)
    },
  }
}

const PLAIN = { name: '', pieces: (_stored: StoredSegment, fragments: readonly Uint8Array[]) => [...fragments] }
/** A key frame that stands by itself: where a segment is but one sample, it begins as early and is as long, and has other bytes. */
export const APART = { ...PLAIN, name: '-apart' }

/** What of a closed segment a playlist of key frames names: its first fragment up to the end of the key frame, encrypted. */
export function keyFrameOfProtected(rendition: Rendition, delivery: SampleDelivery, key: TrackKey): SegmentPackaging {
  return {
    name: `${delivery.protection}-${key.kid}-key-frame`,
    contentType: `${rendition.kind}/mp4`,
    package: (stored, take: TakeMemory = Buffer.allocUnsafeSlow) => {
      const { track, segment, fragments } = onlyMedia(stored)
      const [first] = fragments
      if (!first) throw new AppError('SEGMENT_GONE', 'The segment has no media.')
      const whole = protectFragments({ fragments: [first] }, track, protectionOf(delivery, key))
      const sizeBytes = segment.leadingBytes + moofEnd(whole) - moofEnd(first)
      const out = take(sizeBytes)
      out.set(whole.subarray(0, sizeBytes))
      return new Uint8Array(out.buffer, out.byteOffset, sizeBytes)
    },
  }
}

/** Where the first `moof` ends. */
function moofEnd(bytes: Uint8Array): number {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at + HEADER_BYTES <= bytes.byteLength) {
    const sizeBytes = data.getUint32(at)
    if (sizeBytes < HEADER_BYTES) break
    at += sizeBytes
    if (data.getUint32(at - sizeBytes + 4) === MOOF) return at
  }
  throw new AppError('FORMAT_INVALID', 'The segment does not begin with a moof.')
}

const MOOF = 0x6d6f6f66

/** Parts, encrypted once for all who ask for one at a time. */
export class ProtectedParts {
  readonly #cache = new SharedCache<Part>(PART_CACHE_BYTES)

  get cachedBytes(): number {
    return this.#cache.sizeBytes
  }

  /** `name`: of the part, among all that there are. `read` is asked where it is not kept: the part's fragments, and those of its segment before it. */
  async get(
    name: string,
    track: Track,
    protection: TrackProtection,
    read: (
      signal: AbortSignal,
    ) => Promise<{ readonly fragment: Uint8Array; readonly preceding: readonly Uint8Array[] }>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const make = async (making: AbortSignal): Promise<Part> => {
      const reading = new AbortController()
      try {
        const { fragment, preceding } = await read(AbortSignal.any([making, reading.signal]))
        const bytes = protectFragments({ fragments: [fragment], preceding }, track, protection)
        return { bytes, memoryBytes: bytes.byteLength }
      } finally {
        // What was read may be used for others from here on.
        reading.abort(OVER)
      }
    }
    return (await this.#cache.get(name, make, signal)).bytes
  }
}

const OVER = new AppError('STOPPED', 'Nobody reads this any more.')
