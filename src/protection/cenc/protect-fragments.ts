import type { TakeMemory } from '../../lib/buffer-pool.ts'
import { AppError, FormatError } from '../../lib/errors.ts'
import { readBoxes, requireBox } from '../../media/isobmff/boxes.ts'
import { readMovie, type SampleDefaults } from '../../media/isobmff/movie.ts'
import type { CodecConfig } from '../../media/media.ts'
import { ChainCipher } from './chain-cipher.ts'
import { CounterCipher } from './counter-cipher.ts'
import {
  type LaidFragment,
  type LaidPiece,
  type LaidSample,
  layOut,
  layOutFragment,
  writeGrownMoof,
} from './fragment-layout.ts'
import { dependsOnPreceding, subsampleFinder } from './frame-subsamples.ts'
import {
  type EncryptionBoxes,
  encryptionBoxes,
  piffEncryptionBoxes,
  type SampleEncryption,
} from './protection-boxes.ts'
import type { SubsampleFinder } from './subsamples.ts'
import { checkProtection, type IvBase, sampleIv, type TrackProtection } from './track-protection.ts'

/** What has to be known of a track: its number, which no other track of its keys has, its configuration and its init segment. */
export type ProtectedTrack = { readonly track: number; readonly config: CodecConfig; readonly init: Uint8Array }

/** CMAF fragments in their order. */
export type ProtectedMedia = {
  readonly fragments: readonly Uint8Array[]
  /**
   * The fragments of the same segment that come before these. AV1 and VP9 need them for a part: what of a frame is clear depends on those
   * before it, back to the segment's key frame. Of other codecs they are not looked at.
   */
  readonly preceding?: readonly Uint8Array[]
}

type Planned = {
  readonly piece: LaidPiece
  readonly encryption: readonly SampleEncryption[]
  readonly boxes: EncryptionBoxes
}

const SMOOTH_TRACK_DEFAULTS: SampleDefaults = { durationTicks: 0, sizeBytes: 0, flags: 0 }
const MAX_FRAGMENT_BYTES = 0x7fffffff

/**
 * The fragments, joined, with their samples encrypted: `saiz`, `saio` and `senc` stand in each `traf`, everything else is as it was. What is
 * given is not changed. A part gives the same bytes as it has in its segment.
 * @throws FormatError for what is no CMAF of this one track, AppError `LIMIT_EXCEEDED` for track numbers past 65,535
 */
export function protectFragments(
  { fragments, preceding = [] }: ProtectedMedia,
  track: ProtectedTrack,
  protection: TrackProtection,
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  checkProtection(protection)
  const { defaults } = readMovie(requireBox(readBoxes(track.init, ''), 'moov', 'init'))
  const finder = subsampleFinder(track.config, protection.scheme)
  if (dependsOnPreceding(track.config)) findAll(layOut(preceding, defaults), finder)
  const planner = new Planner(track, protection, finder, encryptionBoxes)
  const plans = layOut(fragments, defaults).map((piece) => planner.plan(piece))
  const sizeBytes = plans.reduce((sum, { piece, boxes }) => sum + piece.bytes.byteLength + boxes.bytes.byteLength, 0)
  if (sizeBytes > MAX_FRAGMENT_BYTES) throw new AppError('LIMIT_EXCEEDED', `an encrypted segment of ${sizeBytes} bytes`)
  const out = take(sizeBytes)
  const moved: Moved[] = []
  let at = 0
  for (const { piece, encryption, boxes } of plans) {
    const { bytes, fragment } = piece
    if (fragment) {
      moved.push({ fragment, encryption, by: at + boxes.bytes.byteLength - fragment.moof.start })
      writeMoof(out, at, fragment, boxes)
    } else Buffer.prototype.copy.call(bytes, out, at)
    at += bytes.byteLength + boxes.bytes.byteLength
  }
  encrypt(out, moved, protection)
  return new Uint8Array(out.buffer, out.byteOffset, sizeBytes)
}

/** A fragment of Smooth Streaming, with what Smooth Streaming has no place for: when its samples are decoded, and of which track they are. */
export type SmoothMedia = {
  /** `moof` and `mdat`. */
  readonly fragment: Uint8Array
  /** The decoding time of each sample in the track's own timescale, as in the stored segment: IVs are made of them. */
  readonly dtsTicks: readonly number[]
  /** `info`: the `moof` alone. */
  readonly part: 'fragment' | 'info'
}

/**
 * A fragment of Smooth Streaming with its samples encrypted as PIFF 1.1 has it: AES-CTR with IVs of 8 bytes, told in a `uuid` box at the end
 * of the `traf`. Samples have the IVs and the bytes that they have in CMAF, so that one key may serve both.
 * @throws FormatError for what is no such fragment, AppError `LIMIT_EXCEEDED` for track numbers past 65,535
 */
