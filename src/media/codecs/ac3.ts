import { FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'
import { BitReader } from './bit-reader.ts'

/** An AC-3 syncframe's head (ETSI TS 102 366 §4.4.1, §4.4.2). */
export type Ac3Header = {
  readonly fscod: number
  readonly bsid: number
  readonly bsmod: number
  readonly acmod: number
  readonly lfe: boolean
  readonly frmsizecod: number
  readonly sizeBytes: number
}

/** Sample rates by fscod. */
export const AC3_RATES: readonly number[] = [48_000, 44_100, 32_000]
/** Full-bandwidth channels by acmod (table 4.3). */
export const AC3_CHANNELS: readonly number[] = [2, 1, 2, 3, 3, 4, 4, 5]
export const AC3_SYNC = 0x0b77
/** Bit rates by frmsizecod / 2 (table 4.13). */
const KBPS: readonly number[] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640]
const SAMPLES = 1536
/** The bit stream identification of plain AC-3; 9 and 10 are old half-rate variants that nothing plays. */
const MAX_BSID = 8

/** Reads the head of a syncframe; anything else is a `FormatError`. */
export function parseAc3Header(frame: Uint8Array, path: string): Ac3Header {
  const bits: BitReader = new BitReader(frame, path)
  if (bits.bits(16) !== AC3_SYNC) bits.fail('no AC-3 sync word')
  bits.skip(16)
  const fscod = bits.bits(2)
  const frmsizecod = bits.bits(6)
  const bsid = bits.bits(5)
  const bsmod = bits.bits(3)
  const acmod = bits.bits(3)
  const rate = AC3_RATES[fscod]
  const kbps = KBPS[frmsizecod >>> 1]
  if (rate === undefined || kbps === undefined) bits.fail('a reserved sample rate or frame size')
  if (bsid > MAX_BSID) bits.fail(`bit stream identification ${bsid}`)
  if ((acmod & 1) !== 0 && acmod !== 1) bits.skip(2)
  if ((acmod & 4) !== 0) bits.skip(2)
  if (acmod === 2) bits.skip(2)
  const lfe = bits.flag()
  const padding = fscod === 1 ? frmsizecod & 1 : 0
  const words = Math.floor((kbps * 1000 * SAMPLES) / (rate * 16)) + padding
  return { fscod, bsid, bsmod, acmod, lfe, frmsizecod, sizeBytes: words * 2 }
}

/** The configuration that a syncframe describes, with the payload of `dac3` (ETSI TS 102 366 §F.4). */
export function ac3Config(frame: Uint8Array): AudioConfig {
  const header = parseAc3Header(frame, 'ac-3')
  const packed =
    (header.fscod << 22) |
    (header.bsid << 17) |
    (header.bsmod << 14) |
    (header.acmod << 11) |
    ((header.lfe ? 1 : 0) << 10) |
    ((header.frmsizecod >>> 1) << 5)
  return {
    kind: 'audio',
    codec: 'ac3',
    record: Uint8Array.of(packed >>> 16, (packed >>> 8) & 0xff, packed & 0xff),
    sampleRate: AC3_RATES[header.fscod] ?? 0,
    channels: (AC3_CHANNELS[header.acmod] ?? 0) + (header.lfe ? 1 : 0),
    samplesPerFrame: SAMPLES,
    codecString: 'ac-3',
  }
}

/** The samples of all syncframes in a message, which usually holds one. */
export function ac3Samples(data: Uint8Array): number {
  let samples = 0
  for (let at = 0; at < data.byteLength; ) {
    const header = parseAc3Header(data.subarray(at), 'ac-3')
    if (header.sizeBytes > data.byteLength - at) throw new FormatError('ac-3', at, 'a syncframe runs past the end')
    samples += SAMPLES
    at += header.sizeBytes
  }
  return samples
}
