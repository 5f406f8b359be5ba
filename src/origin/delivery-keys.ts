import { hash } from 'node:crypto'
import type { DeliveryKey } from '../domain/delivery-terms.ts'
import type { DrmSignalling } from '../domain/drm-signalling.ts'
import { periodKeyId } from '../domain/key-id.ts'
import { keyForTrack } from '../domain/track-keys.ts'
import { AppError } from '../lib/errors.ts'
import { keyPeriodMs } from '../presentation/key-periods-view.ts'
import type { Track } from '../presentation/records.ts'
import { CONTENT_KEY_BYTES, contentKeyValue, keyIdBytes } from '../protection/content-key-derivation.ts'
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

/** The key itself, beside its name, and what its provider wants players to be told. Never to be logged, or to stand in a manifest. */
export type TrackKey = TrackKeyRef & { readonly key: Uint8Array; readonly told: DrmSignalling }

/**
 * The key of a track in a segment that starts at `rowStartTicks` (90 kHz, `SegmentRow.startTicks`, so that all renditions change keys at the
 * same segment). @throws AppError `DELIVERY_BLOCKED` where no key is for such tracks, or it rotates and has none then: it is not sent in the clear, or
 * under another, instead
 */
export function trackKeyRef(
  delivery: ProtectedDelivery,
  track: Pick<Track, 'config'>,
  rowStartTicks: number,
): TrackKeyRef {
  const { rotating, contentKeyId } = keyOfTrack(delivery, track)
  if (!rotating) return keyRefOf(contentKeyId, undefined)
  const periodMs = periodOf(delivery, rowStartTicks)
  if (periodMs === 0) throw withoutPeriod(contentKeyId, delivery)
  return keyRefOf(contentKeyId, periodMs)
}

/** The key that a track is encrypted with, or from which those of its periods follow. @throws AppError `DELIVERY_BLOCKED` where none is for such tracks */
export function keyOfTrack(delivery: ProtectedDelivery, { config }: Pick<Track, 'config'>): DeliveryKey {
  const key = findKeyOfTrack(delivery, { config })
  if (!key) {
    const height = heightOf(config)
    const size = height === undefined ? '' : ` of ${height} lines`
    const message = `No content key of kind ${delivery.protection} is for ${config.kind}${size}: give the asset one.`
    throw new AppError('DELIVERY_BLOCKED', message)
  }
  return key
}

/** What lacks for a key that rotates to have one for a segment; its own value is none, since those of all periods follow from it. */
function withoutPeriod(contentKeyId: string, { rotationPeriodMs }: ProtectedDelivery): AppError {
  const what = `The content key ${contentKeyId} rotates`
  if (rotationPeriodMs === undefined) {
    const message = `${what}, and the delivery policy has no keyRotationPeriod: give it one, or the asset a key that does not rotate.`
    return new AppError('DELIVERY_BLOCKED', message)
  }
  const message = `${what} with the time of day, and this media begins at 0, before any period: give the asset a key that does not rotate.`
  return new AppError('DELIVERY_BLOCKED', message)
}

/** The same; `undefined`: no key is for such tracks. */
export function findKeyOfTrack(
  { keys }: Pick<ProtectedDelivery, 'keys'>,
  { config }: Pick<Track, 'config'>,
): DeliveryKey | undefined {
  const contentKeyId = keyForTrack(keys, { kind: config.kind, height: heightOf(config) })
  return keys.find((one) => one.contentKeyId === contentKeyId)
}

function heightOf(config: Track['config']): number | undefined {
  return config.kind === 'video' ? config.height : undefined
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
  return keyPeriodMs(rowStartTicks, rotationPeriodMs)
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
    const { material, signalling = [] } = await this.#find(ref)
    return { ...ref, key: contentKeyValue(material, ref.contentKeyId, ref.kid), told: signalling }
  }

  /** What the key's provider wants players to be told. @throws AppError as `open` */
  async told(ref: TrackKeyRef): Promise<DrmSignalling> {
    return (await this.#find(ref)).signalling ?? []
  }

  async #find({ contentKeyId, kid }: TrackKeyRef) {
    const found = await this.#source?.findFor(contentKeyId, kid)
    if (found) return found
    throw new AppError('DELIVERY_BLOCKED', `The content key ${contentKeyId} is not there.`)
  }
}

/** It follows from the KID, so that every origin has the same; IVs are no secret. */
function constantIvOf(kid: string): Uint8Array {
  return new Uint8Array(hash('sha256', `headend constant iv 1 ${kid}`, 'buffer').subarray(0, CONTENT_KEY_BYTES))
}
