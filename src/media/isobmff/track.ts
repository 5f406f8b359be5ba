import type { CodecConfig } from '../media.ts'
import { readAudioSampleEntry, writeAudioSampleEntry } from './audio-sample-entry.ts'
import type { BoxWriter } from './box-writer.ts'
import { type Box, childrenOf, findBox, openFullBox, readBoxes, requireBox } from './boxes.ts'
import {
  assertLanguageTag,
  languageTagOf,
  packLanguage,
  readExtendedLanguage,
  terminologyCodeOf,
  unpackLanguage,
} from './language.ts'
import { type PixelAspect, readVisualSampleEntry, writeVisualSampleEntry } from './visual-sample-entry.ts'

/** A `trak` of a fragmented file (ISO/IEC 14496-12 §8.3): all its samples stand in fragments. */
export type MovieTrack = {
  readonly trackId: number
  /** Ticks per second. */
  readonly timescale: number
  /** BCP 47; absent where undetermined. */
  readonly language?: string
  readonly config: CodecConfig
  readonly display?: TrackDisplay
}

/** How a track's pictures are shown, where that isn't as they are coded. */
export type TrackDisplay = {
  /** The nine elements of `tkhd`: telephones say here how they were held (ISO/IEC 14496-12 §6.2.2). */
  readonly matrix: readonly number[]
  /** How wide and how high a pixel is, against each other. */
  readonly pixelAspect: PixelAspect
}

/** A track that is neither video nor audio (text, timecode, hints), of which only the id matters. */
export type IgnoredTrack = { readonly trackId: number; readonly config?: never }

const ENABLED_IN_MOVIE_AND_PREVIEW = 7
const SELF_CONTAINED = 1
const FULL_VOLUME = 0x0100
/** No transformation. */
export const IDENTITY_MATRIX: readonly number[] = [0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000]

/** Reads a `trak`. A codec that Headend doesn't know, or samples outside fragments, is a `FormatError`. */
export function readTrack(trak: Box): MovieTrack | IgnoredTrack {
  const boxes = childrenOf(trak)
  const trackId = readTrackId(requireBox(boxes, 'tkhd', trak.path))
  const mdia = requireBox(boxes, 'mdia', trak.path)
  const media = childrenOf(mdia)
  const { timescale, language } = readMediaHeader(requireBox(media, 'mdhd', mdia.path))
  const handler = readHandler(requireBox(media, 'hdlr', mdia.path))
  if (handler !== 'vide' && handler !== 'soun') return { trackId }
  const minf = requireBox(media, 'minf', mdia.path)
  const stbl = requireBox(childrenOf(minf), 'stbl', minf.path)
  const tables = childrenOf(stbl)
  requireNoSamples(tables)
  const config = readSampleDescription(requireBox(tables, 'stsd', stbl.path), handler)
  const tag = readExtendedLanguage(findBox(media, 'elng')) ?? language
  return tag === 'und' ? { trackId, timescale, config } : { trackId, timescale, language: tag, config }
}

/** Writes a `trak` with empty sample tables. An edit list isn't written: presentation times are true as they stand. */
export function writeTrack(out: BoxWriter, track: MovieTrack): void {
  out.box('trak', () => {
    writeTrackHeader(out, track)
    out.box('mdia', () => {
      writeMediaHeader(out, track)
      writeHandler(out, track.config.kind)
      writeExtendedLanguage(out, track.language)
      out.box('minf', () => {
        writeMediaInformationHeader(out, track.config.kind)
        writeDataInformation(out)
        writeSampleTable(out, track)
      })
    })
  })
}

function readTrackId(tkhd: Box): number {
  const { version, reader } = openFullBox(tkhd)
  reader.skip(version === 1 ? 16 : 8)
  const trackId = reader.u32()
  return trackId === 0 ? reader.fail('track id 0') : trackId
}

function writeTrackHeader(out: BoxWriter, { trackId, config, display }: MovieTrack): void {
  out.fullBox('tkhd', 0, ENABLED_IN_MOVIE_AND_PREVIEW, () => {
    out.zeros(8)
    out.u32(trackId)
    out.zeros(4)
    out.u32(0)
    out.zeros(12)
    out.u16(config.kind === 'audio' ? FULL_VOLUME : 0)
    out.u16(0)
    writeMatrix(out, display?.matrix)
    const [wide, high] = display?.pixelAspect ?? [1, 1]
    out.u16(config.kind === 'video' ? Math.min(0xffff, Math.round((config.width * wide) / high)) : 0)
    out.u16(0)
    out.u16(config.kind === 'video' ? config.height : 0)
    out.u16(0)
  })
}

