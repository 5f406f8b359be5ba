import { AppError } from '../../lib/errors.ts'
import { BoxWriter } from '../isobmff/box-writer.ts'
import { writeFileType } from '../isobmff/file-type.ts'
import { writeMovie } from '../isobmff/movie.ts'
import type { MovieTrack, TrackDisplay } from '../isobmff/track.ts'
import { type CodecConfig, timescaleOf } from '../media.ts'

/** A track of an init segment. `language` is BCP 47; absent is undetermined. `timescale` is `timescaleOf(config)` unless given. */
export type InitTrack = {
  readonly trackId: number
  readonly config: CodecConfig
  readonly language?: string
  readonly timescale?: number
  readonly display?: TrackDisplay
}

const BASE_BRAND = 'iso6'
const CMAF_BRAND = 'cmfc'

/**
 * `ftyp` and `moov` (with `mvex`), ready to be followed by fragments: a CMAF header where there is one track (ISO/IEC 23000-19
 * §7.2, §7.3.1), a plain fragmented MP4 header where there are several. The
 * same tracks give the same bytes. No edit list: presentation times are true as the fragments have them.
 */
export function buildInitSegment(tracks: readonly InitTrack[]): Uint8Array {
  const first = tracks[0]
  if (first === undefined) throw new AppError('INTERNAL', 'an init segment without tracks')
  const out = new BoxWriter(1024)
  const brands = [BASE_BRAND]
  if (tracks.length === 1) brands.push(CMAF_BRAND)
  // The AV1 binding §2.1 asks for its brand.
  if (tracks.some((track) => track.config.codec === 'av1')) brands.push('av01')
  writeFileType(out, 'ftyp', { majorBrand: BASE_BRAND, minorVersion: 0, compatibleBrands: brands })
  const movieTracks: MovieTrack[] = tracks.map((track) => ({ timescale: timescaleOf(track.config), ...track }))
  writeMovie(out, movieTracks, first.timescale ?? timescaleOf(first.config))
  return out.finish().slice()
}
