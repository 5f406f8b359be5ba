import { AppError, FormatError } from '../../lib/errors.ts'
import { type Box, childrenOf, findBox, openFullBox, requireBox } from './boxes.ts'
import { readSampleDefaults, type SampleDefaults } from './movie.ts'
import { type FileTrack, readFileTrack } from './mp4-index-track.ts'

/** What the `moov` of a file says, fragmented or not. Everything in it is a view on the box. */
export type FileMovie = {
  readonly tracks: readonly FileTrack[]
  /** By track id, of a fragmented file (`mvex`, ISO/IEC 14496-12 §8.8.1); else absent. */
  readonly fragmentDefaults?: ReadonlyMap<number, SampleDefaults>
}

const MAX_TRACKS = 128

/**
 * Reads the `moov` of a file. Tracks of an unknown kind are among `tracks`, without media.
 *
 * @throws FormatError where it is broken; AppError `MEDIA_UNSUPPORTED` for a compressed one and what `readFileTrack` refuses
 */
export function readFileMovie(moov: Box): FileMovie {
  const boxes = childrenOf(moov)
  if (findBox(boxes, 'cmov')) {
    throw new AppError('MEDIA_UNSUPPORTED', 'The movie box is compressed (QuickTime cmov), which is not read.')
  }
  const traks = boxes.filter(({ type }) => type === 'trak')
  if (traks.length > MAX_TRACKS) throw new FormatError(moov.path, 0, `${traks.length} tracks`)
  const timescale = readTimescale(requireBox(boxes, 'mvhd', moov.path))
  const tracks = traks.map((trak) => readFileTrack(trak, timescale))
  const ids = new Set(tracks.map(({ trackId }) => trackId))
  if (ids.size < tracks.length) throw new FormatError(moov.path, 0, 'two tracks of one id')
  const isFragmented = findBox(boxes, 'mvex') !== undefined
  return isFragmented ? { tracks, fragmentDefaults: readSampleDefaults(moov.path, boxes) } : { tracks }
}

function readTimescale(mvhd: Box): number {
  const { version, reader } = openFullBox(mvhd)
  reader.skip(version === 1 ? 16 : 8)
  const timescale = reader.u32()
  return timescale === 0 ? reader.fail('timescale 0') : timescale
}
