import type { TakeMemory } from '../lib/buffer-pool.ts'
import { buildFragment, fragmentHeadBytes } from '../media/cmaf/fragment.ts'
import { CHECKPOINT_WORDS, SampleCursor } from '../media/isobmff/mp4-index-cursor.ts'
import { layOutRun, type RunSample } from '../media/isobmff/track-run.ts'
import type { SegmentColumns } from './segment-columns.ts'
import { MAX_READ, readBytes } from './source-file.ts'
import type { SourceTrack } from './source-track.ts'

type PlannedSample = Omit<RunSample, 'data'> & { readonly offset: number; readonly sizeBytes: number }
/** Where memory for segments comes from, and goes back to; what it did not give is left alone. */
export type SegmentMemory = { readonly take: TakeMemory; readonly giveBack: (bytes: Uint8Array) => void }

/** Samples that lie so near to each other that they are read together. */
type ReadPlan = { first: number; end: number; gapBytes: number; readonly samples: number[] }

/** Bytes of other tracks that are read along rather than asking storage once more. */
const MAX_GAP_BYTES = 512 * 1024
/** In one read, beyond as much as is wanted of it; and in all those for a segment. */
const MAX_READ_GAP_BYTES = 1024 * 1024
const MAX_SEGMENT_GAP_BYTES = 64 * 1024 * 1024
/** Requests under way for one segment. */
const READS_AT_ONCE = 8

/**
 * A segment of a track as one CMAF fragment that opens a segment; its samples are copied once, out of what was read.
 * `undefined`: the track has nothing there.
 */
export async function readSegment(
  track: SourceTrack,
  columns: SegmentColumns,
  sequence: number,
  signal: AbortSignal,
  memory?: SegmentMemory,
): Promise<Uint8Array | undefined> {
  const count = columns.samples[sequence] ?? 0
  if (count === 0) return undefined
  return readFragment(track, cursorAt(track, columns, sequence), { count, number: sequence + 1 }, signal, memory)
}

/** One sample as a fragment of its own, as `readSegment` gives them. */
export function readSample(
  track: SourceTrack,
  columns: SegmentColumns,
  sample: number,
  signal: AbortSignal,
  memory?: SegmentMemory,
): Promise<Uint8Array> {
  let sequence = 0
  let first = track.firstSample
  while (sequence < columns.samples.length && first + (columns.samples[sequence] ?? 0) <= sample) {
    first += columns.samples[sequence++] ?? 0
  }
  const cursor = cursorAt(track, columns, sequence)
  if (sample > first) cursor.sum(sample - first)
  return readFragment(track, cursor, { count: 1, number: sample + 1 }, signal, memory)
}

/** Bytes of the fragment that a key frame of `byteLength` bytes is, whose PTS is so much more than its DTS in the tables' own time. */
export function keyFrameBytes(track: SourceTrack, compositionTicks: number, byteLength: number): number {
  const composed = compositionTicks * track.scale + track.decodeLeadTicks
  const sample = { durationTicks: 0, compositionTicks: composed, independent: true, data: { byteLength } }
  return fragmentHeadBytes(layOutRun([sample]), true) + byteLength
}

/** Stands on the first sample of a segment. */
function cursorAt({ tables, file }: SourceTrack, { checkpoints }: SegmentColumns, sequence: number): SampleCursor {
  const cursor = new SampleCursor(tables, file.sizeBytes)
  cursor.restore(checkpoints, sequence * CHECKPOINT_WORDS)
  return cursor
}

async function readFragment(
  track: SourceTrack,
  cursor: SampleCursor,
  { count, number: sequenceNumber }: { readonly count: number; readonly number: number },
  signal: AbortSignal,
  memory: SegmentMemory | undefined,
): Promise<Uint8Array> {
  const baseDecodeTicks = cursor.time.dtsTicks * track.scale + track.shiftTicks - track.decodeLeadTicks
  const planned = planSamples(track, cursor, count)
  const { data, read } = await readSamples(track, planned, signal, memory)
  const samples = planned.map((sample, index) => ({ ...sample, data: data[index] as Uint8Array }))
  const { kind } = track.config
  const plan = { trackId: 1, sequenceNumber, baseDecodeTicks, kind, samples, opensSegment: true }
  const { bytes } = buildFragment(plan, memory?.take)
  for (const piece of read) memory?.giveBack(piece)
  return bytes
}

