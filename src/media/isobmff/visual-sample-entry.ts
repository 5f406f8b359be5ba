import { ByteReader } from '../../lib/bytes.ts'
import type { VideoCodec, VideoConfig } from '../media.ts'
import type { BoxWriter } from './box-writer.ts'
import { type Box, readBoxes, requireBox } from './boxes.ts'
import { videoConfigOf } from './codec-config.ts'

const FIXED_BYTES = 78

/** What is written for each codec: the sample entry and its configuration box. */
const written = {
  avc: { entry: 'avc1', configuration: 'avcC' },
  hevc: { entry: 'hvc1', configuration: 'hvcC' },
  av1: { entry: 'av01', configuration: 'av1C' },
  vp9: { entry: 'vp09', configuration: 'vpcC' },
} as const satisfies Record<VideoCodec, { entry: string; configuration: string }>

/** The sample entries that are understood; those with parameter sets in band (`avc3`, `hev1`) have the same record. */
const codecOfEntry: ReadonlyMap<string, VideoCodec> = new Map([
  ['avc1', 'avc'],
  ['avc3', 'avc'],
  ['hvc1', 'hevc'],
  ['hev1', 'hevc'],
  ['av01', 'av1'],
  ['vp09', 'vp9'],
])

/**
 * A VisualSampleEntry (ISO/IEC 14496-12 §12.1.3; codecs: ISO/IEC 14496-15, the AV1 and VP codec ISOBMFF bindings), or
 * `undefined` for a codec that Headend doesn't know. The record is a copy, so that it doesn't keep the whole header alive.
 */
export function readVisualSampleEntry(entry: Box): VideoConfig | undefined {
  const codec = codecOfEntry.get(entry.type)
  if (codec === undefined) return undefined
  const reader = new ByteReader(entry.body, entry.path)
  reader.skip(24)
  const width = reader.u16()
  const height = reader.u16()
  if (width === 0 || height === 0) reader.fail(`picture of ${width}x${height}`)
  reader.skip(FIXED_BYTES - reader.offset)
  const { configuration } = written[codec]
  const box = requireBox(readBoxes(reader.rest(), entry.path), configuration, entry.path)
  return videoConfigOf(codec, box.body.slice(), { width, height, path: box.path })
}

/** How wide and how high a pixel is, against each other (`pasp`, ISO/IEC 14496-12 §12.1.4). */
export type PixelAspect = readonly [wide: number, high: number]

/** The sample entry of a video track, with square pixels unless others are given. */
export function writeVisualSampleEntry(out: BoxWriter, config: VideoConfig, [wide, high]: PixelAspect = [1, 1]): void {
  const { entry, configuration } = written[config.codec]
  out.box(entry, () => {
    out.zeros(6)
    out.u16(1)
    out.zeros(16)
    out.u16(config.width)
    out.u16(config.height)
    out.u32(0x00480000)
    out.u32(0x00480000)
    out.u32(0)
    out.u16(1)
    out.zeros(32)
    out.u16(0x18)
    out.i16(-1)
    out.box(configuration, () => out.append(config.record))
    out.box('pasp', () => {
      out.u32(wide)
      out.u32(high)
    })
  })
}
