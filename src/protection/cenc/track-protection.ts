import { hash } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'

/** A content key and its name, 16 bytes each (ISO/IEC 23001-7 §8.2). */
export type ContentKeyBytes = { readonly kid: Uint8Array; readonly key: Uint8Array }

/** What the IVs of a presentation's samples are counted from: 64 bits, as two words. */
export type IvBase = readonly [high: number, low: number]

/** How the samples of a track are encrypted: `cenc` has an IV for each sample, `cbcs` one for all, 16 bytes. */
export type TrackProtection =
  | (ContentKeyBytes & { readonly scheme: 'cenc'; readonly ivBase: IvBase })
  | (ContentKeyBytes & { readonly scheme: 'cbcs'; readonly constantIv: Uint8Array })

/** Bytes of a key, of its id and of a cipher's block. */
export const BLOCK_BYTES = 16
/** Of the IV of a `cenc` sample; the other half of the first counter block is 0. */
export const SAMPLE_IV_BYTES = 8
/** `cbcs` video: of ten blocks, one is encrypted (ISO/IEC 23001-7 §10.4). */
export const PATTERN = { crypt: 1, skip: 9 } as const

const MAX_TRACK = 0xffff

/** @throws AppError `INTERNAL` where a key, its id or an IV is not 16 bytes long */
export function checkProtection(protection: TrackProtection): void {
  const parts = [protection.kid, protection.key, ...(protection.scheme === 'cbcs' ? [protection.constantIv] : [])]
  for (const { byteLength } of parts) {
    if (byteLength !== BLOCK_BYTES) throw new AppError('INTERNAL', `a key, a key id or an IV of ${byteLength} bytes`)
  }
}

/**
 * The base of a presentation, by what names its content: other media has another, also where it takes the place of this one under the same key.
 * It is no secret, and the same on every origin (see `DESIGN.md` of the room).
 */
export function sampleIvBase({ id, epoch }: { readonly id: string; readonly epoch: string }): IvBase {
  const digest = hash('sha256', `headend sample iv 1 ${JSON.stringify([id, epoch])}`, 'buffer')
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)]
}

/**
 * The IV of a `cenc` sample, as two words: the track's number and its decoding time mod 2^48, added to the presentation's base bit by bit. No two
 * samples of a presentation share one, whether they are read in parts or whole, and the block counter of one, 64 bits of its own, never
 * comes near another's.
 * @throws AppError `LIMIT_EXCEEDED` past track 65,535
 */
export function sampleIv([high, low]: IvBase, track: number, dtsTicks: number): IvBase {
  if (track > MAX_TRACK)
    throw new AppError('LIMIT_EXCEEDED', `Track ${track} can't be encrypted: IVs hold 16 bits of it.`)
  const first = (track << 16) | (Math.floor(dtsTicks / 2 ** 32) & 0xffff)
  return [(high ^ first) >>> 0, (low ^ dtsTicks) >>> 0]
}