function planSamples({ scale, decodeLeadTicks }: SourceTrack, cursor: SampleCursor, count: number): PlannedSample[] {
  const planned: PlannedSample[] = []
  const { time } = cursor
  for (let i = 0; i < count; i++) {
    const { durationTicks, compositionTicks } = time
    const { isSync: independent, offset, sizeBytes } = cursor
    planned.push({
      ...{ durationTicks: durationTicks * scale, compositionTicks: compositionTicks * scale + decodeLeadTicks },
      ...{ independent, offset, sizeBytes },
    })
    cursor.next()
  }
  return planned
}

async function readSamples(
  { file, path }: SourceTrack,
  planned: readonly PlannedSample[],
  signal: AbortSignal,
  memory: SegmentMemory | undefined,
): Promise<{ readonly data: readonly Uint8Array[]; readonly read: readonly Uint8Array[] }> {
  const pieces: Uint8Array[] = []
  const reads = planReads(planned)
  const data: Uint8Array[] = new Array(planned.length)
  let next = 0
  const work = async () => {
    for (let read = reads[next++]; read !== undefined; read = reads[next++]) {
      const { first, end, samples, gapBytes } = read
      const bytes = await readBytes(file, first, end - first, path, signal, memory?.take)
      for (const index of samples) {
        const { offset, sizeBytes } = planned[index] as PlannedSample
        data[index] = bytes.subarray(offset - first, offset - first + sizeBytes)
      }
      if (gapBytes * 2 <= end - first) pieces.push(bytes)
      else {
        // Most of it is of other tracks, and would be held until the last read is done.
        pieces.push(moveOut(data, samples, end - first - gapBytes, memory?.take))
        memory?.giveBack(bytes)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, reads.length) }, work))
  return { data, read: pieces }
}

/** Copies samples into memory of their own, of `sizeBytes`, which is what it gives. */
function moveOut(
  data: Uint8Array[],
  samples: readonly number[],
  sizeBytes: number,
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  const kept = take(sizeBytes)
  let at = 0
  for (const index of samples) {
    const sample = data[index] as Uint8Array
    kept.set(sample, at)
    data[index] = kept.subarray(at, at + sample.byteLength)
    at += sample.byteLength
  }
  return kept
}

/** Chunks of a track stand in the order of its time, but for files that nobody would write: those are read piece by piece. */
function planReads(planned: readonly PlannedSample[]): ReadPlan[] {
  const reads: ReadPlan[] = []
  let last: ReadPlan | undefined
  let leftGapBytes = MAX_SEGMENT_GAP_BYTES
  for (const [index, { offset, sizeBytes }] of planned.entries()) {
    const end = offset + sizeBytes
    const gapBytes = last ? offset - last.end : -1
    if (last && gapBytes >= 0 && gapBytes <= leftGapBytes && isWorthJoining(last, gapBytes, end)) {
      leftGapBytes -= gapBytes
      last.gapBytes += gapBytes
      last.end = end
      last.samples.push(index)
    } else {
      last = { first: offset, end, gapBytes: 0, samples: [index] }
      reads.push(last)
    }
  }
  return reads
}

/** A file may be made so that each sample has a long gap before it: what is read along stays in proportion to what is wanted. */
function isWorthJoining(last: ReadPlan, gapBytes: number, end: number): boolean {
  const wantedBytes = last.end - last.first - last.gapBytes
  const isNear = gapBytes <= MAX_GAP_BYTES && last.gapBytes + gapBytes <= wantedBytes + MAX_READ_GAP_BYTES
  return isNear && end - last.first <= MAX_READ
}
