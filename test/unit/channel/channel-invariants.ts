import { expect } from 'vitest'
import type { ChannelBench, WrittenSample } from './channel-bench.ts'
import type { SyntheticEncoder } from './synthetic-encoder.ts'

/** Rounding of ticks, and of an epoch in seconds to a double. */
const TICK = 1 / 45_000
const AUDIO_TOLERANCE = 0.041

/** Every sample of these encoders is written once, or the channel counted it as dropped; none that nobody sent. */
export function expectWhole(bench: ChannelBench, ...encoders: readonly SyntheticEncoder[]): void {
  const sent = new Set(encoders.flatMap((encoder) => encoder.sent.map(({ id }) => id)))
  const written = new Set(bench.written.map(({ id }) => id))
  expect(written.size).toBe(bench.written.length)
  for (const id of written) if (!sent.has(id)) throw new Error(`sample ${id} was never sent`)
  expect(written.size + bench.droppedCount).toBe(sent.size)
}

/** What this encoder sent keeps its distances: one shift from its clock to the epoch for all of a course. */
export function expectExact(bench: ChannelBench, encoder: SyntheticEncoder): void {
  const written = new Map(bench.written.map((sample) => [sample.id, sample]))
  const shifts = new Map<number, number>()
  for (const { id, kind, dtsMs, ptsMs, course } of encoder.sent) {
    const sample = written.get(id)
    const known = shifts.get(course)
    if (!sample || (kind === 'audio' && known === undefined)) continue
    const shift = known ?? sample.dts - dtsMs / 1_000
    shifts.set(course, shift)
    const tolerance = kind === 'audio' ? AUDIO_TOLERANCE : TICK
    const errors = [sample.dts - dtsMs / 1_000 - shift, sample.pts - ptsMs / 1_000 - shift]
    if (Math.max(...errors.map(Math.abs)) > tolerance)
      throw new Error(`sample ${id} is off by ${errors.join(' and ')} s`)
  }
}

/** What must hold of every log, whatever came in.  */
export function expectOrder(bench: ChannelBench): void {
  if (bench.refused) throw bench.refused
  const rows = bench.records.filter(({ type }) => type === 'segment-opened' || type === 'gap')
  const sequences = rows.map((row) => ('sequence' in row ? row.sequence : -1))
  expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index))
  const numbers = bench.only('discontinuity').map(({ discontinuitySequence }) => discontinuitySequence)
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
  expectGapsClear(bench)
  expectDecodeOrder(bench.written)
  expectStarts(bench)
  expectParts(bench)
}

/** No gap lies over media, or over another gap; no segment starts before the end of a gap. */
function expectGapsClear(bench: ChannelBench): void {
  let endTicks = Number.NEGATIVE_INFINITY
  let openTicks = 0
  let wasGap = false
  for (const record of bench.records) {
    if (record.type === 'gap') {
      expect(record.startTicks).toBeGreaterThanOrEqual(endTicks)
      endTicks = record.startTicks + record.durationTicks
      wasGap = true
    } else if (record.type === 'segment-opened') {
      if (wasGap) expect(record.startTicks).toBeGreaterThanOrEqual(endTicks)
      openTicks = record.startTicks
      wasGap = false
    } else if (record.type === 'segment-closed') {
      endTicks = openTicks + record.durationTicks
    }
  }
}

/** Within a rendition decode time rises, also from one track to the next; sound never overlaps. */
function expectDecodeOrder(written: readonly WrittenSample[]): void {
  const newest = new Map<string, WrittenSample>()
  for (const sample of written) {
    const before = newest.get(sample.rendition)
    newest.set(sample.rendition, sample)
    if (!before) continue
    const isSound = sample.rendition.startsWith('audio')
    const earliest = isSound ? before.dts + before.duration - TICK : before.dts
    if (sample.dts < earliest || sample.dts === before.dts) {
      throw new Error(
        `sample ${sample.id} of ${sample.rendition} at ${sample.dts}, after ${before.id} at ${before.dts}`,
      )
    }
  }
}

/** A rendition's segments start one after the other, and each where the one before is over or later, give or take a frame. */
function expectStarts(bench: ChannelBench): void {
  const { presentation } = bench
  for (const { index, tracks } of presentation.renditions) {
    let before = Number.NEGATIVE_INFINITY
    for (let sequence = presentation.firstSequence; sequence < presentation.endSequence; sequence++) {
      const media = presentation.renditionSegment(index, sequence)
      if (!media) continue
      const timescale = tracks.find(({ track }) => track === media.track)?.timescale ?? 1
      const start = media.startTicks / timescale
      if (start <= before) throw new Error(`segment ${sequence} starts at ${start}, the one before at ${before}`)
      before = start
    }
  }
}

/**
 * Wherever renditions have media in a segment, they start with it: video to the rounding of timestamps, sound with the nearest
 * frame, but for the first segment, which has all sound that came with its first picture.
 */
export function expectAligned(bench: ChannelBench): void {
  const { presentation } = bench
  for (const { index, kind } of presentation.renditions) {
    for (let sequence = presentation.firstSequence; sequence < presentation.endSequence; sequence++) {
      const media = presentation.renditionSegment(index, sequence)
      const row = presentation.segment(sequence)
      const hasEarlierSound = kind === 'audio' && sequence === presentation.firstSequence
      if (!media || !row || hasEarlierSound) continue
      const timescale = kind === 'video' ? 90_000 : 48_000
      const off = Math.abs(media.startTicks / timescale - row.startTicks / 90_000)
      if (off > (kind === 'video' ? 0.0101 : 0.0411))
        throw new Error(`segment ${sequence} of a ${kind} is ${off} s off`)
    }
  }
}

/** No part is longer than its target by more than the rounding of a millisecond, unless it is a single sample. */
function expectParts(bench: ChannelBench): void {
  const { partDurationMs } = bench.options
  if (partDurationMs === undefined) return
  for (const { seconds, longestSample } of partsOf(bench)) {
    expect(seconds).toBeLessThanOrEqual(Math.max(partDurationMs / 1_000 + 0.0011, longestSample + TICK))
  }
}

/** Parts are as long as whole frames allow: all but the last of a segment have at least 85 % of the target. */
export function expectFullParts(bench: ChannelBench): void {
  const targetSeconds = (bench.options.partDurationMs ?? 0) / 1_000
  for (const { seconds, isLast } of partsOf(bench)) {
    if (!isLast && seconds < 0.85 * targetSeconds) throw new Error(`a part of ${seconds} s in the middle of a segment`)
  }
}

function partsOf(bench: ChannelBench): { seconds: number; longestSample: number; isLast: boolean }[] {
  const timescales = new Map(bench.only('track-added').map(({ track }) => [track.track, track.timescale]))
  const longest = new Map<string, number>()
  for (const { sequence, track, duration } of bench.written) {
    const key = `${sequence}/${track}`
    longest.set(key, Math.max(longest.get(key) ?? 0, duration))
  }
  const last = new Map<string, unknown>()
  const fragments = bench.only('fragment')
  for (const fragment of fragments) last.set(`${fragment.sequence}/${fragment.track}`, fragment)
  return fragments.map((fragment) => {
    const key = `${fragment.sequence}/${fragment.track}`
    const seconds = fragment.durationTicks / (timescales.get(fragment.track) ?? 1)
    return { seconds, longestSample: longest.get(key) ?? 0, isLast: last.get(key) === fragment }
  })
}
