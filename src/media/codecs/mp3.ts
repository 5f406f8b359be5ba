import { FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'

/** A frame header of MPEG audio layer III (ISO/IEC 11172-3 §2.4.1.3, 13818-3; 2.5 is the field's own extension). */
export type Mp3Header = {
  readonly sampleRate: number
  readonly channels: number
  readonly samples: number
  /** 0 in free format, whose frames don't say their length. */
  readonly sizeBytes: number
}

const EMPTY = new Uint8Array(0)
const LAYER_III = 1
const MPEG_1 = 3
const MPEG_RESERVED = 1
const MPEG_1_RATES: readonly number[] = [44_100, 48_000, 32_000]
/** MPEG-2.5, reserved, MPEG-2 and MPEG-1 divide these rates. */
const RATE_DIVISORS: readonly number[] = [4, 0, 2, 1]
const MPEG_1_KBPS: readonly number[] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
const MPEG_2_KBPS: readonly number[] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
const HEADER_BYTES = 4

/** Reads the frame header at `at`; anything else is a `FormatError`. */
export function parseMp3Header(data: Uint8Array, at: number, path: string): Mp3Header {
  if (at + HEADER_BYTES > data.byteLength) throw new FormatError(path, at, 'an MP3 header runs past the end')
  const second = data[at + 1] ?? 0
  const third = data[at + 2] ?? 0
  const fourth = data[at + 3] ?? 0
  const version = (second >>> 3) & 3
  const rate = MPEG_1_RATES[(third >>> 2) & 3]
  const kbps = (version === MPEG_1 ? MPEG_1_KBPS : MPEG_2_KBPS)[third >>> 4]
  const synced =
    data[at] === 0xff && second >>> 5 === 7 && version !== MPEG_RESERVED && ((second >>> 1) & 3) === LAYER_III
  if (!synced || rate === undefined || kbps === undefined)
    throw new FormatError(path, at, 'no MPEG layer III frame header')
  const sampleRate = rate / (RATE_DIVISORS[version] ?? 1)
  const samples = version === MPEG_1 ? 1152 : 576
  const padding = (third >>> 1) & 1
  return {
    sampleRate,
    channels: fourth >>> 6 === 3 ? 1 : 2,
    samples,
    sizeBytes: kbps === 0 ? 0 : Math.floor((samples * kbps * 125) / sampleRate) + padding,
  }
}

/** What distinguishes the configurations of two frames: version, layer, rate and channel count. -1 where there is no header. */
export function mp3ConfigKey(data: Uint8Array): number {
  if (data.byteLength < HEADER_BYTES) return -1
  const mono = (data[3] ?? 0) >>> 6 === 3 ? 1 : 0
  return (((data[1] ?? 0) & 0xfe) << 8) | ((data[2] ?? 0) & 0x0c) | mono
}

/** The configuration that a frame's header describes. MP3 has no record: its frames say everything. */
export function mp3Config(frame: Uint8Array): AudioConfig {
  const header = parseMp3Header(frame, 0, 'mp3')
  return {
    kind: 'audio',
    codec: 'mp3',
    record: EMPTY,
    sampleRate: header.sampleRate,
    channels: header.channels,
    samplesPerFrame: header.samples,
    codecString: 'mp4a.6B',
  }
}

/** The samples of all frames in a message, which usually holds one. */
export function mp3Samples(data: Uint8Array): number {
  let samples = 0
  for (let at = 0; at < data.byteLength; ) {
    // Ancillary bytes after the last frame are no reason to refuse what was read.
    if (at > 0 && data.byteLength - at < HEADER_BYTES) break
    const header = parseMp3Header(data, at, 'mp3')
    samples += header.samples
    if (header.sizeBytes === 0) break
    at += header.sizeBytes
  }
  return samples
}
