import { FormatError } from '../../lib/errors.ts'
import { parseAvcRecord } from '../../media/codecs/avc.ts'
import { avcSliceDataStart, avcSliceForm } from '../../media/codecs/avc-slice.ts'
import { parseHevcRecord } from '../../media/codecs/hevc.ts'
import { hevcSliceForm } from '../../media/codecs/hevc-parameter-sets.ts'
import { hevcSliceDataStart } from '../../media/codecs/hevc-slice.ts'
import type { VideoConfig } from '../../media/media.ts'
import { type SubsampleFinder, SubsampleList } from './subsamples.ts'

/** Which NAL units are slices, and where the data of one begins. */
type Slices = {
  readonly lengthSize: number
  readonly isSlice: (firstByte: number) => boolean
  readonly dataStart: (nal: Uint8Array) => number
}

/** AVC: slices of all kinds, data partitions, and the slices of auxiliary pictures, scalable layers and other views. */
const AVC_SLICES: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 19, 20, 21])
/** Those whose header is read (ITU-T H.264 §7.3.2.8). */
const AVC_PLAIN_SLICES: ReadonlySet<number> = new Set([1, 5])
/** HEVC: every type below this is a slice segment's (ITU-T H.265 table 7-1). */
const HEVC_FIRST_OTHER = 32
/** What stays clear of a slice whose header can't be read: longer than headers are, and little of a picture. */
const UNREAD_HEADER_BYTES = 112

/**
 * Subsamples of AVC and HEVC: slices are protected behind their header, everything else is clear (ISO/IEC 23001-7 §9.5.2). @throws
 * FormatError
 */
export function nalSubsamples(config: VideoConfig, wholeBlocks: boolean): SubsampleFinder {
  const { lengthSize, isSlice, dataStart } = config.codec === 'avc' ? avcSlices(config) : hevcSlices(config)
  return {
    find: (sample) => {
      const list = new SubsampleList(wholeBlocks)
      for (let at = 0; at < sample.byteLength; ) {
        const start = at + lengthSize
        let length = 0
        for (; at < start; at++) length = length * 256 + (sample[at] ?? 0)
        at = start + length
        if (at > sample.byteLength) throw new FormatError('sample', start, 'a NAL unit runs past the end')
        const clear =
          length > 0 && isSlice(sample[start] ?? 0) ? clearBytes(sample.subarray(start, at), dataStart) : length
        list.add(lengthSize + clear, length - clear)
      }
      return list.finish()
    },
  }
}

function clearBytes(nal: Uint8Array, dataStart: (nal: Uint8Array) => number): number {
  try {
    return dataStart(nal)
  } catch (thrown) {
    // Decoders live with a broken slice, or with one of parameter sets that came in the stream: so does who protects it.
    if (!(thrown instanceof FormatError)) throw thrown
    return Math.min(nal.byteLength, UNREAD_HEADER_BYTES)
  }
}

function avcSlices({ record }: VideoConfig): Slices {
  const form = readable(() => avcSliceForm(record))
  return {
    lengthSize: parseAvcRecord(record).lengthSize,
    isSlice: (byte) => AVC_SLICES.has(byte & 0x1f),
    dataStart: (nal) => {
      if (form && AVC_PLAIN_SLICES.has((nal[0] ?? 0) & 0x1f)) return avcSliceDataStart(nal, form)
      return Math.min(nal.byteLength, UNREAD_HEADER_BYTES)
    },
  }
}

function hevcSlices({ record }: VideoConfig): Slices {
  const form = readable(() => hevcSliceForm(record))
  return {
    lengthSize: parseHevcRecord(record).lengthSize,
    isSlice: (byte) => ((byte >>> 1) & 0x3f) < HEVC_FIRST_OTHER,
    dataStart: (nal) => (form ? hevcSliceDataStart(nal, form) : Math.min(nal.byteLength, UNREAD_HEADER_BYTES)),
  }
}

/** Parameter sets with extensions that are not read here decode none the worse: their slices are protected by the fixed rule. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof FormatError) return undefined
    throw thrown
  }
}
