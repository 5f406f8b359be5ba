import { AppError, FormatError } from '../../lib/errors.ts'
import { type Box, openFullBox } from './boxes.ts'
import type { SampleDefaults } from './movie.ts'

/** A sample as it is written: durations are 32 bits unsigned, composition offsets 32 bits signed. */
export type RunSample = {
  readonly durationTicks: number
  /** PTS - DTS. */
  readonly compositionTicks: number
  readonly independent: boolean
  readonly data: Uint8Array
}

/** A sample of whose data no more than the length is known. */
export type MeasuredSample = Omit<RunSample, 'data'> & { readonly data: { readonly byteLength: number } }

/** What a `trun` says of a sample. */
type RunEntry = {
  readonly durationTicks: number
  readonly sizeBytes: number
  readonly flags: number
  readonly compositionTicks: number
}

/** A `trun` (ISO/IEC 14496-12 §8.8.8). Without `dataOffset` the data goes on where the last run's ended. */
export type TrackRun = { readonly dataOffset: number | undefined; readonly samples: readonly RunEntry[] }

/** Which fields a run repeats for each sample, and the values of those that it needn't. */
export type RunLayout = {
  readonly sampleCount: number
  /** Of all samples together. */
  readonly dataBytes: number
  readonly durationPerSample: boolean
  readonly durationTicks: number
  readonly sizePerSample: boolean
  readonly sizeBytes: number
  readonly flags: 'default' | 'first-differs' | 'per-sample'
  readonly defaultFlags: number
  readonly composition: 'none' | 'unsigned' | 'signed'
}

const DATA_OFFSET = 0x000001
const FIRST_SAMPLE_FLAGS = 0x000004
const SAMPLE_DURATION = 0x000100
const SAMPLE_SIZE = 0x000200
const SAMPLE_FLAGS = 0x000400
const SAMPLE_COMPOSITION = 0x000800
const TRUN = 0x7472756e

const IS_NON_SYNC = 0x00010000
/** `sample_depends_on` 2 (on no other), a sync sample. */
const SYNC_SAMPLE = 0x02000000
/** `sample_depends_on` 1 (on others), no sync sample. */
const DEPENDENT_SAMPLE = 0x01000000 | IS_NON_SYNC

/** Whether sample flags (ISO/IEC 14496-12 §8.8.3.1) are those of a sync sample. */
export function isIndependent(flags: number): boolean {
  return (flags & IS_NON_SYNC) === 0
}

/** Reads a `trun`; more than `maxSamples`, or more than its bytes can hold, is a `FormatError`. */
export function readRun(trun: Box, defaults: SampleDefaults, maxSamples: number): TrackRun {
  const { flags, reader } = openFullBox(trun)
  const count = reader.u32()
  const dataOffset = flags & DATA_OFFSET ? reader.i32() : undefined
  const firstFlags = flags & FIRST_SAMPLE_FLAGS ? reader.u32() : undefined
  if (count > maxSamples) return reader.fail(`${count} samples, at most ${maxSamples} expected`)
  if (count * entryBytes(flags) > reader.remaining) return reader.fail(`${count} samples in ${reader.remaining} bytes`)
  const samples: RunEntry[] = []
  for (let i = 0; i < count; i++) {
    const durationTicks = flags & SAMPLE_DURATION ? reader.u32() : defaults.durationTicks
    const sizeBytes = flags & SAMPLE_SIZE ? reader.u32() : defaults.sizeBytes
    const ownFlags = flags & SAMPLE_FLAGS ? reader.u32() : defaults.flags
    // Signed in version 0 too: writers put negative offsets there, and none needs an offset past 2^31.
    const compositionTicks = flags & SAMPLE_COMPOSITION ? reader.i32() : 0
    samples.push({ durationTicks, sizeBytes, flags: i === 0 ? (firstFlags ?? ownFlags) : ownFlags, compositionTicks })
  }
  return { dataOffset, samples }
}

