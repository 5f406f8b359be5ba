import { concatBytes } from '../lib/bytes.ts'
import { FormatError } from '../lib/errors.ts'
import { readBoxes, readBoxHeader, requireBox } from '../media/isobmff/boxes.ts'
import { readMovie } from '../media/isobmff/movie.ts'
import { readMovieFragment } from '../media/isobmff/movie-fragment.ts'
import type { VideoConfig } from '../media/media.ts'
import { byteStreamForm, byteStreamPieces } from '../media/mpegts/annex-b.ts'
import type { Track } from '../presentation/records.ts'

/** A key frame where it is stored: the beginning of a fragment up to the end of its first sample (`leadingBytes`). */
export type StoredKeyFrame = { readonly track: Track; readonly leading: Uint8Array }

/** Pictures one behind the other; `format` is what ffmpeg calls the container. */
export type KeyFrameStream = { readonly format: 'h264' | 'hevc' | 'ivf'; readonly bytes: Uint8Array }

const IVF_FOURCC = { av1: 'AV01', vp9: 'VP90' } as const
const IVF_HEADER_BYTES = 32
const IVF_FRAME_HEADER_BYTES = 12

/**
 * Key frames of one codec as a decoder takes them without times. Each brings its parameter sets, so that they may be of any size.
 * @throws FormatError where one is broken, or of another codec than the first
 */
export function keyFrameStream(frames: readonly StoredKeyFrame[]): KeyFrameStream {
  const pictures = frames.map(({ track, leading }) => ({ config: videoOf(track), ...firstSample(track, leading) }))
  const codec = pictures[0]?.config.codec
  if (codec === undefined || pictures.some(({ config }) => config.codec !== codec)) {
    throw new FormatError('sample', 0, 'key frames of several codecs, or none')
  }
  if (codec === 'avc' || codec === 'hevc') {
    const pieces = pictures.flatMap(({ config, bytes }) =>
      byteStreamPieces(bytes, 0, bytes.byteLength, byteStreamForm(config), true),
    )
    const bytes = concatBytes(pieces.map((piece) => piece.bytes.subarray(piece.from, piece.to)))
    return { format: codec === 'avc' ? 'h264' : 'hevc', bytes }
  }
  return { format: 'ivf', bytes: ivf(IVF_FOURCC[codec], pictures) }
}

function videoOf({ config }: Track): VideoConfig {
  if (config.kind === 'video') return config
  throw new FormatError('sample', 0, 'sound has no key frames')
}

function firstSample({ init }: Track, leading: Uint8Array): { readonly bytes: Uint8Array } {
  const defaults = readMovie(requireBox(readBoxes(init, ''), 'moov', 'init')).defaults
  for (let at = 0; at < leading.byteLength; ) {
    const header = readBoxHeader(leading.subarray(at), '', at)
    if (!header) break
    // What follows is cut off behind the sample, so boxes are taken one at a time.
    const [box] = header.type === 'moof' ? readBoxes(leading.subarray(at, at + header.size), '') : []
    const sample = box && readMovieFragment(box, at, defaults)[0]?.samples[0]
    if (sample) {
      const { offset, sizeBytes } = sample
      if (offset < 0 || offset + sizeBytes > leading.byteLength) break
      return { bytes: leading.subarray(offset, offset + sizeBytes) }
    }
    at += header.size
  }
  throw new FormatError('moof', 0, 'no whole first sample')
}

/** The container of libvpx: a header, and a length and a number before each frame; all little-endian. */
function ivf(
  fourcc: string,
  pictures: readonly { readonly config: VideoConfig; readonly bytes: Uint8Array }[],
): Uint8Array {
  const { width = 0, height = 0 } = pictures[0]?.config ?? {}
  const header = new DataView(new ArrayBuffer(IVF_HEADER_BYTES))
  for (const [at, character] of [...'DKIF'].entries()) header.setUint8(at, character.charCodeAt(0))
  header.setUint16(6, IVF_HEADER_BYTES, true)
  for (const [at, character] of [...fourcc].entries()) header.setUint8(8 + at, character.charCodeAt(0))
  header.setUint16(12, width, true)
  header.setUint16(14, height, true)
  header.setUint32(16, 25, true)
  header.setUint32(20, 1, true)
  header.setUint32(24, pictures.length, true)
  const frames = pictures.flatMap(({ bytes }, number) => {
    const frame = new DataView(new ArrayBuffer(IVF_FRAME_HEADER_BYTES))
    frame.setUint32(0, bytes.byteLength, true)
    frame.setUint32(4, number, true)
    return [new Uint8Array(frame.buffer), bytes]
  })
  return concatBytes([new Uint8Array(header.buffer), ...frames])
}