/** The transformation that `mvhd` and `tkhd` carry: none, unless given. */
export function writeMatrix(out: BoxWriter, matrix: readonly number[] = IDENTITY_MATRIX): void {
  for (const element of matrix) out.u32(element)
}

function readMediaHeader(mdhd: Box): { readonly timescale: number; readonly language: string } {
  const { version, reader } = openFullBox(mdhd)
  reader.skip(version === 1 ? 16 : 8)
  const timescale = reader.u32()
  if (timescale === 0) reader.fail('timescale 0')
  reader.skip(version === 1 ? 8 : 4)
  return { timescale, language: languageTagOf(unpackLanguage(reader.u16())) }
}

function writeMediaHeader(out: BoxWriter, { timescale, language }: MovieTrack): void {
  out.fullBox('mdhd', 0, 0, () => {
    out.zeros(8)
    out.u32(timescale)
    out.u32(0)
    out.u16(packLanguage(terminologyCodeOf(language ?? 'und')))
    out.u16(0)
  })
}

function readHandler(hdlr: Box): string {
  const { reader } = openFullBox(hdlr)
  reader.skip(4)
  return reader.ascii(4)
}

/** `hdlr` (ISO/IEC 14496-12 §8.4.3). */
export function writeHandler(out: BoxWriter, kind: CodecConfig['kind']): void {
  out.fullBox('hdlr', 0, 0, () => {
    out.u32(0)
    out.ascii(kind === 'video' ? 'vide' : 'soun')
    out.zeros(12)
    out.ascii(kind === 'video' ? 'Video\0' : 'Audio\0')
  })
}

/** `elng`, written only where `mdhd` alone would give back another tag (ISO/IEC 14496-12 §8.4.6). */
export function writeExtendedLanguage(out: BoxWriter, language: string | undefined): void {
  if (language === undefined || language === languageTagOf(terminologyCodeOf(language))) return
  assertLanguageTag(language)
  out.fullBox('elng', 0, 0, () => out.ascii(`${language}\0`))
}

/** `vmhd` or `smhd` (ISO/IEC 14496-12 §12.1.2, §12.2.2). */
export function writeMediaInformationHeader(out: BoxWriter, kind: CodecConfig['kind']): void {
  if (kind === 'video') out.fullBox('vmhd', 0, 1, () => out.zeros(8))
  else out.fullBox('smhd', 0, 0, () => out.zeros(4))
}

/** `dinf` that says: all data is in this file (ISO/IEC 14496-12 §8.7.1). */
export function writeDataInformation(out: BoxWriter): void {
  out.box('dinf', () =>
    out.fullBox('dref', 0, 0, () => {
      out.u32(1)
      out.fullBox('url ', 0, SELF_CONTAINED, () => {})
    }),
  )
}

function writeSampleTable(out: BoxWriter, { config, display }: MovieTrack): void {
  out.box('stbl', () => {
    out.fullBox('stsd', 0, 0, () => {
      out.u32(1)
      if (config.kind === 'video') writeVisualSampleEntry(out, config, display?.pixelAspect)
      else writeAudioSampleEntry(out, config)
    })
    out.fullBox('stts', 0, 0, () => out.u32(0))
    out.fullBox('stsc', 0, 0, () => out.u32(0))
    out.fullBox('stsz', 0, 0, () => out.zeros(8))
    out.fullBox('stco', 0, 0, () => out.u32(0))
  })
}

/** Samples that the movie box itself lists would be lost to whoever reads fragments only. */
function requireNoSamples(tables: readonly Box[]): void {
  const stsz = findBox(tables, 'stsz')
  if (stsz === undefined) return
  const { reader } = openFullBox(stsz)
  reader.skip(4)
  if (reader.u32() > 0) reader.fail('samples outside movie fragments')
}

/** The first sample entry: a track that changes its entry within is none that this program makes or is given. */
function readSampleDescription(stsd: Box, handler: 'vide' | 'soun'): CodecConfig {
  const { version, reader } = openFullBox(stsd)
  if (reader.u32() === 0) reader.fail('no sample entry')
  const entry = readBoxes(reader.rest(), stsd.path)[0]
  if (entry === undefined) return reader.fail('no sample entry')
  const config = handler === 'vide' ? readVisualSampleEntry(entry) : readAudioSampleEntry(entry, version)
  return config ?? reader.fail(`unknown sample entry '${entry.type}'`)
}