/** Each of the four fields has four bytes; their flags stand side by side. */
function entryBytes(flags: number): number {
  const fields = flags >>> 8
  return 4 * ((fields & 1) + ((fields >>> 1) & 1) + ((fields >>> 2) & 1) + ((fields >>> 3) & 1))
}

/** Looks at the samples once and finds the smallest way to write them. No samples, or a time that doesn't fit, is an error. */
export function layOutRun(samples: readonly MeasuredSample[]): RunLayout {
  const first = samples[0]
  if (first === undefined) throw new AppError('INTERNAL', 'a fragment without samples')
  const firstBytes = first.data.byteLength
  const second = samples[1] ?? first
  let dataBytes = 0
  let durationPerSample = false
  let sizePerSample = false
  let restDiffers = false
  let composed = false
  let negative = false
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] ?? first
    const { durationTicks, compositionTicks } = sample
    if (durationTicks >>> 0 !== durationTicks || (compositionTicks | 0) !== compositionTicks) {
      throw new FormatError('moof/traf/trun', i, `duration ${durationTicks}, composition offset ${compositionTicks}`)
    }
    dataBytes += sample.data.byteLength
    if (durationTicks !== first.durationTicks) durationPerSample = true
    if (sample.data.byteLength !== firstBytes) sizePerSample = true
    if (i > 0 && sample.independent !== second.independent) restDiffers = true
    if (compositionTicks !== 0) composed = true
    if (compositionTicks < 0) negative = true
  }
  return {
    sampleCount: samples.length,
    dataBytes,
    durationPerSample,
    durationTicks: first.durationTicks,
    sizePerSample,
    sizeBytes: firstBytes,
    flags: restDiffers ? 'per-sample' : second.independent === first.independent ? 'default' : 'first-differs',
    defaultFlags: flagsOf(second),
    composition: negative ? 'signed' : composed ? 'unsigned' : 'none',
  }
}

function flagsOf(sample: MeasuredSample): number {
  return sample.independent ? SYNC_SAMPLE : DEPENDENT_SAMPLE
}

/** Bytes that the `trun` takes. */
export function runBytes(layout: RunLayout): number {
  const head = layout.flags === 'first-differs' ? 24 : 20
  return head + layout.sampleCount * entryBytes(runFlags(layout))
}

function runFlags(layout: RunLayout): number {
  let flags = DATA_OFFSET
  if (layout.flags === 'first-differs') flags |= FIRST_SAMPLE_FLAGS
  if (layout.flags === 'per-sample') flags |= SAMPLE_FLAGS
  if (layout.durationPerSample) flags |= SAMPLE_DURATION
  if (layout.sizePerSample) flags |= SAMPLE_SIZE
  if (layout.composition !== 'none') flags |= SAMPLE_COMPOSITION
  return flags
}

/** Writes a `trun` at `at` of memory that has room for it; gives the offset behind it. Version 1 only where an offset is negative. */
export function writeRun(
  view: DataView,
  at: number,
  run: { readonly samples: readonly MeasuredSample[]; readonly layout: RunLayout; readonly dataOffset: number },
): number {
  const { samples, layout } = run
  view.setUint32(at, runBytes(layout))
  view.setUint32(at + 4, TRUN)
  view.setUint32(at + 8, (layout.composition === 'signed' ? 0x01000000 : 0) | runFlags(layout))
  view.setUint32(at + 12, layout.sampleCount)
  view.setInt32(at + 16, run.dataOffset)
  let next = at + 20
  if (layout.flags === 'first-differs') {
    view.setUint32(next, layout.defaultFlags === SYNC_SAMPLE ? DEPENDENT_SAMPLE : SYNC_SAMPLE)
    next += 4
  }
  for (const sample of samples) {
    if (layout.durationPerSample) {
      view.setUint32(next, sample.durationTicks)
      next += 4
    }
    if (layout.sizePerSample) {
      view.setUint32(next, sample.data.byteLength)
      next += 4
    }
    if (layout.flags === 'per-sample') {
      view.setUint32(next, flagsOf(sample))
      next += 4
    }
    if (layout.composition !== 'none') {
      view.setInt32(next, sample.compositionTicks)
      next += 4
    }
  }
  return next
}
