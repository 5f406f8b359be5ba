import { AppError, FormatError } from '../../lib/errors.ts'
import type { CodecConfig } from '../media.ts'
import { sameConfig } from '../same-config.ts'
import { type Box, childrenOf, findBox, openFullBox, requireBox } from './boxes.ts'
import { languageTagOf, readExtendedLanguage, unpackLanguage } from './language.ts'
import { type EditedTime, readEditList } from './mp4-index-edits.ts'
import { readSampleEntries, type SampleEntry } from './mp4-index-entries.ts'
import { countSamples, readSampleTables, type SampleTables } from './mp4-index-tables.ts'
import { readTextMedia, type TextTrackMedia } from './mp4-index-text.ts'
import { IDENTITY_MATRIX, type TrackDisplay } from './track.ts'

/** A track whose media can be streamed. */
export type MediaTrack = {
  readonly trackId: number
  readonly path: string
  /** Ticks per second. */
  readonly timescale: number
  /** BCP 47; absent where undetermined. */
  readonly language?: string
  readonly config: CodecConfig
  readonly edited: EditedTime
  /** Absent where pictures are shown as they are coded. */
  readonly display?: TrackDisplay
  /** Absent where the movie box lists no samples: they are in fragments, or there are none. */
  readonly tables?: SampleTables
}

/** A track that isn't streamed, and why: `handler` and the type of its first sample entry, as in `text`/`tx3g`. */
export type OtherTrack = {
  readonly trackId: number
  readonly path: string
  readonly handler: string
  readonly entry: string
  readonly language?: string
  /** Absent where it is no text that can be read. */
  readonly text?: TextTrackMedia
}

/** Either kind of track. */
export type FileTrack = MediaTrack | OtherTrack

const SELF_CONTAINED = 1

/**
 * Reads a `trak` (ISO/IEC 14496-12 §8.3) of any file: its samples may stand in its own tables or in fragments.
 *
 * @throws FormatError where it is broken; AppError `MEDIA_UNSUPPORTED` where it changes its codec on the way, keeps its media in
 *   another file, or is edited in a way that can't be streamed
 */
export function readFileTrack(trak: Box, movieTimescale: number): FileTrack {
  const boxes = childrenOf(trak)
  const { path } = trak
  const { trackId, matrix } = readTrackHeader(requireBox(boxes, 'tkhd', path))
  const mdia = requireBox(boxes, 'mdia', path)
  const media = childrenOf(mdia)
  const { timescale, packedLanguage } = readMediaHeader(requireBox(media, 'mdhd', mdia.path))
  const language = languageOf(findBox(media, 'elng'), packedLanguage)
  const handler = readHandler(requireBox(media, 'hdlr', mdia.path))
  const kind = handler === 'vide' ? 'video' : handler === 'soun' ? 'audio' : undefined
  const minf = findBox(media, 'minf')
  const stbl = minf && findBox(childrenOf(minf), 'stbl')
  const tableBoxes = stbl ? childrenOf(stbl) : []
  const stsd = findBox(tableBoxes, 'stsd')
  if (kind === undefined || !minf || !stbl || !stsd) {
    const other = { trackId, path, handler, entry: entryType(stsd), ...language }
    const text = minf && stbl && stsd && readTextMedia({ boxes, stbl, stsd, handler, movieTimescale, timescale })
    return text ? { ...other, text } : other
  }
  const entries = readSampleEntries(stsd, kind)
  const sampleCount = countSamples(tableBoxes, stbl.path)
  const tables = sampleCount > 0 ? readSampleTables(tableBoxes, stbl.path) : undefined
  const entry = usedEntry(entries, tables, stbl.path)
  if (entry?.config === undefined) return { trackId, path, handler, entry: entry?.type ?? '', ...language }
  if (timescale === 0) throw new FormatError(`${mdia.path}/mdhd`, 0, 'timescale 0')
  requireOwnMedia(minf)
  const edited = readEditList(boxes, movieTimescale, timescale)
  const display = kind === 'video' ? displayOf(matrix, entry) : {}
  const track = { trackId, path, timescale, ...language, ...display, config: entry.config, edited }
  return tables ? { ...track, tables } : track
}

