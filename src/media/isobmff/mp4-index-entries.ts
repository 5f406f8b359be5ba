import { ByteReader } from '../../lib/bytes.ts'
import type { AudioCodec, CodecConfig } from '../media.ts'
import { type Box, findBox, MAX_BOX_HEADER_BYTES, openFullBox, readBoxes, readBoxHeader, requireBox } from './boxes.ts'
import { type AudioEntryFields, audioConfigOf } from './codec-config.ts'
import { readElementaryStream } from './esds.ts'
import { type PixelAspect, readVisualSampleEntry } from './visual-sample-entry.ts'

/** A sample entry of a file: its type, and what it says where the codec is one that can be streamed. */
export type SampleEntry = {
  readonly type: string
  readonly config: CodecConfig | undefined
  /** Of pictures, where it says so. */
  readonly pixelAspect?: PixelAspect | undefined
}

const MAX_ENTRIES = 1_024
const MAX_PIXEL_ASPECT = 16
const VISUAL_FIELDS_BYTES = 78
const MPEG4_AUDIO = 0x40
const MPEG_LAYER3: ReadonlySet<number> = new Set([0x69, 0x6b])

/** QuickTime's names for sound that has no configuration box of its own. */
const quickTimeMp3: ReadonlySet<string> = new Set(['.mp3', 'ms\0U'])
const configurationOf: ReadonlyMap<string, { readonly codec: AudioCodec; readonly box: string }> = new Map([
  ['Opus', { codec: 'opus', box: 'dOps' }],
  ['fLaC', { codec: 'flac', box: 'dfLa' }],
  ['ac-3', { codec: 'ac3', box: 'dac3' }],
  ['ec-3', { codec: 'eac3', box: 'dec3' }],
])

/** The sample entries of a `stsd`, QuickTime's versions of them too (QuickTime File Format, "Sound Sample Descriptions"). */
export function readSampleEntries(stsd: Box, kind: CodecConfig['kind']): SampleEntry[] {
  const { version, reader } = openFullBox(stsd)
  const count = reader.u32()
  if (count > MAX_ENTRIES) reader.fail(`${count} sample entries`)
  const boxes = readBoxes(withoutTerminator(reader.rest(), stsd.path), stsd.path).slice(0, count)
  if (boxes.length < count) reader.fail(`${boxes.length} of ${count} sample entries`)
  return boxes.map((entry) => (kind === 'video' ? readPictureEntry(entry) : readSoundEntry(entry, version)))
}

function readPictureEntry(entry: Box): SampleEntry {
  const { type } = entry
  if (entry.body.byteLength < VISUAL_FIELDS_BYTES) return { type, config: undefined }
  const boxBytes = withoutTerminator(entry.body.subarray(VISUAL_FIELDS_BYTES), entry.path)
  const body = entry.body.subarray(0, VISUAL_FIELDS_BYTES + boxBytes.byteLength)
  const config = readVisualSampleEntry({ ...entry, body })
  return { type, config, pixelAspect: config && readPixelAspect(findBox(readBoxes(boxBytes, entry.path), 'pasp')) }
}

function readPixelAspect(pasp: Box | undefined): PixelAspect | undefined {
  if (pasp === undefined) return undefined
  const reader = new ByteReader(pasp.body, pasp.path)
  const [wide, high] = [reader.u32(), reader.u32()]
  // What says nothing, or what no picture has, is square.
  return wide > 0 && high > 0 && wide / high < MAX_PIXEL_ASPECT && high / wide < MAX_PIXEL_ASPECT
    ? [wide, high]
    : undefined
}

function readSoundEntry(entry: Box, stsdVersion: number): SampleEntry {
  return { type: entry.type, config: readSound(entry, stsdVersion) }
}

function readSound(entry: Box, stsdVersion: number): CodecConfig | undefined {
  const isQuickTime = quickTimeMp3.has(entry.type)
  if (!isQuickTime && entry.type !== 'mp4a' && !configurationOf.has(entry.type)) return undefined
  const reader = new ByteReader(entry.body, entry.path)
  reader.skip(8)
  const version = reader.u16()
  reader.skip(6)
  let channels = reader.u16()
  reader.skip(6)
  let sampleRate = reader.u32() >>> 16
  // In a version 1 `stsd` the entry's version only says that a `srat` box may follow.
  if (version === 1 && stsdVersion === 0) reader.skip(16)
  if (version === 2) {
    reader.skip(4)
    sampleRate = Math.round(reader.f64())
    channels = reader.u32()
    reader.skip(20)
  }
  const boxes = readBoxes(withoutTerminator(reader.rest(), entry.path), entry.path)
  const fields = { channels, sampleRate, path: entry.path }
  if (isQuickTime) return audioConfigOf('mp3', new Uint8Array(0), fields)
  const wave = findBox(boxes, 'wave')
  const inner = wave ? readBoxes(withoutTerminator(wave.body, wave.path), wave.path) : []
  return readConfiguration(entry, [...boxes, ...inner], fields)
}

function readConfiguration(entry: Box, boxes: readonly Box[], fields: AudioEntryFields): CodecConfig | undefined {
  const known = configurationOf.get(entry.type)
  const box = requireBox(boxes, known?.box ?? 'esds', entry.path)
  if (known) return audioConfigOf(known.codec, box.body.slice(), { ...fields, path: box.path })
  const { objectType, decoderSpecificInfo } = readElementaryStream(box)
  if (objectType === MPEG4_AUDIO) {
    return audioConfigOf('aac', decoderSpecificInfo.slice(), { ...fields, path: box.path })
  }
  return MPEG_LAYER3.has(objectType) ? audioConfigOf('mp3', new Uint8Array(0), fields) : undefined
}

/** The bytes that whole boxes fill; QuickTime ends some lists with four bytes of 0, or with a box of no size. */
function withoutTerminator(bytes: Uint8Array, path: string): Uint8Array {
  let at = 0
  while (bytes.byteLength - at >= 8) {
    const header = readBoxHeader(bytes.subarray(at, at + MAX_BOX_HEADER_BYTES), path, at)
    if (header === undefined || header.size === 0) break
    at += header.size
  }
  const end = Math.min(at, bytes.byteLength)
  const hasOnlyZeros = bytes.subarray(end).every((byte) => byte === 0)
  return hasOnlyZeros ? bytes.subarray(0, end) : bytes
}
