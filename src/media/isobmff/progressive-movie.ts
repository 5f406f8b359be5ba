import { writeAudioSampleEntry } from './audio-sample-entry.ts'
import { BoxWriter } from './box-writer.ts'
import { packLanguage, terminologyCodeOf } from './language.ts'
import type { BoxTree } from './progressive-box.ts'
import type { TableColumn } from './progressive-columns.ts'
import { type Edit, MOVIE_TIMESCALE, type TrackTiming, trackTimings } from './progressive-edits.ts'
import type { SampleTable } from './progressive-samples.ts'
import {
  writeDataInformation,
  writeExtendedLanguage,
  writeHandler,
  writeMatrix,
  writeMediaInformationHeader,
} from './track.ts'
import { writeVisualSampleEntry } from './visual-sample-entry.ts'

/** Where a track's chunks begin in the file, as big-endian offsets of 4 bytes (`stco`) or 8 (`co64`). */
export type ChunkOffsets = { readonly type: 'stco' | 'co64'; readonly bytes: Uint8Array }

const MAX_U32 = 0xffff_ffff
const NORMAL_RATE = 0x00010000
const FULL_VOLUME = 0x0100
const IN_MOVIE_AND_PREVIEW = 6
const ENABLED = 1
const SOUND_GROUP = 1
const SECONDS_FROM_1904_TO_1970 = 2_082_844_800

/** The `moov` of a file whose samples stand in its own tables (ISO/IEC 14496-12 §8.2.1). `createdMs`: ms since the epoch. */
export function progressiveMovie(
  tables: readonly SampleTable[],
  offsets: readonly ChunkOffsets[],
  createdMs: number,
): BoxTree {
  const timings = trackTimings(tables)
  const created = Math.max(0, Math.floor(createdMs / 1_000) + SECONDS_FROM_1904_TO_1970)
  const durationTicks = Math.max(...timings.map((timing) => timing.durationTicks))
  const tracks = tables.map((table, index): BoxTree => {
    const isDefault = tables.findIndex(({ kind }) => kind === table.kind) === index
    const timing = timings[index] as TrackTiming
    const head = { trackId: index + 1, created, isDefault, durationTicks: timing.durationTicks }
    return {
      type: 'trak',
      parts: [trackHeader(table, head), editList(timing.edits), media(table, offsets[index] as ChunkOffsets, created)],
    }
  })
  return { type: 'moov', parts: [movieHeader(durationTicks, created, tables.length + 1), ...tracks] }
}

function written(write: (out: BoxWriter) => void): Uint8Array {
  const out = new BoxWriter(512)
  write(out)
  return out.finish().slice()
}

/** Version 1 of a header where its times take more than 32 bits; `middle` stands between the creation times and the duration. */
function times(out: BoxWriter, created: number, durationTicks: number, middle: () => void): void {
  const write = isLong(created, durationTicks) ? (value: number) => out.u64(value) : (value: number) => out.u32(value)
  write(created)
  write(created)
  middle()
  write(durationTicks)
}

function isLong(created: number, durationTicks: number): boolean {
  return created > MAX_U32 || durationTicks > MAX_U32
}

function movieHeader(durationTicks: number, created: number, nextTrackId: number): Uint8Array {
  return written((out) =>
    out.fullBox('mvhd', isLong(created, durationTicks) ? 1 : 0, 0, () => {
      times(out, created, durationTicks, () => out.u32(MOVIE_TIMESCALE))
      out.u32(NORMAL_RATE)
      out.u16(FULL_VOLUME)
      out.zeros(10)
      writeMatrix(out)
      out.zeros(24)
      out.u32(nextTrackId)
    }),
  )
}

type TrackHead = {
  readonly trackId: number
  readonly created: number
  readonly isDefault: boolean
  readonly durationTicks: number
}

function trackHeader({ kind, descriptions }: SampleTable, head: TrackHead): Uint8Array {
  const { trackId, created, isDefault, durationTicks } = head
  const pictures = descriptions.filter((config) => config.kind === 'video')
  const flags = IN_MOVIE_AND_PREVIEW | (isDefault ? ENABLED : 0)
  return written((out) =>
    out.fullBox('tkhd', isLong(created, durationTicks) ? 1 : 0, flags, () => {
      times(out, created, durationTicks, () => {
        out.u32(trackId)
        out.u32(0)
      })
      out.zeros(10)
      out.u16(kind === 'audio' ? SOUND_GROUP : 0)
      out.u16(kind === 'audio' ? FULL_VOLUME : 0)
      out.u16(0)
      writeMatrix(out)
      out.u32(Math.max(0, ...pictures.map(({ width }) => width)) * 0x10000)
      out.u32(Math.max(0, ...pictures.map(({ height }) => height)) * 0x10000)
    }),
  )
}

function editList(edits: readonly Edit[]): BoxTree {
  const isWide = edits.some(({ durationTicks, mediaTicks }) => durationTicks > MAX_U32 || mediaTicks > 0x7fff_ffff)
  const list = written((out) =>
    out.fullBox('elst', isWide ? 1 : 0, 0, () => {
      out.u32(edits.length)
      for (const { durationTicks, mediaTicks } of edits) {
        if (isWide) {
          out.u64(durationTicks)
          if (mediaTicks < 0) out.append(new Uint8Array(8).fill(0xff))
          else out.u64(mediaTicks)
        } else {
          out.u32(durationTicks)
          out.i32(mediaTicks)
        }
        out.u32(NORMAL_RATE)
      }
    }),
  )
  return { type: 'edts', parts: [list] }
}

function media(table: SampleTable, offsets: ChunkOffsets, created: number): BoxTree {
  const { kind, timescale, language, decodeTicks } = table
  const head = written((out) => {
    out.fullBox('mdhd', isLong(created, decodeTicks) ? 1 : 0, 0, () => {
      times(out, created, decodeTicks, () => out.u32(timescale))
      out.u16(packLanguage(terminologyCodeOf(language ?? 'und')))
      out.u16(0)
    })
    writeHandler(out, kind)
    writeExtendedLanguage(out, language)
  })
  const information = written((out) => {
    writeMediaInformationHeader(out, kind)
    writeDataInformation(out)
  })
  return { type: 'mdia', parts: [head, { type: 'minf', parts: [information, sampleTable(table, offsets)] }] }
}

function sampleTable(table: SampleTable, offsets: ChunkOffsets): BoxTree {
  const { stts, ctts, stsz, stsc, stss, chunks } = table
  const parts = [sampleDescription(table), tableBox('stts', stts)]
  if (ctts) parts.push(tableBox('ctts', ctts))
  if (stss) parts.push(tableBox('stss', stss))
  parts.push(tableBox('stsc', stsc))
  // In front of the count there is the size that all samples have: 0, they differ.
  parts.push({ type: 'stsz', parts: [new Uint8Array(8), word(stsz.entries), ...stsz.pieces] })
  parts.push(tableBox(offsets.type, { entries: chunks.samples.length, pieces: [offsets.bytes] }))
  return { type: 'stbl', parts }
}

function sampleDescription({ descriptions }: SampleTable): BoxTree {
  const entries = written((out) => {
    for (const config of descriptions) {
      if (config.kind === 'video') writeVisualSampleEntry(out, config)
      else writeAudioSampleEntry(out, config)
    }
  })
  return { type: 'stsd', parts: [word(0), word(descriptions.length), entries] }
}

function tableBox(type: string, { entries, pieces }: TableColumn): BoxTree {
  return { type, parts: [word(0), word(entries), ...pieces] }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}
