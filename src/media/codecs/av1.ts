import { concatBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { VideoConfig } from '../media.ts'
import { type Av1Sequence, parseAv1Sequence } from './av1-sequence.ts'
import { frameRateProperty } from './frame-rate.ts'

/** A temporal unit as ISOBMFF stores it, and what of it matters for joining a stream. */
export type Av1Unit = {
  /** Without temporal delimiters: a view, or a copy where one stood between other OBUs. */
  readonly data: Uint8Array
  /** The first frame is a key frame that is shown. */
  readonly independent: boolean
  /** The payload of the first sequence header OBU, a view. */
  readonly sequence: Uint8Array | undefined
}

const RECORD_HEADER_BYTES = 4
const SEQUENCE_HEADER = 1
const TEMPORAL_DELIMITER = 2
const FRAME_HEADER = 3
const FRAME = 6

/** Reads one temporal unit in the low-overhead format (AV1 bitstream §5.2); OBUs that don't fill it are a `FormatError`. */
export function readAv1Unit(data: Uint8Array, path: string): Av1Unit {
  let start = 0
  let inner: Uint8Array[] | undefined
  let sequence: Uint8Array | undefined
  let independent: boolean | undefined
  for (let at = 0; at < data.byteLength; ) {
    const header = data[at] ?? 0
    const type = (header >>> 3) & 0xf
    const body = obuBody(data, at, path)
    if (type === TEMPORAL_DELIMITER) {
      if (at > start) inner = [...(inner ?? []), data.subarray(start, at)]
      start = body.end
    } else if (type === SEQUENCE_HEADER) {
      sequence ??= data.subarray(body.start, body.end)
    } else if ((type === FRAME || type === FRAME_HEADER) && independent === undefined) {
      if (body.end === body.start) throw new FormatError(path, at, 'an empty frame header')
      independent = isShownKeyFrame(data[body.start] ?? 0, sequence)
    }
    at = body.end
  }
  const tail = data.subarray(start)
  return {
    data: inner === undefined ? tail : concatBytes([...inner, tail]),
    independent: independent === true,
    sequence,
  }
}

/** The bounds of the payload of the OBU at `at` (§5.3). Without a size field it runs to the end. @throws FormatError */
export function obuBody(data: Uint8Array, at: number, path: string): { start: number; end: number } {
  const header = data[at] ?? 0
  if ((header & 0x80) !== 0) throw new FormatError(path, at, 'the forbidden bit of an OBU is set')
  let start = at + ((header & 4) === 0 ? 1 : 2)
  if (start > data.byteLength) throw new FormatError(path, at, 'an OBU header runs past the end')
  if ((header & 2) === 0) return { start, end: data.byteLength }
  let size = 0
  for (let i = 0; ; i++) {
    const byte = data[start]
    if (byte === undefined || i === 8) throw new FormatError(path, at, 'an OBU size without an end')
    start++
    size += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) break
  }
  if (size > data.byteLength - start) throw new FormatError(path, at, 'an OBU runs past the end')
  return { start, end: start + size }
}

/** show_existing_frame, frame_type and show_frame are the first bits of a frame header (§5.9.2). */
function isShownKeyFrame(byte: number, sequence: Uint8Array | undefined): boolean {
  // reduced_still_picture_header: the frame header says nothing, every frame is a shown key frame.
  if (sequence !== undefined && ((sequence[0] ?? 0) & 0x08) !== 0) return true
  return (byte & 0xf0) === 0x10
}

/**
 * The configuration of an `av1C` payload (AV1 in ISOBMFF §2.3) with the sequence header in its configOBUs or, where it has
 * none, the one given. `undefined` when neither is there: then the first key frame has to be waited for.
 */
export function av1Config(record: Uint8Array, inBand?: Uint8Array): VideoConfig | undefined {
  if (record.byteLength < RECORD_HEADER_BYTES) {
    throw new FormatError('av1C', record.byteLength, `${RECORD_HEADER_BYTES} bytes wanted`)
  }
  if (record[0] !== 0x81) throw new FormatError('av1C', 0, 'marker and version are not 1 and 1')
  const configured = readAv1Unit(record.subarray(RECORD_HEADER_BYTES), 'av1C/configOBUs').sequence
  const payload = configured ?? inBand
  if (payload === undefined) return undefined
  const sequence = parseAv1Sequence(payload, 'av1C/sequence_header')
  return {
    kind: 'video',
    codec: 'av1',
    record,
    width: sequence.width,
    height: sequence.height,
    codecString: av1CodecString(sequence),
    ...frameRateProperty(sequence.frameRate),
  }
}

/** AV1 in ISOBMFF §5: the optional part is written whole, and only where a value differs from its default. */
function av1CodecString(sequence: Av1Sequence): string {
  const tier = sequence.highTier ? 'H' : 'M'
  const short = `av01.${sequence.profile}.${two(sequence.level)}${tier}.${two(sequence.bitDepth)}`
  const { primaries, transfer, matrix } = sequence.colour ?? { primaries: 1, transfer: 1, matrix: 1 }
  const subsampled = sequence.subsamplingX === 1 && sequence.subsamplingY === 1
  const position = subsampled ? sequence.chromaPosition : 0
  const chroma = `${sequence.subsamplingX}${sequence.subsamplingY}${position}`
  const mono = sequence.monochrome ? 1 : 0
  const optional = `.${mono}.${chroma}.${two(primaries)}.${two(transfer)}.${two(matrix)}.${sequence.fullRange ? 1 : 0}`
  return optional === '.0.110.01.01.01.0' ? short : short + optional
}

function two(value: number): string {
  return value.toString().padStart(2, '0')
}
