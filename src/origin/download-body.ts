import type { ByteRange } from '../lib/http-conditions.ts'
import type { FilePiece, ProgressiveFile } from '../media/isobmff/progressive-file.ts'

/** What a download holds in memory at most: a read that is being sent, and the one after it. */
export const READ_BYTES = 1_048_576

/** Reads bytes of a segment of one of the file's tracks; gives exactly the range. */
export type ReadSegment = (track: number, sequence: number, range: ByteRange) => Promise<Uint8Array>

type Slice = { readonly offset: number; readonly sizeBytes: number }
/** Bytes that are at hand, or slices of a range of a segment, which are read together. */
type Step =
  | { readonly bytes: Uint8Array }
  | { readonly track: number; readonly sequence: number; readonly slices: Slice[] }

/** The bytes of a range of the file, in order. While one read is with the consumer the next one is under way. */
export async function* fileBytes(
  file: ProgressiveFile,
  range: ByteRange,
  read: ReadSegment,
): AsyncGenerator<Uint8Array, void, undefined> {
  const steps = stepsOf(file.pieces(range))
  let ahead = begin(steps, read)
  while (ahead) {
    const current = ahead
    ahead = begin(steps, read)
    yield* await current
  }
}

function begin(steps: Iterator<Step>, read: ReadSegment): Promise<readonly Uint8Array[]> | undefined {
  const { value, done } = steps.next()
  if (done) return undefined
  const reading = perform(value, read)
  // It is awaited in its turn; if that never comes, nobody needs to know that it failed.
  reading.catch(() => undefined)
  return reading
}

async function perform(step: Step, read: ReadSegment): Promise<readonly Uint8Array[]> {
  if ('bytes' in step) return [step.bytes]
  const first = step.slices[0]?.offset ?? 0
  const last = endOf(step.slices) - 1
  const bytes = await read(step.track, step.sequence, { first, last })
  return step.slices.map(({ offset, sizeBytes }) => bytes.subarray(offset - first, offset - first + sizeBytes))
}

/** Joins what one read gives; what is larger than one is divided. */
function* stepsOf(pieces: Iterable<FilePiece>): Generator<Step> {
  let open: Extract<Step, { slices: Slice[] }> | undefined
  for (const piece of pieces) {
    if ('bytes' in piece) {
      if (open) yield open
      open = undefined
      yield piece
      continue
    }
    const { track, sequence, offset, sizeBytes } = piece.source
    for (let at = 0; at < sizeBytes; at += READ_BYTES) {
      const slice = { offset: offset + at, sizeBytes: Math.min(READ_BYTES, sizeBytes - at) }
      if (open && isJoined(open, piece.source, slice)) {
        open.slices.push(slice)
        continue
      }
      if (open) yield open
      open = { track, sequence, slices: [slice] }
    }
  }
  if (open) yield open
}

function isJoined(
  open: { readonly track: number; readonly sequence: number; readonly slices: readonly Slice[] },
  source: { readonly track: number; readonly sequence: number },
  slice: Slice,
): boolean {
  if (open.track !== source.track || open.sequence !== source.sequence) return false
  const first = open.slices[0]?.offset ?? 0
  return slice.offset >= endOf(open.slices) && slice.offset + slice.sizeBytes - first <= READ_BYTES
}

function endOf(slices: readonly Slice[]): number {
  const last = slices.at(-1)
  return last ? last.offset + last.sizeBytes : 0
}