/** Whether a track is one that is streamed. */
export function isMediaTrack(track: FileTrack): track is MediaTrack {
  return 'config' in track
}

/** The entry that the samples are of: all that are used have to say the same. */
function usedEntry(
  entries: readonly SampleEntry[],
  tables: SampleTables | undefined,
  path: string,
): SampleEntry | undefined {
  if (tables === undefined) return entries[0]
  const used = new Set<number>()
  const { chunkRuns } = tables
  for (let i = 0; i < chunkRuns.entries && used.size < 8; i++) used.add(chunkRuns.view.getUint32(i * 12 + 8))
  const [first, ...others] = [...used].map((number) => entries[number - 1])
  if (first === undefined) throw new FormatError(`${path}/stsc`, 0, 'samples of an entry that is not there')
  for (const other of others) {
    const isSame = first.config && other?.config && sameConfig(first.config, other.config)
    if (!isSame && (first.config || other?.config)) {
      throw new AppError('MEDIA_UNSUPPORTED', `${path} changes its codec on the way, which can't be streamed.`)
    }
  }
  return first
}

/** Media in other files (`dref`, ISO/IEC 14496-12 §8.7.2) is nothing that an asset has. */
function requireOwnMedia(minf: Box): void {
  const dinf = findBox(childrenOf(minf), 'dinf')
  const dref = dinf && findBox(childrenOf(dinf), 'dref')
  if (dref === undefined) return
  const { reader } = openFullBox(dref)
  const count = reader.u32()
  if (count === 0 || reader.remaining < 12) return
  reader.skip(8)
  if ((reader.u32() & SELF_CONTAINED) === 0) {
    throw new AppError('MEDIA_UNSUPPORTED', `${dref.path} says that the media is in another file.`)
  }
}

function readTrackHeader(tkhd: Box): { readonly trackId: number; readonly matrix: readonly number[] } {
  const { version, reader } = openFullBox(tkhd)
  reader.skip(version === 1 ? 16 : 8)
  const trackId = reader.u32()
  reader.skip(version === 1 ? 28 : 24)
  return { trackId, matrix: IDENTITY_MATRIX.map(() => reader.u32()) }
}

/** A matrix of nothing but zeros is one that a writer left out. */
function displayOf(
  matrix: readonly number[],
  { pixelAspect = [1, 1] }: SampleEntry,
): { readonly display?: TrackDisplay } {
  const isTurned =
    matrix.some((element, i) => element !== IDENTITY_MATRIX[i]) && matrix.some((element) => element !== 0)
  if (!isTurned && pixelAspect[0] === pixelAspect[1]) return {}
  return { display: { matrix: isTurned ? matrix : IDENTITY_MATRIX, pixelAspect } }
}

function readMediaHeader(mdhd: Box): { readonly timescale: number; readonly packedLanguage: number } {
  const { version, reader } = openFullBox(mdhd)
  reader.skip(version === 1 ? 16 : 8)
  const timescale = reader.u32()
  reader.skip(version === 1 ? 8 : 4)
  return { timescale, packedLanguage: reader.u16() }
}

function readHandler(hdlr: Box): string {
  const { reader } = openFullBox(hdlr)
  reader.skip(4)
  return reader.ascii(4)
}

function languageOf(elng: Box | undefined, packed: number): { readonly language?: string } {
  const language = readExtendedLanguage(elng) ?? languageTagOf(unpackLanguage(packed))
  return language === 'und' ? {} : { language }
}

function entryType(stsd: Box | undefined): string {
  if (stsd === undefined || stsd.body.byteLength < 16) return ''
  const { reader } = openFullBox(stsd)
  reader.skip(8)
  return reader.ascii(4)
}
