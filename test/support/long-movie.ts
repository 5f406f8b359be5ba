import { writeAudioSampleEntry } from '../../src/media/isobmff/audio-sample-entry.ts'
import { BoxWriter } from '../../src/media/isobmff/box-writer.ts'
import { writeFileType } from '../../src/media/isobmff/file-type.ts'
import {
  writeDataInformation,
  writeHandler,
  writeMatrix,
  writeMediaInformationHeader,
} from '../../src/media/isobmff/track.ts'
import { writeVisualSampleEntry } from '../../src/media/isobmff/visual-sample-entry.ts'
import type { AudioConfig, VideoConfig } from '../../src/media/media.ts'
import type { SourceFile } from '../../src/ondemand/source-file.ts'

/** A movie of which there is nothing but its header: a film of hours, at 60 frames a second with B-frames, and sound. */
export type LongMovie = {
  readonly hours: number
  readonly sizeBytes: number
  readonly video: VideoConfig
  readonly audio: AudioConfig
  readonly moov: 'first' | 'last'
}

const RATE = 60
const VIDEO_TIMESCALE = 15_360
const FRAME_TICKS = VIDEO_TIMESCALE / RATE
const GOP_FRAMES = 120
const CHUNKS_PER_SECOND = 2

/** The file, sparse: its media reads as zeros. */
export function longMovieFile(movie: LongMovie): SourceFile & { readonly header: Uint8Array } {
  const out = new BoxWriter(64)
  writeFileType(out, 'ftyp', { majorBrand: 'isom', minorVersion: 512, compatibleBrands: ['isom', 'iso2'] })
  const ftyp = out.finish().slice()
  const moovBytes = movieBox(movie, 0).byteLength
  const mediaStart = ftyp.byteLength + (movie.moov === 'first' ? moovBytes : 0) + 16
  const moov = movieBox(movie, mediaStart)
  const mdat = new BoxWriter(16)
  mdat.u32(1)
  mdat.ascii('mdat')
  mdat.u64(movie.sizeBytes - ftyp.byteLength - moovBytes)
  const pieces: [number, Uint8Array][] = [[0, ftyp]]
  const moovAt = movie.moov === 'first' ? ftyp.byteLength : movie.sizeBytes - moovBytes
  pieces.push([moovAt, moov], [mediaStart - 16, mdat.finish().slice()])
  const read = ({ first, last }: { first: number; last: number }): Promise<Uint8Array> => {
    const bytes = new Uint8Array(last + 1 - first)
    for (const [at, piece] of pieces) {
      const from = Math.max(first, at)
      const end = Math.min(last + 1, at + piece.byteLength)
      if (from < end) bytes.set(piece.subarray(from - at, end - at), from - first)
    }
    return Promise.resolve(bytes)
  }
  return { name: 'long.mp4', sizeBytes: movie.sizeBytes, read, header: moov }
}

function movieBox({ hours, sizeBytes, video, audio }: LongMovie, mediaStart: number): Uint8Array {
  const seconds = hours * 3_600
  const frames = seconds * RATE
  const sounds = Math.floor((seconds * 48_000) / 1_024)
  const soundBytes = 340
  const frameBytes = Math.floor((sizeBytes * 0.98 - sounds * soundBytes) / frames)
  const chunks = seconds * CHUNKS_PER_SECOND
  const framesPerChunk = RATE / CHUNKS_PER_SECOND
  const soundsOfChunk = (chunk: number) =>
    Math.floor(((chunk + 1) * sounds) / chunks) - Math.floor((chunk * sounds) / chunks)
  const offsets = { video: new Float64Array(chunks), audio: new Float64Array(chunks) }
  let at = mediaStart
  for (let chunk = 0; chunk < chunks; chunk++) {
    offsets.video[chunk] = at
    at += framesPerChunk * frameBytes
    offsets.audio[chunk] = at
    at += soundsOfChunk(chunk) * soundBytes
  }
  const out = new BoxWriter(16 * 1024 * 1024)
  out.box('moov', () => {
    out.fullBox('mvhd', 0, 0, () => {
      out.zeros(8)
      out.u32(1_000)
      out.u32(seconds * 1_000)
      out.zeros(80)
    })
    track(out, 1, video, VIDEO_TIMESCALE, { mediaTicks: 2 * FRAME_TICKS, seconds }, () => {
      table(out, 'stts', () => words(out, 1, frames, FRAME_TICKS))
      table(out, 'ctts', () => {
        out.u32(frames)
        for (let i = 0; i < frames; i++)
          words(out, 1, ([2, 4, 2, 0, 2][i % 5 === 0 ? 0 : i % 5] as number) * FRAME_TICKS)
      })
      table(out, 'stss', () => {
        out.u32(frames / GOP_FRAMES)
        for (let i = 0; i < frames; i += GOP_FRAMES) out.u32(i + 1)
      })
      table(out, 'stsc', () => words(out, 1, 1, framesPerChunk, 1))
      table(out, 'stsz', () => {
        words(out, 0, frames)
        for (let i = 0; i < frames; i++) out.u32(frameBytes - (i % 7))
      })
      chunkOffsets(out, offsets.video)
    })
    track(out, 2, audio, 48_000, { mediaTicks: 1_024, seconds }, () => {
      table(out, 'stts', () => words(out, 1, sounds, 1_024))
      table(out, 'stsc', () => {
        out.u32(chunks)
        for (let chunk = 0; chunk < chunks; chunk++) words(out, chunk + 1, soundsOfChunk(chunk), 1)
      })
      table(out, 'stsz', () => {
        words(out, 0, sounds)
        for (let i = 0; i < sounds; i++) out.u32(soundBytes - (i % 5))
      })
      chunkOffsets(out, offsets.audio)
    })
  })
  return out.finish().slice()
}

function track(
  out: BoxWriter,
  trackId: number,
  config: VideoConfig | AudioConfig,
  timescale: number,
  edit: { readonly mediaTicks: number; readonly seconds: number },
  tables: () => void,
): void {
  out.box('trak', () => {
    out.fullBox('tkhd', 0, 7, () => {
      out.zeros(8)
      out.u32(trackId)
      out.zeros(24)
      writeMatrix(out)
      out.zeros(8)
    })
    out.box('edts', () => table(out, 'elst', () => words(out, 1, edit.seconds * 1_000, edit.mediaTicks, 0x10000)))
    out.box('mdia', () => {
      out.fullBox('mdhd', 0, 0, () => words(out, 0, 0, timescale, 0, 0x55c40000))
      writeHandler(out, config.kind)
      out.box('minf', () => {
        writeMediaInformationHeader(out, config.kind)
        writeDataInformation(out)
        out.box('stbl', () => {
          table(out, 'stsd', () => {
            out.u32(1)
            if (config.kind === 'video') writeVisualSampleEntry(out, config)
            else writeAudioSampleEntry(out, config)
          })
          tables()
        })
      })
    })
  })
}

function table(out: BoxWriter, type: string, content: () => void): void {
  out.fullBox(type, 0, 0, content)
}

function words(out: BoxWriter, ...values: readonly number[]): void {
  for (const value of values) out.u32(value)
}

function chunkOffsets(out: BoxWriter, offsets: Float64Array): void {
  table(out, 'co64', () => {
    out.u32(offsets.length)
    for (const offset of offsets) out.u64(offset)
  })
}
