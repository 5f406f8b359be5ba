import { BoxWriter } from '../../media/isobmff/box-writer.ts'
import type { CodecConfig } from '../../media/media.ts'
import type { Subsamples } from './subsamples.ts'
import { PATTERN, SAMPLE_IV_BYTES, type TrackProtection } from './track-protection.ts'

/** What a fragment says of a sample's encryption: its IV where samples have one, and its subsamples where it has any. */
export type SampleEncryption = {
  readonly iv: readonly [high: number, low: number] | undefined
  readonly subsamples: Subsamples | undefined
}

/** Boxes for the end of a `traf`. `entriesAt`: where in them the entries of `senc` begin, which `saio` has to say. */
export type EncryptionBoxes = { readonly bytes: Uint8Array; readonly offsetAt?: number; readonly entriesAt: number }

const VERSION_1_0 = 0x0001_0000
const USES_SUBSAMPLES = 2
/** PIFF's SampleEncryptionBox: a2394f52-5a9b-4f14-a244-6c427c648df4 (PIFF 1.1 §5.3.2). */
const PIFF_SAMPLE_ENCRYPTION: readonly number[] = [0xa2394f52, 0x5a9b4f14, 0xa2446c42, 0x7c648df4]
const PAIR_BYTES = 6
const MAX_SIZE_IN_BYTE = 0xff

/** `sinf` of a protected track (ISO/IEC 14496-12 §8.12, ISO/IEC 23001-7 §8.2): what it was, by which scheme, and with which key. */
export function writeProtectionInfo(
  out: BoxWriter,
  format: string,
  protection: TrackProtection,
  kind: CodecConfig['kind'],
): void {
  const { scheme, kid } = protection
  out.box('sinf', () => {
    out.box('frma', () => out.ascii(format))
    out.fullBox('schm', 0, 0, () => {
      out.ascii(scheme)
      out.u32(VERSION_1_0)
    })
    out.box('schi', () => {
      out.fullBox('tenc', scheme === 'cbcs' ? 1 : 0, 0, () => {
        out.u8(0)
        // Sound has no pattern: all of its whole blocks are encrypted (§10.4.2).
        out.u8(scheme === 'cbcs' && kind === 'video' ? (PATTERN.crypt << 4) | PATTERN.skip : 0)
        out.u8(1)
        out.u8(scheme === 'cbcs' ? 0 : SAMPLE_IV_BYTES)
        out.append(kid)
        if (protection.scheme !== 'cbcs') return
        out.u8(protection.constantIv.byteLength)
        out.append(protection.constantIv)
      })
    })
  })
}

/**
 * `saiz`, `saio` and `senc` (ISO/IEC 14496-12 §8.7.8, §8.7.9; ISO/IEC 23001-7 §7.2). Where samples have neither an
 * IV of their own nor subsamples `senc` is empty, and stands alone. `saio` is to hold the offset of `entriesAt` from the `moof`.
 */
export function encryptionBoxes(samples: readonly SampleEncryption[]): EncryptionBoxes {
  const out = new BoxWriter(64 + samples.length * 24)
  const sizes = samples.map(entryBytes)
  const [first = 0] = sizes
  const isEven = first <= MAX_SIZE_IN_BYTE && sizes.every((size) => size === first)
  // More than 255 bytes for a sample are 39 subsamples: `saiz` can't say that, and `senc` alone is enough for its readers.
  const hasSizes = sizes.every((size) => size <= MAX_SIZE_IN_BYTE) && sizes.some((size) => size > 0)
  let offsetAt: number | undefined
  if (hasSizes) {
    out.fullBox('saiz', 0, 0, () => {
      out.u8(isEven ? first : 0)
      out.u32(samples.length)
      if (!isEven) for (const size of sizes) out.u8(size)
    })
    out.fullBox('saio', 0, 0, () => {
      out.u32(1)
      offsetAt = out.offset
      out.u32(0)
    })
  }
  const flags = samples.some(({ subsamples }) => subsamples !== undefined) ? USES_SUBSAMPLES : 0
  let entriesAt = 0
  out.fullBox('senc', 0, flags, () => {
    entriesAt = writeEntries(out, samples)
  })
  return { bytes: out.finish(), entriesAt, ...(offsetAt !== undefined && { offsetAt }) }
}

/** The same in PIFF, which has a box for all of it and no others. */
export function piffEncryptionBoxes(samples: readonly SampleEncryption[]): EncryptionBoxes {
  const out = new BoxWriter(64 + samples.length * 24)
  const flags = samples.some(({ subsamples }) => subsamples !== undefined) ? USES_SUBSAMPLES : 0
  let entriesAt = 0
  out.box('uuid', () => {
    for (const word of PIFF_SAMPLE_ENCRYPTION) out.u32(word)
    out.u32(flags)
    entriesAt = writeEntries(out, samples)
  })
  return { bytes: out.finish(), entriesAt }
}

function entryBytes({ iv, subsamples }: SampleEncryption): number {
  const pairs = subsamples === undefined ? 0 : 2 + (subsamples.length / 2) * PAIR_BYTES
  return (iv === undefined ? 0 : SAMPLE_IV_BYTES) + pairs
}

/** Gives where the first entry begins. */
function writeEntries(out: BoxWriter, samples: readonly SampleEncryption[]): number {
  out.u32(samples.length)
  const start = out.offset
  for (const { iv, subsamples } of samples) {
    if (iv !== undefined) for (const word of iv) out.u32(word)
    if (subsamples === undefined) continue
    out.u16(subsamples.length / 2)
    for (let pair = 0; pair < subsamples.length; pair += 2) {
      out.u16(subsamples[pair] ?? 0)
      out.u32(subsamples[pair + 1] ?? 0)
    }
  }
  return start
}
