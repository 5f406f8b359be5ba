import { createHash } from 'node:crypto'
import { languageName } from '../domain/language-name.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import type { TrackFragment } from '../media/isobmff/movie-fragment.ts'
import { SampleCursor } from '../media/isobmff/mp4-index-cursor.ts'
import { FragmentTableBuilder } from '../media/isobmff/mp4-index-fragments.ts'
import { checkSampleTables } from '../media/isobmff/mp4-index-tables.ts'
import type { TextTrackMedia } from '../media/isobmff/mp4-index-text.ts'
import { type FileTrack, isMediaTrack } from '../media/isobmff/mp4-index-track.ts'
import { readStppSamples } from '../media/text/stpp.ts'
import type { TextDocument } from '../media/text/text-document.ts'
import { readTx3gSamples } from '../media/text/tx3g.ts'
import { readWvttSamples, type TextSample } from '../media/text/wvtt.ts'
import { readBytes, type SourceFile } from './source-file.ts'
import type { TrackSamples } from './source-track.ts'

/** What is told of a text track of a file. */
export type FileText = {
  /** What viewers choose it by. */
  readonly name: string
  /** BCP 47; absent where undetermined. */
  readonly language?: string
  readonly role: 'subtitle' | 'forced'
  /** What it is in fragments: `tx3g` becomes WebVTT. */
  readonly codec: 'wvtt' | 'stpp'
  readonly bandwidth: number
  /** Names the file's state and the track. */
  readonly digest: string
}

/** A text track that can be read. */
export type TextTrack = {
  readonly file: SourceFile
  readonly media: TextTrackMedia
  readonly samples: TrackSamples
  readonly told: FileText
}

type Candidate = {
  readonly track: Exclude<FileTrack, { config: unknown }>
  readonly media: TextTrackMedia
  builder: FragmentTableBuilder | undefined
}

/** Many more than a day of subtitles has. */
const MAX_SAMPLES = 200_000
const MAX_DATA_BYTES = 16 * 2 ** 20
const READS_AT_ONCE = 16
/** Samples this near to each other are read together. */
const MAX_GAP_BYTES = 65_536
/** With what lies between them: of a film of few bytes that may be all of it. */
const MAX_STRETCH_BYTES = 1_048_576
const LEAST_BANDWIDTH = 256

/** Gathers where the samples of a file's text tracks are. What is broken of them is left out: the file plays without it. */
export class TextTables {
  readonly #candidates: readonly Candidate[]

  constructor(tracks: readonly FileTrack[]) {
    this.#candidates = tracks.flatMap((track): Candidate[] => {
      if (isMediaTrack(track) || !track.text) return []
      const builder = track.text.tables ? undefined : new FragmentTableBuilder(track.path, true)
      return [{ track, media: track.text, builder }]
    })
  }

  /** A fragment of any track. */
  add(fragment: TrackFragment): void {
    const candidate = this.#candidates.find(({ track }) => track.trackId === fragment.trackId)
    if (!candidate?.builder) return
    try {
      candidate.builder.add(fragment)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      candidate.builder = undefined
    }
  }

  /** Those that have samples, and how much memory their tables take. */
  finish(file: SourceFile): { readonly texts: readonly TextTrack[]; readonly memoryBytes: number } {
    let memoryBytes = 0
    const texts = this.#candidates.flatMap((candidate): TextTrack[] => {
      const { media, builder, track } = candidate
      const samples = media.tables ? { tables: media.tables, startTicks: 0 } : builder?.finish()
      const told = samples && tellOf(file, track, media, samples)
      if (!samples || !told) return []
      memoryBytes += builder?.byteLength ?? 0
      return [{ file, media, samples, told }]
    })
    return { texts, memoryBytes }
  }
}

