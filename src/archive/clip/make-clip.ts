import type { BlobStorage } from '../../domain/blob-storage.ts'
import { AppError } from '../../lib/errors.ts'
import type { Presentation } from '../../presentation/presentation.ts'
import type { LogRecord } from '../../presentation/records.ts'
import type { Span } from '../../presentation/span-table.ts'
import { chunkBlob, initBlob, spanBlob } from '../blob-names.ts'
import { encodeChunk } from '../chunk.ts'
import { type ReadableRecording, readSegmentRange } from '../segment-ranges.ts'
import { type TrackSpan, trackSpans } from '../span-place.ts'
import { type CutRow, cutEdges } from './clip-edges.ts'
import { type ClipIdentity, clipPresentation } from './clip-log.ts'
import { type ClipRange, clipRows } from './clip-range.ts'

/** A recording that is cut; it may be growing. */
export type ClipSource = ReadableRecording & {
  readonly spanRecords: (firstSequence: number, endSequence: number) => Iterable<LogRecord>
}

/** Where a clip goes. */
export type ClipTarget = {
  readonly storage: BlobStorage
  readonly folder: string
  readonly identity: ClipIdentity
  /** It is the source's storage, under the same key: what is taken whole is copied there. */
  readonly isSourceStorage: boolean
}

/** What is wanted. `segment`: whole segments; `gop`: whole groups of pictures. */
export type ClipOptions = { readonly range: ClipRange; readonly exact: 'segment' | 'gop' }

/** A clip that lies in storage. */
export type Clip = {
  readonly presentation: Presentation
  /** From its first picture to the end of its last, in ms. */
  readonly durationMs: number
  readonly mediaBytes: number
  /** Of these, bytes that were copied by the storage and not read. */
  readonly copiedBytes: number
}

type Work = {
  readonly source: ClipSource
  readonly target: ClipTarget
  readonly clip: Presentation
  readonly cuts: ReadonlyMap<number, CutRow>
  readonly signal: AbortSignal
  copiedBytes: number
}

/** What is not in storage yet comes into spans of so many segments: about a minute, as those of a recorder. */
const SEGMENTS_OF_A_SPAN = 30

/**
 * Cuts a clip out of a recording, and puts it into the target's folder as a recording that has ended: whole spans are copied by the storage
 * (a hard link, a copy on the server), spans at the ends and what is not in storage yet are written anew from whole segments, and
 * of those at the ends no more is taken than asked for. A span counts when its chunk of the log is there, which is written last; making
 * the same clip again gives the same. Where it fails nothing is left behind, as far as the storage lets it.
 *
 * @throws AppError `CLIP_EMPTY`, `CLIP_NOT_YET`; `SEGMENT_GONE` where the recording discards meanwhile what is to be copied;
 * `ARCHIVE_DAMAGED`; what the storages throw; the signal's reason
 */
export async function makeClip(
  source: ClipSource,
  target: ClipTarget,
  { range, exact }: ClipOptions,
  signal: AbortSignal,
): Promise<Clip> {
  const rows = clipRows(source.view, range)
  const cuts = exact === 'gop' ? await cutEdges(source, rows, signal) : new Map<number, CutRow>()
  // Meanwhile the recording may have discarded what is older than its window.
  if (source.view.firstSequence > rows.firstSequence) throw gone()
  const clip = clipPresentation(source, rows, cuts, target.identity)
  const work: Work = { source, target, clip, cuts, signal, copiedBytes: 0 }
  try {
    for (const span of clipSpans(source, clip)) await writeSpan(work, span)
  } catch (error) {
    await discard(target)
    throw error
  }
  const first = clip.segment(clip.firstSequence)
  const last = clip.segment(clip.endSequence - 1)
  const durationTicks = first && last ? last.startTicks + last.durationTicks - first.startTicks : 0
  return {
    presentation: clip,
    durationMs: durationTicks / 90,
    mediaBytes: mediaBytes(clip),
    copiedBytes: work.copiedBytes,
  }
}

/** The source's spans as far as the clip reaches; what has not come to storage is divided anew. */
function* clipSpans({ view }: ClipSource, clip: Presentation): Generator<Span> {
  for (let firstSequence = clip.firstSequence; firstSequence < clip.endSequence; ) {
    const stored = view.span(firstSequence)
    let endSequence = Math.min(stored?.endSequence ?? firstSequence + SEGMENTS_OF_A_SPAN, clip.endSequence)
    if (!stored) {
      while (endSequence > firstSequence + 1 && view.span(endSequence - 1)) endSequence--
    }
    yield { firstSequence, endSequence }
    firstSequence = endSequence
  }
}

