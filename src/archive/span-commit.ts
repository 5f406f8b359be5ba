import type { BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { Span } from '../presentation/span-table.ts'
import type { PresentationView } from '../presentation/view.ts'
import { chunkBlob, initBlob, spanBlob } from './blob-names.ts'
import { encodeChunk } from './chunk.ts'
import type { PresentationLog } from './ports.ts'
import { type TrackSpan, trackSpans } from './span-place.ts'
import type { JournalFile } from './spool/journal-file.ts'

/** What is committed, from where to where. */
export type SpanCommit = {
  readonly span: Span
  readonly view: PresentationView
  /** As `Presentation.spanRecords`. */
  readonly records: () => Iterable<LogRecord>
  readonly file: JournalFile
  /** As `PresentationLog.read`: what is in memory need not be read from the disk. */
  readonly inMemory: PresentationLog['read']
  readonly storage: BlobStorage
  readonly assetFolder: string
  /** Tracks whose init segments are in storage already; those that are written are added. */
  readonly knownInits: Set<number>
  readonly signal: AbortSignal
}

/** A segment whose bytes in the journal are not what was written: without it the span can be committed. */
export class DamagedSegment extends AppError {
  readonly sequence: number

  constructor(sequence: number) {
    super('ARCHIVE_DAMAGED', `The bytes of segment ${sequence} in the journal are damaged.`)
    this.sequence = sequence
  }
}

/**
 * Puts a span into storage: what each track has of it, then the chunk of the log that says so. Until the chunk is there nothing counts,
 * and doing it again gives the same. Gives the chunk.
 *
 * @throws AppError what the storage throws; `DamagedSegment`
 */
export async function commitSpan(commit: SpanCommit): Promise<Uint8Array> {
  const { span, view, storage, assetFolder, knownInits, signal } = commit
  for (const trackSpan of trackSpans(view, span.firstSequence, span.endSequence)) {
    const { track, spanTicks } = trackSpan
    const init = view.track(track)?.init
    if (init && !knownInits.has(track)) {
      await storage.put(initBlob(assetFolder, track), [init], { signal })
      knownInits.add(track)
    }
    const written = new AbortController()
    const source = fragmentsOf(commit, trackSpan, written.signal)
    try {
      await storage.put(spanBlob(assetFolder, track, spanTicks), source, { signal })
    } finally {
      written.abort()
    }
  }
  const chunk = encodeChunk(commit.records())
  await storage.put(chunkBlob(assetFolder, span.firstSequence), [chunk], { signal })
  return chunk
}

/** What is in memory stays what it is until `written` is aborted. */
async function* fragmentsOf(
  { file, inMemory }: SpanCommit,
  { track, renditionIndex, sequences }: TrackSpan,
  written: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const sequence of sequences) {
    const places = file.places(sequence)?.get(track) ?? []
    const hot = inMemory(renditionIndex, sequence, written)
    if (hot?.length === places.length) {
      yield* hot
      continue
    }
    for (const place of places) {
      const bytes = await file.read(place)
      if (bytes === undefined) throw new DamagedSegment(sequence)
      yield bytes
    }
  }
}
