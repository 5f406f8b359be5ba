import { createHash } from 'node:crypto'
import { breathe } from '../lib/breathing.ts'
import { equalBytes } from '../lib/bytes.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import type { CaptionService } from '../media/codecs/captions.ts'
import type { SizeTable } from '../media/isobmff/mp4-index-tables.ts'
import type { OtherTrack } from '../media/isobmff/mp4-index-track.ts'
import { sameConfig } from '../media/same-config.ts'
import type { TextDocument } from '../media/text/text-document.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import { type CutPlan, planCuts } from './cut-plan.ts'
import { fileCaptions } from './file-captions.ts'
import { type FileText, readTextTrack, type TextTrack } from './file-texts.ts'
import { type FileTracks, readFileTracks } from './file-tracks.ts'
import { FileView } from './file-view.ts'
import { keyFrameColumnBytes, keyFrameColumns } from './key-frame-columns.ts'
import { type SegmentColumns, sumSegments } from './segment-columns.ts'
import { readSample, readSegment, type SegmentMemory } from './segment-reader.ts'
import type { SourceFile } from './source-file.ts'
import { moveTrack, placeTrack, type SourceTrack } from './source-track.ts'
import { describeTracks } from './track-description.ts'

/** How files become a presentation. */
export type FilePresentationOptions = {
  /** What segments are cut near to; 6,000 unless given, at least 1,000. */
  readonly segmentDurationMs?: number
}

/** A track that isn't streamed, of one of the files: text is listed by its `handler` (`text`, `sbtl`, `subt`, `clcp`). */
export type UnstreamedTrack = OtherTrack & { readonly fileName: string }

const DEFAULT_SEGMENT_MS = 6_000
const SHORTEST_SEGMENT_MS = 1_000
/** Raised whenever other segments are made of the same files. */
const INDEX_VERSION = 1
const EPOCH_LENGTH = 22

/**
 * Opens MP4 or MOV files as one on-demand presentation: reads their movie boxes and, where they are fragmented, their fragments' headers.
 * All video and audio tracks become renditions, sound that several files have alike only once. Times are what the edit lists make of
 * them, moved by whole seconds, the same number for all, so that none is below 0: the first row of the view says where it begins, which is
 * at less than a second or, where decoding begins before what is shown (B-frames, priming), mostly at 1 s.
 *
 * @throws AppError `FORMAT_INVALID` for broken files, `MEDIA_UNSUPPORTED` for what can't be streamed (no known codec, renditions that
 *   nobody could switch between), both with the file's name in `details.file`; what reading throws
 */
export async function openFilePresentation(
  id: string,
  files: readonly SourceFile[],
  signal: AbortSignal,
  options: FilePresentationOptions = {},
): Promise<FilePresentation> {
  const segmentDurationMs = Math.max(options.segmentDurationMs ?? DEFAULT_SEGMENT_MS, SHORTEST_SEGMENT_MS)
  const digest = createHash('sha256').update(JSON.stringify([INDEX_VERSION, segmentDurationMs]))
  const placed: SourceTrack[] = []
  const texts: TextTrack[] = []
  const unstreamed: UnstreamedTrack[] = []
  let memoryBytes = 0
  for (const file of files) {
    digest.update(JSON.stringify([file.name, file.sizeBytes]))
    await located(file, async () => {
      const found = await readFileTracks(file, digest, signal)
      for await (const track of placeTracks(file, found, signal)) addTrack(placed, track)
      unstreamed.push(...found.others.map((other) => ({ ...other, fileName: file.name })))
      texts.push(...found.texts)
      memoryBytes += found.memoryBytes
      requireMedia(found)
    })
  }
  if (placed.length === 0) throw new AppError('MEDIA_UNSUPPORTED', 'There is no file to stream.')
  const seconds = secondsBefore(placed)
  const tracks = startNearZero(placed, seconds)
  const plan = await planCuts(tracks, segmentDurationMs / 1_000, signal)
  await breathe(signal)
  const columns: SegmentColumns[] = []
  for (const [index, track] of tracks.entries()) {
    columns.push(await located(track.file, () => sumSegments(track, plan, plan.keySamples[index], signal)))
  }
  const captions: (readonly CaptionService[])[] = []
  for (const track of tracks) captions.push(await located(track.file, () => fileCaptions(track, signal)))
  const header = { id, epoch: digest.digest('base64url').slice(0, EPOCH_LENGTH), segmentDurationMs }
  const found = { unstreamed, texts, captions }
  return new FilePresentation({ header, tracks, plan, columns, seconds, tableBytes: memoryBytes, ...found })
}

