import type { BlobSource, BlobStorage } from '../../domain/blob-storage.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Presentation } from '../../presentation/presentation.ts'
import type { LogRecord } from '../../presentation/records.ts'
import type { Span } from '../../presentation/span-table.ts'
import { chunkBlob, initBlob, spanBlob } from '../blob-names.ts'
import { encodeChunk } from '../chunk.ts'
import { type ReadableRecording, readSegmentRange } from '../segment-ranges.ts'
import { type TrackSpan, trackSpans } from '../span-place.ts'
import { cutEdges, type EdgeOptions } from './clip-edges.ts'
import { type ClipIdentity, type ClipRow, clipPresentation, clipRowsOf } from './clip-log.ts'
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

/** What is wanted. `segment`: whole segments; `gop`: whole groups of pictures; `frame`: from one picture to another. */
export type ClipOptions = { readonly range: ClipRange } & ({ readonly exact: 'segment' } | EdgeOptions)

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
  readonly rows: readonly ClipRow[]
  readonly signal: AbortSignal
  readonly written: string[]
  /** Tracks whose init segments are written. */
  readonly inits: Set<number>
  mediaBytes: number
  copiedBytes: number
}

/** What is not in storage yet comes into spans of so many segments: about a minute, as those of a recorder. */
const SEGMENTS_OF_A_SPAN = 30

/**
 * Cuts a clip out of a recording, and puts it into the target's folder as a recording that has ended: whole spans are copied by the storage
 * (a hard link, a copy on the server), spans at the ends and what is not in storage yet are written anew from whole segments, and
 * of those at the ends no more is taken than asked for. It counts when the chunks of its log are there, which are written last; making
 * the same clip again gives the same. Where it fails nothing is left behind, as far as the storage lets it.
 *
 * @throws AppError `CLIP_EMPTY`, `CLIP_NOT_YET`; `SEGMENT_GONE` where the recording discards meanwhile what is to be copied;
 * `ARCHIVE_DAMAGED`; what the storages and the encoder throw; the signal's reason
 */
export async function makeClip(
  source: ClipSource,
  target: ClipTarget,
  options: ClipOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Clip> {
  const range = clipRows(source.view, options.range)
  const cuts = options.exact === 'segment' ? new Map() : await cutEdges(source, range, options, signal)
  // Meanwhile the recording may have discarded what is older than its window.
  if (source.view.firstSequence > range.firstSequence) throw gone()
  const rows = clipRowsOf(range, cuts)
  const clip = await clipPresentation(source, rows, target.identity, () => clock.sleep(0, signal))
  const work: Work = {
    source,
    target,
    clip,
    rows,
    signal,
    written: [],
    inits: new Set(),
    mediaBytes: 0,
    copiedBytes: 0,
  }
  try {
    const spans: Span[] = []
    for (const span of clipSpans(work)) {
      await writeMedia(work, span)
      spans.push(span)
    }
    // Nothing counts before all is there.
    for (const span of spans) await writeChunk(work, span)
  } catch (error) {
    await discard(work)
    throw error
  }
  const first = clip.segment(clip.firstSequence)
  const last = clip.segment(clip.endSequence - 1)
  const durationTicks = first && last ? last.startTicks + last.durationTicks - first.startTicks : 0
  return {
    presentation: clip,
    durationMs: durationTicks / 90,
    mediaBytes: work.mediaBytes,
    copiedBytes: work.copiedBytes,
  }
}

/** The recording's spans as far as the clip reaches; what has not come to storage is divided anew. */
function* clipSpans({ source, clip, rows }: Work): Generator<Span> {
  const spanOf = (index: number) => source.view.span(rows[index]?.source ?? -1)?.firstSequence
  for (let index = 0; index < rows.length; ) {
    const stored = spanOf(index)
    const limit = stored === undefined ? Math.min(index + SEGMENTS_OF_A_SPAN, rows.length) : rows.length
    let end = index + 1
    while (end < limit && spanOf(end) === stored) end++
    yield { firstSequence: clip.firstSequence + index, endSequence: clip.firstSequence + end }
    index = end
  }
}

async function writeMedia(work: Work, { firstSequence, endSequence }: Span): Promise<void> {
  const { clip, target } = work
  for (const span of trackSpans(clip, firstSequence, endSequence)) {
    await putInit(work, span)
    work.mediaBytes += sizeOf(clip, span)
    if (!(await copySpan(work, span, firstSequence, endSequence))) {
      const name = spanBlob(target.folder, span.track, span.spanTicks)
      await put(work, name, segmentsOf(work, span))
    }
  }
}

async function writeChunk(work: Work, { firstSequence, endSequence }: Span): Promise<void> {
  const chunk = encodeChunk(work.clip.spanRecords(firstSequence, endSequence))
  await put(work, chunkBlob(work.target.folder, firstSequence), [chunk])
}

async function put({ target, written, signal }: Work, name: string, source: BlobSource): Promise<void> {
  written.push(name)
  await target.storage.put(name, source, { signal })
}

/** Once for each track, with the first span that it is in. */
async function putInit(work: Work, { track }: TrackSpan): Promise<void> {
  const init = work.clip.track(track)?.init
  if (!init || work.inits.has(track)) return
  await put(work, initBlob(work.target.folder, track), [init])
  work.inits.add(track)
}

/** Whether the storage has copied it: a whole span of the recording, of which nothing was cut. */
async function copySpan(work: Work, span: TrackSpan, firstSequence: number, endSequence: number): Promise<boolean> {
  const { source, target, clip, signal } = work
  if (!target.isSourceStorage) return false
  const rows = work.rows.slice(firstSequence - clip.firstSequence, endSequence - clip.firstSequence)
  const [first, last] = [rows[0]?.source ?? -1, rows.at(-1)?.source ?? -1]
  const stored = source.view.span(first)
  if (stored?.firstSequence !== first || stored.endSequence !== last + 1 || rows.some(({ cut }) => cut)) return false
  const from = spanBlob(source.folder, span.track, span.spanTicks)
  const to = spanBlob(target.folder, span.track, span.spanTicks)
  work.written.push(to)
  const isThere = await target.storage.copy(from, to, { signal })
  if (!isThere) throw gone()
  work.copiedBytes += sizeOf(work.clip, span)
  return true
}

async function* segmentsOf({ source, clip, rows, signal }: Work, span: TrackSpan): AsyncGenerator<Uint8Array> {
  const name = clip.track(span.track)?.rendition
  const index = source.view.renditions.findIndex((rendition) => rendition.name === name)
  for (const sequence of span.sequences) {
    const row = rows[sequence - clip.firstSequence]
    const bytes = row?.cut
      ? row.cut.segments.get(index)?.bytes
      : await readSegmentRange(source, index, row?.source ?? -1, undefined, signal)
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

/** What is left of a clip that failed; the storage may be what failed. */
async function discard({ target, written }: Work): Promise<void> {
  try {
    // What was written last goes first: chunks, without which nothing counts.
    for (const name of written.toReversed()) await target.storage.delete(name)
  } catch {
    // The failure that led here is what is told; the asset's deletion removes what is left.
  }
}

function gone(): AppError {
  return new AppError('SEGMENT_GONE', 'The recording has discarded a part of this clip while it was made.')
}
