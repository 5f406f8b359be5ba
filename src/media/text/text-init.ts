import { BoxWriter } from '../isobmff/box-writer.ts'
import { writeFileType } from '../isobmff/file-type.ts'
import { packLanguage, terminologyCodeOf } from '../isobmff/language.ts'
import { writeDataInformation, writeExtendedLanguage, writeMatrix } from '../isobmff/track.ts'

/** How text stands in fragments: WebVTT or TTML in boxes. */
export type TextCodec = 'wvtt' | 'stpp'

/** RFC 6381 names; TTML goes by the profile that it keeps to, IMSC1 text (IMSC 1.1 §6.10). */
export const TEXT_CODEC_STRINGS: Readonly<Record<TextCodec, string>> = { wvtt: 'wvtt', stpp: 'stpp.ttml.im1t' }

/** What an init segment of text says. `header` is WebVTT's, without cues. */
export type TextInit = {
  readonly codec: TextCodec
  readonly timescale: number
  readonly language: string | undefined
  readonly header: string
}

const ENABLED_IN_MOVIE_AND_PREVIEW = 7
const NORMAL_RATE = 0x00010000
const FULL_VOLUME = 0x0100
const BRANDS: Readonly<Record<TextCodec, string>> = { wvtt: 'cwvt', stpp: 'im1t' }

/** A CMAF header of one text track, number 1 (ISO/IEC 23000-19 §11): `ftyp` and `moov`. The same values give the same bytes. */
export function buildTextInit({ codec, timescale, language, header }: TextInit): Uint8Array {
  const out = new BoxWriter(1_024)
  writeFileType(out, 'ftyp', { majorBrand: 'iso6', minorVersion: 0, compatibleBrands: ['iso6', 'cmfc', BRANDS[codec]] })
  out.box('moov', () => {
    writeMovieHeader(out, timescale)
    out.box('trak', () => {
      writeTrackHeader(out)
      out.box('mdia', () => {
        writeMediaHeader(out, timescale, language)
        writeTextHandler(out, codec)
        writeExtendedLanguage(out, language)
        out.box('minf', () => {
          if (codec === 'stpp') out.fullBox('sthd', 0, 0, () => {})
          else out.fullBox('nmhd', 0, 0, () => {})
          writeDataInformation(out)
          writeSampleTable(out, codec, header)
        })
      })
    })
    out.box('mvex', () =>
      out.fullBox('trex', 0, 0, () => {
        out.u32(1)
        out.u32(1)
        out.zeros(12)
      }),
    )
  })
  return out.finish().slice()
}

function writeMovieHeader(out: BoxWriter, timescale: number): void {
  out.fullBox('mvhd', 0, 0, () => {
    out.zeros(8)
    out.u32(timescale)
    out.u32(0)
    out.u32(NORMAL_RATE)
    out.u16(FULL_VOLUME)
    out.zeros(10)
    writeMatrix(out)
    out.zeros(24)
    out.u32(2)
  })
}

function writeTrackHeader(out: BoxWriter): void {
  out.fullBox('tkhd', 0, ENABLED_IN_MOVIE_AND_PREVIEW, () => {
    out.zeros(8)
    out.u32(1)
    out.zeros(24)
    writeMatrix(out)
    out.zeros(8)
  })
}

function writeMediaHeader(out: BoxWriter, timescale: number, language: string | undefined): void {
  out.fullBox('mdhd', 0, 0, () => {
    out.zeros(8)
    out.u32(timescale)
    out.u32(0)
    out.u16(packLanguage(terminologyCodeOf(language ?? 'und')))
    out.u16(0)
  })
}

/** `hdlr` (ISO/IEC 14496-30 §5.3, §7.3): WebVTT is text, TTML subtitles. */
function writeTextHandler(out: BoxWriter, codec: TextCodec): void {
  out.fullBox('hdlr', 0, 0, () => {
    out.u32(0)
    out.ascii(codec === 'wvtt' ? 'text' : 'subt')
    out.zeros(12)
    out.ascii('Text\0')
  })
}

function writeSampleTable(out: BoxWriter, codec: TextCodec, header: string): void {
  out.box('stbl', () => {
    out.fullBox('stsd', 0, 0, () => {
      out.u32(1)
      out.box(codec, () => {
        out.zeros(6)
        out.u16(1)
        if (codec === 'wvtt') {
          out.box('vttC', () => out.append(new TextEncoder().encode(header)))
          // It may be left out (§7.5), but not all that read it know.
          out.box('vlab', () => out.ascii('text'))
        }
        // Namespace; no schema location; no types of pictures.
        else out.ascii('http://www.w3.org/ns/ttml\0\0\0')
      })
    })
    out.fullBox('stts', 0, 0, () => out.u32(0))
    out.fullBox('stsc', 0, 0, () => out.u32(0))
    out.fullBox('stsz', 0, 0, () => out.zeros(8))
    out.fullBox('stco', 0, 0, () => out.u32(0))
  })
}