type FilePresentationParts = {
  readonly header: { readonly id: string; readonly epoch: string; readonly segmentDurationMs: number }
  readonly tracks: readonly SourceTrack[]
  readonly plan: CutPlan
  readonly columns: readonly SegmentColumns[]
  readonly unstreamed: readonly UnstreamedTrack[]
  readonly texts: readonly TextTrack[]
  /** Of each track, what its pictures carry. */
  readonly captions: readonly (readonly CaptionService[])[]
  /** By how much the files' times were made less. */
  readonly seconds: number
  readonly tableBytes: number
}

/** Files as one presentation that has ended. It holds their tables in memory, and no media. */
export class FilePresentation {
  readonly view: PresentationView
  readonly unstreamed: readonly UnstreamedTrack[]
  /** The text tracks of the files. */
  readonly texts: readonly FileText[]
  /** Where the files' time 0 lies on the presentation's timeline, 90 kHz. */
  readonly zeroTicks: number
  /** What it holds on to, in bytes. */
  readonly memoryBytes: number
  readonly #view: FileView
  readonly #tracks: readonly SourceTrack[]
  readonly #columns: readonly SegmentColumns[]
  readonly #texts: readonly TextTrack[]

  constructor(parts: FilePresentationParts) {
    const { header, tracks, plan, columns, unstreamed, texts, captions, seconds, tableBytes } = parts
    const described = describeTracks(tracks, columns, captions)
    const view = new FileView({
      ...{ header: headerOf(header, tracks, plan, columns), tracks: described, columns, plan },
      keyFrames: ({ index }) => tracks[index] && keyFrameColumns(tracks[index]),
    })
    this.view = view
    this.#view = view
    this.unstreamed = unstreamed
    this.#texts = texts
    this.texts = texts.map(({ told }) => told)
    this.zeroTicks = -seconds * PRESENTATION_TIMESCALE
    const keyFrameBytes = tracks.reduce((sum, track) => sum + keyFrameColumnBytes(track), 0)
    this.memoryBytes = tableBytes + view.memoryBytes + keyFrameBytes
    this.#tracks = tracks
    this.#columns = columns
  }

  /**
   * The CMAF fragments of one rendition in one segment, as `FragmentReader` gives them: new ones each time, out of `memory` where that is
   * given, which nobody writes again. A rendition of `keyFrames` has one key frame in each.
   * `undefined`: it has no media there.
   *
   * @throws AppError `FORMAT_INVALID`; what reading throws
   */
  async read(
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
    memory?: SegmentMemory,
  ): Promise<readonly Uint8Array[] | undefined> {
    const isKeyFrame = renditionIndex >= this.#tracks.length
    const index = isKeyFrame ? renditionIndex - this.#tracks.length : renditionIndex
    const track = this.#tracks[index]
    const columns = this.#columns[index]
    if (!track || !columns) return undefined
    if (!isKeyFrame) {
      const bytes = await located(track.file, () => readSegment(track, columns, sequence, signal, memory))
      return bytes && [bytes]
    }
    const sample = this.#view.keyFrames(index)?.sampleOf(sequence)
    if (sample === undefined) return undefined
    return [await located(track.file, () => readSample(track, columns, sample, signal, memory))]
  }

  /**
   * What one of `texts` says, read whole; `undefined`: there is no such text.
   *
   * @throws AppError `FORMAT_INVALID`; what reading throws
   */
  async readText(index: number, signal: AbortSignal): Promise<TextDocument | undefined> {
    const track = this.#texts[index]
    return track && located(track.file, () => readTextTrack(track, signal))
  }
}

