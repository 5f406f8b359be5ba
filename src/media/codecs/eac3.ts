import { FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'
import { AC3_CHANNELS, AC3_RATES, AC3_SYNC } from './ac3.ts'
import { BitReader } from './bit-reader.ts'

/** An E-AC-3 syncframe's head (ETSI TS 102 366 §E.1.3.1). */
export type Eac3Header = {
  readonly dependent: boolean
  readonly substream: number
  readonly sizeBytes: number
  readonly fscod: number
  readonly sampleRate: number
  readonly samples: number
  readonly acmod: number
  readonly lfe: boolean
  readonly bsid: number
  /** The custom channel map of a dependent substream, most significant bit first; 0 without one. */
  readonly channelMap: number
}

const BLOCKS: readonly number[] = [1, 2, 3, 6]
const SAMPLES_PER_BLOCK = 256
const FULL_FRAME_SAMPLES = 1536
const DEPENDENT = 1
const RESERVED_TYPE = 3
/** What a channel map's bits (0 is the most significant) are in `chan_loc` (0 is the least): table F.6.1; LFE2 is bit 14 and 8. */
const FIRST_MAPPED = 5
const LAST_MAPPED = 12
const LFE2_MAPPED = 14
/** The locations that are single loudspeakers: Cs, Ts, Cvh and LFE2; the others are pairs. */
const SINGLE_LOCATIONS = 0b1_1000_1100

/** Reads the head of a syncframe; anything else is a `FormatError`. */
export function parseEac3Header(frame: Uint8Array, path: string): Eac3Header {
  const bits: BitReader = new BitReader(frame, path)
  if (bits.bits(16) !== AC3_SYNC) bits.fail('no E-AC-3 sync word')
  const type = bits.bits(2)
  if (type === RESERVED_TYPE) bits.fail('a reserved stream type')
  const substream = bits.bits(3)
  const sizeBytes = (bits.bits(11) + 1) * 2
  const fscod = bits.bits(2)
  const second = bits.bits(2)
  const fullRate = AC3_RATES[fscod === 3 ? second : fscod]
  if (fullRate === undefined) bits.fail('a reserved sample rate')
  const acmod = bits.bits(3)
  const lfe = bits.flag()
  const bsid = bits.bits(5)
  if (bsid < 11 || bsid > 16) bits.fail(`bit stream identification ${bsid}`)
  return {
    dependent: type === DEPENDENT,
    substream,
    sizeBytes,
    fscod,
    sampleRate: fscod === 3 ? fullRate / 2 : fullRate,
    samples: fscod === 3 ? FULL_FRAME_SAMPLES : (BLOCKS[second] ?? 0) * SAMPLES_PER_BLOCK,
    acmod,
    lfe,
    bsid,
    channelMap: type === DEPENDENT ? readChannelMap(bits, acmod) : 0,
  }
}

function readChannelMap(bits: BitReader, acmod: number): number {
  for (let program = acmod === 0 ? 2 : 1; program > 0; program--) {
    bits.skip(5)
    if (bits.flag()) bits.skip(8)
  }
  return bits.flag() ? bits.bits(16) : 0
}

/** The heads of all syncframes in a message; syncframes that don't fill it are a `FormatError`. */
function parseAll(data: Uint8Array): Eac3Header[] {
  const headers: Eac3Header[] = []
  for (let at = 0; at < data.byteLength; ) {
    const header = parseEac3Header(data.subarray(at), 'ec-3')
    if (header.sizeBytes > data.byteLength - at) throw new FormatError('ec-3', at, 'a syncframe runs past the end')
    headers.push(header)
    at += header.sizeBytes
  }
  return headers
}

/**
 * The configuration that a message's syncframes describe, with the payload of `dec3` (ETSI TS 102 366 §F.6): the first
 * independent substream and the dependent ones that extend it. Further programs are left to decoders to ignore.
 */
export function eac3Config(data: Uint8Array): AudioConfig {
  const headers = parseAll(data)
  const main = headers[0]
  if (main === undefined || main.dependent) throw new FormatError('ec-3', 0, 'no independent substream')
  const extensions = headers.filter((header) => header.dependent)
  const locations = extensions.reduce((all, header) => all | chanLoc(header.channelMap), 0)
  const dependents = new Set(extensions.map((header) => header.substream)).size
  const bytes = headers.reduce((sum, header) => sum + header.sizeBytes, 0)
  const kbps = Math.min(0x1fff, Math.round((bytes * 8 * main.sampleRate) / samplesOf(headers) / 1000))
  const lfe = main.lfe ? 1 : 0
  const record = [
    kbps >>> 5,
    (kbps & 0x1f) << 3,
    (main.fscod << 6) | (main.bsid << 1),
    (main.acmod << 1) | lfe,
    (dependents << 1) | (dependents > 0 ? locations >>> 8 : 0),
    ...(dependents > 0 ? [locations & 0xff] : []),
  ]
  return {
    kind: 'audio',
    codec: 'eac3',
    record: Uint8Array.from(record),
    sampleRate: main.sampleRate,
    channels: (AC3_CHANNELS[main.acmod] ?? 0) + lfe + channelsAt(locations),
    samplesPerFrame: samplesOf(headers) === FULL_FRAME_SAMPLES ? FULL_FRAME_SAMPLES : 0,
    codecString: 'ec-3',
  }
}

function chanLoc(channelMap: number): number {
  let locations = 0
  for (let bit = FIRST_MAPPED; bit <= LAST_MAPPED; bit++) {
    locations |= ((channelMap >>> (15 - bit)) & 1) << (bit - FIRST_MAPPED)
  }
  return locations | (((channelMap >>> (15 - LFE2_MAPPED)) & 1) << 8)
}

function channelsAt(locations: number): number {
  let channels = 0
  for (let bit = 0; bit < 9; bit++) {
    if (((locations >>> bit) & 1) === 1) channels += ((SINGLE_LOCATIONS >>> bit) & 1) === 1 ? 1 : 2
  }
  return channels
}

/** The samples of a message: those of its first independent substream's syncframes. */
export function eac3Samples(data: Uint8Array): number {
  return samplesOf(parseAll(data))
}

function samplesOf(headers: readonly Eac3Header[]): number {
  let samples = 0
  for (const header of headers) if (!header.dependent && header.substream === 0) samples += header.samples
  return samples
}
