import type { BlobStorage } from '../domain/blob-storage.ts'
import { concatBytes } from '../lib/bytes.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import type { PresentationView } from '../presentation/view.ts'
import { spanBlob } from './blob-names.ts'
import { placeInSpan } from './span-place.ts'

/** A recording whose segments are read, wherever they lie. */
export type ReadableRecording = {
  readonly view: PresentationView
  readonly storage: BlobStorage
  readonly folder: string
  /** What has not come to storage yet; `undefined`: not there (any more). */
  readonly spooled: (
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ) => Promise<readonly Uint8Array[] | undefined>
}

/**
 * A range of a closed segment of a rendition, or all of it, and no more than that out of storage. It comes to storage while it is
 * looked for: then it is found there. `undefined` where it is nowhere (any more).
 *
 * @throws AppError what the storage throws; the signal's reason
 */
export async function readSegmentRange(
  recording: ReadableRecording,
  renditionIndex: number,
  sequence: number,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const stored = await readStored(recording, renditionIndex, sequence, range, signal)
  if (stored) return stored
  const fragments = await recording.spooled(renditionIndex, sequence, signal)
  if (!fragments) return readStored(recording, renditionIndex, sequence, range, signal)
  const whole = concatBytes(fragments)
  return range ? whole.subarray(range.first, range.last + 1) : whole
}

async function readStored(
  { view, storage, folder }: ReadableRecording,
  renditionIndex: number,
  sequence: number,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const place = placeInSpan(view, renditionIndex, sequence)
  if (!place) return undefined
  const { first, last } = range ?? { first: 0, last: place.sizeBytes - 1 }
  const inSpan = { first: place.offset + first, last: place.offset + last }
  return storage.read(spanBlob(folder, place.track, place.spanTicks), inSpan, { signal })
}
