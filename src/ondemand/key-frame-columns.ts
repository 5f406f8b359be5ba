import { firstIndex } from '../lib/first-index.ts'
import { sampleBytes } from '../media/isobmff/mp4-index-tables.ts'
import { KeyFrames } from './key-frames.ts'
import { keyFrameBytes } from './segment-reader.ts'
import type { SourceTrack } from './source-track.ts'

/** The key frames of a track, in the order in which they are presented, in columns. */
export type KeyFrameColumns = {
  /** Their samples. */
  readonly samples: Uint32Array
  /** PTS, on the presentation's timeline. */
  readonly startTicks: Float64Array
  /** Bytes of the fragment that one is by itself. */
  readonly sizeBytes: Uint32Array
}

/**
 * More are not listed one by one: of pictures that are all key frames (a camera's own files) a playlist would have a line for each, and
 * every segment begins with one anyway.
 */
const MAX_KEY_FRAMES = 50_000

/** Memory that the columns of a track take. */
export function keyFrameColumnBytes(track: SourceTrack): number {
  return countOf(track) * 16
}

/** Walks the key frames of a track; `undefined`: it has none, or more than are listed. */
export function keyFrameColumns(track: SourceTrack): KeyFrameColumns | undefined {
  const most = countOf(track)
  if (most === 0) return undefined
  const { tables, firstSample, endSample, scale, shiftTicks } = track
  const samples = new Uint32Array(most)
  const startTicks = new Float64Array(most)
  const sizeBytes = new Uint32Array(most)
  let count = 0
  const keys = new KeyFrames(tables, firstSample, endSample)
  for (; keys.sample !== undefined && count < most; keys.next()) {
    samples[count] = keys.sample
    startTicks[count] = keys.ptsTicks * scale + shiftTicks
    sizeBytes[count] = keyFrameBytes(track, keys.compositionTicks, sampleBytes(tables.sizes, keys.sample))
    count++
  }
  const kept = <T extends Uint32Array | Float64Array>(column: T) => column.subarray(0, count) as T
  return { samples: kept(samples), startTicks: kept(startTicks), sizeBytes: kept(sizeBytes) }
}

/** How many sync samples a track's tables name; 0 where they are more than are listed, and of sound. */
function countOf({ tables, config, firstSample, endSample }: SourceTrack): number {
  if (config.kind !== 'video') return 0
  const { syncSamples } = tables
  if (syncSamples === undefined) return endSample - firstSample > MAX_KEY_FRAMES ? 0 : endSample - firstSample
  const { entries, view } = syncSamples
  const from = (sample: number) => firstIndex(0, entries, (entry) => view.getUint32(entry * 4) - 1 >= sample)
  const count = from(endSample) - from(firstSample)
  return count > MAX_KEY_FRAMES ? 0 : count
}
