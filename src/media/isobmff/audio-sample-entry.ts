import { ByteReader } from '../../lib/bytes.ts'
import type { AudioCodec, AudioConfig } from '../media.ts'
import type { BoxWriter } from './box-writer.ts'
import { type Box, readBoxes, requireBox } from './boxes.ts'
import { type AudioEntryFields, audioConfigOf } from './codec-config.ts'
import { readElementaryStream, writeElementaryStream } from './esds.ts'

const MPEG4_AUDIO = 0x40
const MPEG2_AUDIO_LAYER3 = 0x69
const MPEG1_AUDIO = 0x6b
/** MPEG-2's half sampling rates begin below this one. */
const LOWEST_MPEG1_RATE = 32_000

/** Codecs with a sample entry and a configuration box of their own; AAC and MP3 share `mp4a` and `esds`. */
const written = {
  opus: { entry: 'Opus', configuration: 'dOps' },
  flac: { entry: 'fLaC', configuration: 'dfLa' },
  ac3: { entry: 'ac-3', configuration: 'dac3' },
  eac3: { entry: 'ec-3', configuration: 'dec3' },
} as const satisfies Partial<Record<AudioCodec, { entry: string; configuration: string }>>

const codecOfEntry: ReadonlyMap<string, keyof typeof written> = new Map([
  ['Opus', 'opus'],
  ['fLaC', 'flac'],
  ['ac-3', 'ac3'],
  ['ec-3', 'eac3'],
])

/**
 * An AudioSampleEntry (ISO/IEC 14496-12 §12.2.3; codecs: ISO/IEC 14496-14, the Opus and FLAC ISOBMFF bindings, ETSI TS
 * 102 366 annex F), or `undefined` for a codec that Headend doesn't know. The record is a copy, so that it doesn't keep the whole
 * header alive.
 */
export function readAudioSampleEntry(entry: Box, stsdVersion: number): AudioConfig | undefined {
  const codec = codecOfEntry.get(entry.type)
  if (codec === undefined && entry.type !== 'mp4a') return undefined
  const reader = new ByteReader(entry.body, entry.path)
  reader.skip(8)
  if (reader.u16() !== 0 && stsdVersion === 0) reader.fail('QuickTime sound description')
  reader.skip(6)
  const channels = reader.u16()
  reader.skip(6)
  const sampleRate = reader.u32() >>> 16
  const boxes = readBoxes(reader.rest(), entry.path)
  const fields = { channels, sampleRate, path: entry.path }
  if (codec === undefined) return readMpegAudio(requireBox(boxes, 'esds', entry.path), fields)
  const box = requireBox(boxes, written[codec].configuration, entry.path)
  return audioConfigOf(codec, box.body.slice(), { ...fields, path: box.path })
}

function readMpegAudio(box: Box, fields: AudioEntryFields): AudioConfig | undefined {
  const { objectType, decoderSpecificInfo } = readElementaryStream(box)
  if (objectType === MPEG4_AUDIO)
    return audioConfigOf('aac', decoderSpecificInfo.slice(), { ...fields, path: box.path })
  if (objectType !== MPEG1_AUDIO && objectType !== MPEG2_AUDIO_LAYER3) return undefined
  return audioConfigOf('mp3', new Uint8Array(0), { ...fields, path: box.path })
}

/** The sample entry of an audio track. */
export function writeAudioSampleEntry(out: BoxWriter, config: AudioConfig): void {
  const { codec, record } = config
  if (codec === 'aac') writeEntry(out, 'mp4a', config, () => writeMpegAudio(out, MPEG4_AUDIO, record))
  else if (codec === 'mp3') {
    const objectType = config.sampleRate < LOWEST_MPEG1_RATE ? MPEG2_AUDIO_LAYER3 : MPEG1_AUDIO
    writeEntry(out, 'mp4a', config, () => writeMpegAudio(out, objectType, record))
  } else {
    const { entry, configuration } = written[codec]
    writeEntry(out, entry, config, () => out.box(configuration, () => out.append(record)))
  }
}

function writeMpegAudio(out: BoxWriter, objectType: number, decoderSpecificInfo: Uint8Array): void {
  writeElementaryStream(out, { objectType, decoderSpecificInfo })
}

function writeEntry(out: BoxWriter, type: string, config: AudioConfig, configuration: () => void): void {
  out.box(type, () => {
    out.zeros(6)
    out.u16(1)
    out.zeros(8)
    out.u16(config.channels)
    out.u16(16)
    out.u32(0)
    // 16 bits hold no rate past 65,535 Hz: 0 there, as the decoder configuration has it anyway.
    out.u16(config.sampleRate > 0xffff ? 0 : config.sampleRate)
    out.u16(0)
    configuration()
  })
}