/** The tracks of a file on its own timeline; those with pictures are placed first, since sound begins with them. */
async function* placeTracks(file: SourceFile, { media }: FileTracks, signal: AbortSignal): AsyncIterable<SourceTrack> {
  const isPicture = ({ track }: FileTracks['media'][number]) => track.config.kind === 'video'
  let first: number | undefined
  for (const { track, samples } of media.filter(isPicture)) {
    await breathe(signal)
    const placed = placeTrack(file, track, samples, undefined)
    first = Math.min(first ?? Number.POSITIVE_INFINITY, placed.contentTicks / placed.timescale)
    yield placed
  }
  for (const { track, samples } of media.filter((found) => !isPicture(found))) {
    await breathe(signal)
    yield placeTrack(file, track, samples, first)
  }
  await breathe(signal)
}

/** Several files of a set often carry the same sound. */
function addTrack(tracks: SourceTrack[], track: SourceTrack): void {
  const isKnown = tracks.some(
    (other) =>
      track.config.kind === 'audio' &&
      sameConfig(other.config, track.config) &&
      other.language === track.language &&
      other.file !== track.file &&
      other.endSample === track.endSample &&
      isSameSizes(other.tables.sizes, track.tables.sizes),
  )
  if (!isKnown) tracks.push(track)
}

/** Two tracks whose frames are alike in number and in size, one by one, are the same sound. */
function isSameSizes(a: SizeTable, b: SizeTable): boolean {
  if (a.entries !== b.entries || a.fixedBytes !== b.fixedBytes || a.fieldBits !== b.fieldBits) return false
  const sizeBytes = a.fixedBytes > 0 ? 0 : Math.ceil((a.entries * a.fieldBits) / 8)
  return equalBytes(bytesOf(a.view, sizeBytes), bytesOf(b.view, sizeBytes))
}

function bytesOf(view: DataView, sizeBytes: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, sizeBytes)
}

/** Whole seconds are the same in every timescale: no track moves against another. */
function secondsBefore(tracks: readonly SourceTrack[]): number {
  return Math.floor(Math.min(...tracks.map(({ earliestTicks, timescale }) => earliestTicks / timescale)))
}

function startNearZero(tracks: readonly SourceTrack[], seconds: number): readonly SourceTrack[] {
  const moved = seconds === 0 ? tracks : tracks.map((track) => moveTrack(track, seconds))
  // Video first: what is listed first is what a player begins with.
  return [...moved].sort((a, b) => Number(a.config.kind === 'audio') - Number(b.config.kind === 'audio'))
}

function headerOf(
  { id, epoch, segmentDurationMs }: FilePresentationParts['header'],
  tracks: readonly SourceTrack[],
  { instants }: CutPlan,
  columns: readonly SegmentColumns[],
): PresentationHeader {
  let longest = 0
  for (let i = 1; i < instants.length; i++) longest = Math.max(longest, (instants[i] ?? 0) - (instants[i - 1] ?? 0))
  for (const [index, { durationTicks }] of columns.entries()) {
    const timescale = tracks[index]?.timescale ?? 1
    for (const ticks of durationTicks) longest = Math.max(longest, ticks / timescale)
  }
  // EXT-X-TARGETDURATION is no less than any segment, rounded to whole seconds (RFC 8216 §4.3.3.1).
  const targetDurationMs = Math.max(Math.round(longest), Math.round(segmentDurationMs / 1_000), 1) * 1_000
  const shared = tracks.some(({ hasEqualDecodeTimes }) => hasEqualDecodeTimes) ? { hasEqualDecodeTimes: true } : {}
  return { id, epoch, targetDurationMs, timeBaseTicks: 0, hasWallClock: false, ...shared }
}

function requireMedia({ media, others }: FileTracks): void {
  if (media.length > 0) return
  const found = others.map(({ handler, entry }) => `'${handler}' of '${entry}'`)
  const tracks = found.length === 0 ? 'no tracks' : `only ${found.join(', ')}`
  throw new AppError('MEDIA_UNSUPPORTED', `It has no video or audio that can be streamed, ${tracks}.`)
}

async function located<T>(file: SourceFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw withFile(file, error)
  }
}

/** The same error, which says what file it is of. */
function withFile({ name }: SourceFile, error: unknown): unknown {
  const isOfFile = error instanceof FormatError || (error instanceof AppError && error.code === 'MEDIA_UNSUPPORTED')
  if (!isOfFile) return error
  const message = error.message.includes(`"${name}"`) ? error.message : `"${name}": ${error.message}`
  return new AppError(error.code, message, { cause: error, details: { ...error.details, file: name } })
}