async function writeSpan(work: Work, { firstSequence, endSequence }: Span): Promise<void> {
  const { clip, target, signal } = work
  for (const span of trackSpans(clip, firstSequence, endSequence)) {
    await putInit(work, span)
    if (!(await copySpan(work, span, firstSequence, endSequence))) {
      const name = spanBlob(target.folder, span.track, span.spanTicks)
      await target.storage.put(name, segmentsOf(work, span), { signal })
    }
  }
  const chunk = encodeChunk(clip.spanRecords(firstSequence, endSequence))
  await target.storage.put(chunkBlob(target.folder, firstSequence), [chunk], { signal })
}

/** Once for each track, with the first span that it is in. */
async function putInit({ clip, target, signal }: Work, { track, spanTicks }: TrackSpan): Promise<void> {
  const init = clip.track(track)?.init
  const rendition = clip.renditions.find(({ tracks }) => tracks.some((other) => other.track === track))
  const isFirst = rendition !== undefined && firstTicksOf(clip, rendition.index, track) === spanTicks
  if (init && isFirst) await target.storage.put(initBlob(target.folder, track), [init], { signal })
}

function firstTicksOf(clip: Presentation, renditionIndex: number, track: number): number | undefined {
  for (let sequence = clip.firstSequence; sequence < clip.endSequence; sequence++) {
    const segment = clip.renditionSegment(renditionIndex, sequence)
    if (segment?.track === track) return segment.startTicks
  }
  return undefined
}

/** Whether the storage has copied it: a whole span of the source, of which nothing was cut. */
async function copySpan(work: Work, span: TrackSpan, firstSequence: number, endSequence: number): Promise<boolean> {
  const { source, target, cuts, signal } = work
  if (!target.isSourceStorage) return false
  const stored = source.view.span(firstSequence)
  if (stored?.firstSequence !== firstSequence || stored.endSequence !== endSequence) return false
  if (span.sequences.some((sequence) => cuts.has(sequence))) return false
  const from = spanBlob(source.folder, span.track, span.spanTicks)
  const isThere = await target.storage.copy(from, spanBlob(target.folder, span.track, span.spanTicks), { signal })
  if (!isThere) throw gone()
  work.copiedBytes += sizeOf(work.clip, span)
  return true
}

async function* segmentsOf({ source, clip, cuts, signal }: Work, span: TrackSpan): AsyncGenerator<Uint8Array> {
  const renditionIndex =
    clip.renditions.find(({ tracks }) => tracks.some(({ track }) => track === span.track))?.index ?? -1
  for (const sequence of span.sequences) {
    const name = clip.renditions[renditionIndex]?.name
    const sourceIndex = source.view.renditions.findIndex((rendition) => rendition.name === name)
    const cut = cuts.get(sequence)?.segments.get(sourceIndex)
    const bytes = cut?.bytes ?? (await readSegmentRange(source, sourceIndex, sequence, undefined, signal))
    if (!bytes) throw gone()
    yield bytes
  }
}

function sizeOf(clip: Presentation, { track, sequences }: TrackSpan): number {
  let sum = 0
  for (const { index, tracks } of clip.renditions) {
    if (!tracks.some((other) => other.track === track)) continue
    for (const sequence of sequences) sum += clip.renditionSegment(index, sequence)?.sizeBytes ?? 0
  }
  return sum
}

function mediaBytes(clip: Presentation): number {
  return trackSpans(clip, clip.firstSequence, clip.endSequence).reduce((sum, span) => sum + sizeOf(clip, span), 0)
}

/** What is left of a clip that failed; the storage may be what failed. */
async function discard({ storage, folder }: ClipTarget): Promise<void> {
  try {
    const names: string[] = []
    for await (const { name } of storage.list(folder)) names.push(name)
    // Chunks first: without them nothing counts.
    names.sort((a, b) => Number(b.endsWith('.chunk')) - Number(a.endsWith('.chunk')))
    for (const name of names) await storage.delete(name)
  } catch {
    // The failure that led here is what is told; the asset's deletion removes what is left.
  }
}

function gone(): AppError {
  return new AppError('SEGMENT_GONE', 'The recording has discarded a part of this clip while it was made.')
}
