import { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'

/** Opus is always counted at 48 kHz (RFC 7845 §4). */
const SAMPLE_RATE = 48_000
const MAGIC = 'OpusHead'
/** RFC 6716 §2: a packet lasts at most 120 ms. */
const MAX_PACKET_SAMPLES = 5760
/** Samples of a frame by the TOC's configuration (RFC 6716 table 2): SILK, hybrid, CELT. */
const SILK: readonly number[] = [480, 960, 1920, 2880]
const HYBRID: readonly number[] = [480, 960]
const CELT: readonly number[] = [120, 240, 480, 960]
/** The pre-skip libopus asks for at 48 kHz. */
const USUAL_PRE_SKIP = 312

/**
 * The configuration that an OpusHead describes (RFC 7845 §5.1), its record turned into the big-endian payload of `dOps`
 * (Opus in ISOBMFF §4.3.2). Packets say their own duration, so `samplesPerFrame` is 0.
 */
export function opusConfig(head: Uint8Array): AudioConfig {
  const reader = new ByteReader(head, 'OpusHead')
  if (reader.ascii(8) !== MAGIC) throw new FormatError('OpusHead', 0, 'no OpusHead magic')
  const version = reader.u8()
  if (version >>> 4 !== 0) throw new FormatError('OpusHead', 8, `version ${version}`)
  const channels = reader.u8()
  if (channels === 0) throw new FormatError('OpusHead', 9, 'no channels')
  const out = new ByteWriter(32)
  out.u8(0)
  out.u8(channels)
  out.u16(swap16(reader.u16()))
  out.u32(swap32(reader.u32()))
  out.u16(swap16(reader.u16()))
  const family = reader.u8()
  out.u8(family)
  if (family === 0) {
    if (channels > 2) throw new FormatError('OpusHead', 9, `${channels} channels without a mapping`)
  } else {
    out.append(reader.take(2 + channels))
  }
  return configOf(out.finish(), channels)
}

/** The configuration of mono or stereo Opus whose encoder sends no header: decoders give stereo for either. */
export function defaultOpusConfig(): AudioConfig {
  const out = new ByteWriter(11)
  out.u8(0)
  out.u8(2)
  out.u16(USUAL_PRE_SKIP)
  out.u32(SAMPLE_RATE)
  out.u16(0)
  out.u8(0)
  return configOf(out.finish(), 2)
}

function configOf(record: Uint8Array, channels: number): AudioConfig {
  return {
    kind: 'audio',
    codec: 'opus',
    record,
    sampleRate: SAMPLE_RATE,
    channels,
    samplesPerFrame: 0,
    codecString: 'opus',
  }
}

/** The samples of a packet at 48 kHz, from its TOC (RFC 6716 §3.1, §3.2). */
export function opusSamples(packet: Uint8Array): number {
  const toc = packet[0]
  if (toc === undefined) throw new FormatError('opus', 0, 'an empty packet')
  const frames = [1, 2, 2][toc & 3] ?? (packet[1] ?? 0) & 0x3f
  const samples = frames * frameSize(toc >>> 3)
  if (samples === 0 || samples > MAX_PACKET_SAMPLES) {
    throw new FormatError('opus', 1, `a packet of ${samples} samples`)
  }
  return samples
}

function frameSize(configuration: number): number {
  if (configuration < 12) return SILK[configuration & 3] ?? 0
  if (configuration < 16) return HYBRID[configuration & 1] ?? 0
  return CELT[configuration & 3] ?? 0
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}

function swap32(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}