function tellOf(
  file: SourceFile,
  { trackId, path, language }: Candidate['track'],
  media: TextTrackMedia,
  { tables, startTicks }: TrackSamples,
): FileText | undefined {
  try {
    const durationTicks = checkSampleTables(tables, path)
    if (tables.sizes.entries > MAX_SAMPLES) return undefined
    const cursor = new SampleCursor(tables, file.sizeBytes)
    let dataBytes = 0
    for (let at = 0; at < tables.sizes.entries; at++) {
      dataBytes += cursor.sizeBytes
      if (at + 1 < tables.sizes.entries) cursor.next()
    }
    if (dataBytes > MAX_DATA_BYTES) return undefined
    const seconds = Math.max(1, durationTicks / media.timescale)
    const shape = [
      file.name,
      file.sizeBytes,
      trackId,
      media.codec,
      media.timescale,
      startTicks,
      tables.sizes.entries,
      dataBytes,
    ]
    return {
      name: languageName(language ?? 'und') ?? language ?? 'Text',
      ...(language !== undefined && { language }),
      role: media.isForced ? 'forced' : 'subtitle',
      codec: media.codec === 'stpp' ? 'stpp' : 'wvtt',
      bandwidth: Math.max(LEAST_BANDWIDTH, Math.ceil((dataBytes * 8) / seconds)),
      digest: createHash('sha256').update(JSON.stringify(shape)).digest('base64url'),
    }
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

/**
 * Reads a text track whole; times count from the file's time 0, as its edit list has it.
 *
 * @throws FormatError where it is broken; what reading throws
 */
export async function readTextTrack(track: TextTrack, signal: AbortSignal): Promise<TextDocument> {
  const { media, samples } = track
  const read = await readSamples(track, signal)
  const { timescale, edited, header } = media
  const zeroTicks = edited.mediaTicks - Math.round(edited.delaySeconds * timescale)
  const placement = { zeroTicks, ticksPerMs: timescale / 1_000 }
  const placed = read.map(({ startTicks, ...sample }) => ({ ...sample, startTicks: startTicks + samples.startTicks }))
  if (media.codec === 'wvtt') return readWvttSamples(placed, header, placement)
  if (media.codec === 'stpp') return readStppSamples(placed, placement)
  return readTx3gSamples(placed, placement)
}

type Stretch = {
  readonly first: number
  end: number
  readonly samples: { index: number; offset: number; bytes: number }[]
}

async function readSamples(
  { file, media, samples: { tables } }: TextTrack,
  signal: AbortSignal,
): Promise<TextSample[]> {
  const stretches: Stretch[] = []
  const samples: { startTicks: number; durationTicks: number; data: Uint8Array }[] = []
  const cursor = new SampleCursor(tables, file.sizeBytes)
  for (let index = 0; index < tables.sizes.entries; index++) {
    const { offset, sizeBytes: bytes, time } = cursor
    samples.push({
      startTicks: time.dtsTicks + time.compositionTicks,
      durationTicks: time.durationTicks,
      data: new Uint8Array(0),
    })
    const last = stretches.at(-1)
    const isNear = last && offset >= last.end && offset - last.end <= MAX_GAP_BYTES
    if (isNear && offset + bytes - last.first <= MAX_STRETCH_BYTES) {
      last.end = offset + bytes
      last.samples.push({ index, offset, bytes })
    } else stretches.push({ first: offset, end: offset + bytes, samples: [{ index, offset, bytes }] })
    if (index + 1 < tables.sizes.entries) cursor.next()
  }
  let next = 0
  const work = async () => {
    for (let stretch = stretches[next++]; stretch; stretch = stretches[next++]) {
      const { first, end } = stretch
      const read = await readBytes(file, first, end - first, media.codec, signal)
      for (const { index, offset, bytes } of stretch.samples) {
        const sample = samples[index]
        if (!sample) throw new AppError('INTERNAL', `no sample ${index}`)
        // A view would hold on to what lies between.
        sample.data = Uint8Array.from(read.subarray(offset - first, offset - first + bytes))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, stretches.length) }, work))
  return samples
}
