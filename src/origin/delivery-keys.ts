import { hash } from 'node:crypto'
import { periodKeyId } from '../domain/key-id.ts'
import { keyForTrack } from '../domain/track-keys.ts'
import { AppError } from '../lib/errors.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import { CONTENT_KEY_BYTES, contentKeyValue, keyIdBytes, periodStartMs } from '../protection/content-key-derivation.ts'
import type { ProtectedDelivery } from './deliveries.ts'
import type { KeySource } from './ports.ts'

/** Which key a track is encrypted with at a time: all of it public, and the same on every origin. */
export type TrackKeyRef = {
  readonly contentKeyId: string
  /** A GUID, lower case; of a key that rotates, that of the period. */
  readonly kid: string
  readonly kidBytes: Uint8Array
  /** Begin of the period, ms of the epoch timeline; absent: the key does not rotate. */
  readonly periodMs: number | undefined
  /** One for all of the KID (`cbcs`, SAMPLE-AES in transport streams, the envelope where it names one). */
  readonly constantIv: Uint8Array
}

/** The key itself, beside its name. Never to be logged, or to stand in a manifest. */
export type TrackKey = TrackKeyRef & { readonly key: Uint8Array }

/**
 * The key of a track in a segment that starts at `rowStartTicks` (90 kHz, `SegmentRow.startTicks`, so that all renditions change keys at the
 * same segment). @throws AppError `DELIVERY_BLOCKED` where no key is for such tracks: it is not sent in the clear instead
 */
export function trackKeyRef(
  delivery: ProtectedDelivery,
  { config }: Pick<Track, 'config'>,
  rowStartTicks: number,
): TrackKeyRef {
  const height = config.kind === 'video' ? config.height : undefined
  const contentKeyId = keyForTrack(delivery.keys, { kind: config.kind, height })
  const key = delivery.keys.find((one) => one.contentKeyId === contentKeyId)
  if (!key) {
    const size = height === undefined ? '' : ` of ${height} lines`
    const message = `No content key of kind ${delivery.protection} is for ${config.kind}${size}: give the asset one.`
    throw new AppError('DELIVERY_BLOCKED', message)
  }
  const periodMs = key.rotating ? periodOf(delivery, rowStartTicks) : undefined
  return keyRefOf(key.contentKeyId, periodMs)
}

/** The key of a period, by its begin. */
export function keyRefOf(contentKeyId: string, periodMs: number | undefined): TrackKeyRef {
  const kid = periodMs === undefined ? contentKeyId : periodKeyId(contentKeyId, periodMs)
  const kidBytes = keyIdBytes(kid)
  return { contentKeyId, kid, kidBytes, periodMs, constantIv: constantIvOf(kid) }
}

/** The begin, in ms, of the period that a segment is in, by its start; 0 where keys do not rotate: one period for all. */
export function periodOf({ rotationPeriodMs }: ProtectedDelivery, rowStartTicks: number): number {
  if (rotationPeriodMs === undefined) return 0
  return periodStartMs(Math.round((rowStartTicks / PRESENTATION_TIMESCALE) * 1_000), rotationPeriodMs)
}

/** Opens the keys that segments are encrypted with. */
export class DeliveryKeys {
  readonly #source: KeySource | undefined

  /** Absent: nobody here has keys, and nothing can be protected. */
  constructor(source: KeySource | undefined) {
    this.#source = source
  }

  /** @throws AppError `DELIVERY_BLOCKED` where it is gone, and what the source throws (503) */
  async open(ref: TrackKeyRef): Promise<TrackKey> {
    const found = await this.#source?.findFor(ref.contentKeyId, ref.kid)
    if (!found) throw new AppError('DELIVERY_BLOCKED', `The content key ${ref.contentKeyId} is not there.`)
    return { ...ref, key: contentKeyValue(found.material, ref.contentKeyId, ref.kid) }
  }
}

/** It follows from the KID, so that every origin has the same; IVs are no secret. */
function constantIvOf(kid: string): Uint8Array {
  return new Uint8Array(hash('sha256', `headend constant iv 1 ${kid}`, 'buffer').subarray(0, CONTENT_KEY_BYTES))
}