export function protectSmoothFragment(
  { fragment: bytes, dtsTicks, part }: SmoothMedia,
  track: Pick<ProtectedTrack, 'track' | 'config'>,
  protection: TrackProtection & { readonly scheme: 'cenc' },
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  checkProtection(protection)
  const boxes = readBoxes(bytes, '')
  const moof = requireBox(boxes, 'moof', '')
  const laid = layOutFragment(bytes, moof, new Map([[track.track, SMOOTH_TRACK_DEFAULTS]]))
  if (laid.samples.length !== dtsTicks.length) {
    throw new FormatError(moof.path, 0, `${laid.samples.length} samples, and ${dtsTicks.length} decoding times`)
  }
  const samples = laid.samples.map((sample, index): LaidSample => ({ ...sample, dtsTicks: dtsTicks[index] ?? 0 }))
  const finder = subsampleFinder(track.config, 'cenc')
  const fragment = { ...laid, samples }
  const planner = new Planner(track, protection, finder, piffEncryptionBoxes)
  const { encryption, boxes: added } = planner.plan({ bytes, fragment })
  const moofEnd = moof.start + moof.size
  const growth = added.bytes.byteLength
  const out = take((part === 'info' ? moofEnd : bytes.byteLength) + growth)
  Buffer.prototype.copy.call(bytes, out, 0, 0, moof.start)
  writeMoof(out, moof.start, fragment, added)
  if (part === 'fragment') {
    Buffer.prototype.copy.call(bytes, out, moofEnd + growth, moofEnd)
    encrypt(out, [{ fragment, encryption, by: growth }], protection)
  }
  return new Uint8Array(out.buffer, out.byteOffset, out.byteLength)
}

function findAll(pieces: readonly LaidPiece[], finder: SubsampleFinder): void {
  for (const { fragment } of pieces) {
    for (const { from, to } of fragment?.samples ?? []) finder.find(fragment?.bytes.subarray(from, to) ?? NOTHING)
  }
}

const NOTHING = new Uint8Array(0)

/** Finds out what is encrypted of each sample, and how that is told. */
class Planner {
  readonly #track: number
  /** Absent: samples have none of their own. */
  readonly #ivBase: IvBase | undefined
  readonly #finder: SubsampleFinder
  readonly #boxesFor: (samples: readonly SampleEncryption[]) => EncryptionBoxes
  #latestTicks = Number.NEGATIVE_INFINITY

  constructor(
    { track }: Pick<ProtectedTrack, 'track'>,
    protection: TrackProtection,
    finder: SubsampleFinder,
    boxesFor: (samples: readonly SampleEncryption[]) => EncryptionBoxes,
  ) {
    this.#track = track
    this.#ivBase = protection.scheme === 'cenc' ? protection.ivBase : undefined
    this.#finder = finder
    this.#boxesFor = boxesFor
  }

  plan(piece: LaidPiece): Planned {
    const { fragment } = piece
    if (!fragment) return { piece, encryption: [], boxes: { bytes: NOTHING, entriesAt: 0 } }
    const encryption = fragment.samples.map((sample): SampleEncryption => {
      const subsamples = this.#finder.find(fragment.bytes.subarray(sample.from, sample.to))
      return { iv: this.#ivBase && this.#ivOf(this.#ivBase, fragment, sample), subsamples }
    })
    return { piece, encryption, boxes: this.#boxesFor(encryption) }
  }

  #ivOf(base: IvBase, { moof }: LaidFragment, { from, dtsTicks }: LaidSample): IvBase {
    // The same IV twice would give both samples away.
    if (dtsTicks <= this.#latestTicks) throw new FormatError(moof.path, from, 'a decoding time that does not go up')
    this.#latestTicks = dtsTicks
    return sampleIv(base, this.#track, dtsTicks)
  }
}

function writeMoof(
  out: Buffer,
  at: number,
  fragment: LaidFragment,
  { bytes, entriesAt, offsetAt }: EncryptionBoxes,
): void {
  const addedAt = writeGrownMoof(out, at, fragment, bytes)
  if (offsetAt !== undefined) out.writeUInt32BE(addedAt + entriesAt, at + addedAt + offsetAt)
}

/** A fragment whose samples lie `by` bytes behind where they lay. */
type Moved = { readonly fragment: LaidFragment; readonly encryption: readonly SampleEncryption[]; readonly by: number }

function encrypt(out: Buffer, moved: readonly Moved[], protection: TrackProtection): void {
  if (protection.scheme === 'cenc') {
    const cipher = new CounterCipher(protection.key, out)
    for (const { at, size, subsamples, iv } of placed(moved)) if (iv) cipher.encrypt(at, size, subsamples, iv)
    cipher.finish()
    return
  }
  const cipher = new ChainCipher(protection.key, protection.constantIv, out)
  for (const { at, size, subsamples } of placed(moved)) {
    if (subsamples === undefined) cipher.encryptBlocks(at, size)
    let from = at
    for (let pair = 0; pair < (subsamples?.length ?? 0); pair += 2) {
      from += subsamples?.[pair] ?? 0
      const length = subsamples?.[pair + 1] ?? 0
      if (length > 0) cipher.encryptPattern(from, length, LAST_PARTIAL_BYTES)
      from += length
    }
  }
}

/** `cbcs` leaves no whole block of the pattern out, only what is less than one. */
const LAST_PARTIAL_BYTES = 15

function* placed(
  moved: readonly Moved[],
): Generator<SampleEncryption & { readonly at: number; readonly size: number }> {
  for (const { fragment, encryption, by } of moved) {
    for (const [index, { from, to }] of fragment.samples.entries()) {
      const { iv, subsamples } = encryption[index] as SampleEncryption
      yield { at: from + by, size: to - from, iv, subsamples }
    }
  }
}
