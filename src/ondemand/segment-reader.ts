import { buildFragment } from '../media/cmaf/fragment.ts'
import { CHECKPOINT_WORDS, SampleCursor } from '../media/isobmff/mp4-index-cursor.ts'
import type { RunSample } from '../media/isobmff/track-run.ts'
import type { SegmentColumns } from './segment-columns.ts'
import { MAX_READ, readBytes, type TakeMemory } from './source-file.ts'
import type { SourceTrack } from './source-track.ts'

type PlannedSample = Omit<RunSample, 'data'> & { readonly offset: number; readonly sizeBytes: number }
/** Where memory for segments comes from, and goes back to; what it did not give is left alone. */
export type SegmentMemory = { readonly take: TakeMemory; readonly giveBack: (bytes: Uint8Array) => void }

/** Samples that lie so near to each other that they are read together. */
type ReadPlan = { first: number; end: number; readonly samples: number[] }

/** Bytes of other tracks that are read along rather than asking storage once more. */
const MAX_GAP_BYTES = 512 * 1024
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
  const cursor = new SampleCursor(track.tables, track.file.sizeBytes)
  cursor.restore(columns.checkpoints, sequence * CHECKPOINT_WORDS)
  const baseDecodeTicks = cursor.time.dtsTicks * track.scale + track.shiftTicks - track.decodeLeadTicks
  const planned = planSamples(track, cursor, count)
  const { data, read } = await readSamples(track, planned, signal, memory?.take)
  const samples = planned.map((sample, index) => ({ ...sample, data: data[index] as Uint8Array }))
  const plan = {
    trackId: 1,
    sequenceNumber: sequence + 1,
    baseDecodeTicks,
    kind: track.config.kind,
    samples,
    opensSegment: true,
  }
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
  take?: TakeMemory,
): Promise<{ readonly data: readonly Uint8Array[]; readonly read: readonly Uint8Array[] }> {
  const pieces: Uint8Array[] = []
  const reads = planReads(planned)
  const data: Uint8Array[] = new Array(planned.length)
  let next = 0
  const work = async () => {
    for (let read = reads[next++]; read !== undefined; read = reads[next++]) {
      const { first, end, samples } = read
      const bytes = await readBytes(file, first, end - first, path, signal, take)
      pieces.push(bytes)
      for (const index of samples) {
        const { offset, sizeBytes } = planned[index] as PlannedSample
        data[index] = bytes.subarray(offset - first, offset - first + sizeBytes)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, reads.length) }, work))
  return { data, read: pieces }
}

/** Chunks of a track stand in the order of its time, but for files that nobody would write: those are read piece by piece. */
function planReads(planned: readonly PlannedSample[]): ReadPlan[] {
  const reads: ReadPlan[] = []
  let last: ReadPlan | undefined
  for (const [index, { offset, sizeBytes }] of planned.entries()) {
    const end = offset + sizeBytes
    const isNear = last && offset >= last.end && offset - last.end <= MAX_GAP_BYTES && end - last.first <= MAX_READ
    if (last && isNear) {
      last.end = end
      last.samples.push(index)
    } else {
      last = { first: offset, end, samples: [index] }
      reads.push(last)
    }
  }
  return reads
}
