import { AppError, FormatError } from '../lib/errors.ts'
import type { EditedTime } from '../media/isobmff/mp4-index-edits.ts'
import { checkSampleTables, type SampleTables } from '../media/isobmff/mp4-index-tables.ts'
import { TimeCursor } from '../media/isobmff/mp4-index-times.ts'
import type { MediaTrack } from '../media/isobmff/mp4-index-track.ts'
import type { TrackDisplay } from '../media/isobmff/track.ts'
import type { CodecConfig } from '../media/media.ts'
import { KeyFrames } from './key-frames.ts'
import type { SourceFile } from './source-file.ts'

/** A track of a file on the presentation's timeline. */
export type SourceTrack = {
  readonly file: SourceFile
  readonly path: string
  readonly config: CodecConfig
  readonly language?: string
  readonly display?: TrackDisplay
  readonly tables: SampleTables
  /** Ticks per second: the file's timescale times `scale`. */
  readonly timescale: number
  readonly scale: number
  /** What the tables' times times `scale` are less than times on the presentation's timeline. */
  readonly shiftTicks: number
  /** What DTS are less than that, so that composition offsets, which some files have below 0, are as much more and never are. */
  readonly decodeLeadTicks: number
  /** The samples that are presented, or needed for those: `firstSample` ≤ n < `endSample`. */
  readonly firstSample: number
  readonly endSample: number
  /** Earliest time of the first samples, decoding or presentation; what a player shows begins at `contentTicks`. */
  readonly earliestTicks: number
  readonly contentTicks: number
  readonly endTicks: number
  /** Whether two of its samples are decoded at the same time. */
  readonly hasEqualDecodeTimes: boolean
}

/** Ticks shorter than this many a second can't place sound to a tenth of a millisecond: they are divided. */
const LEAST_TIMESCALE = 8_000
/** Sound before the edit that a decoder needs to come to its state: the longest priming that encoders write. */
const AUDIO_LEAD_SECONDS = 0.12
/** Samples among which the earliest is: B-frames reach no further. */
const REORDERED_SAMPLES = 32
/** Writers round an edit's end to the movie's timescale. */
const END_TOLERANCE_SECONDS = 0.002
const NEAR_SECONDS = 10
/** B-frames are a few frames late; slide shows may have seconds to a frame. */
const LONGEST_COMPOSITION_SECONDS = 600
const LONGEST_SECONDS = 7 * 86_400
const MAX_TICKS = 0xffff_ffff

/** What is read of a track: its tables, and the DTS that its first sample has where fragments say it. */
export type TrackSamples = { readonly tables: SampleTables; readonly startTicks: number }

/**
 * Checks a track's tables and places it as its edit list says (ISO/IEC 14496-12 §8.6.6). Video that is shown from between two
 * key frames on begins with the one before, since nothing else can be decoded; so sound is kept from `pictureSeconds` on, at which the
 * first picture of the file is presented, where that is earlier than the edit. Sound that a decoder needs before is kept too.
 */
export function placeTrack(
  file: SourceFile,
  track: MediaTrack,
  samples: TrackSamples,
  pictureSeconds: number | undefined,
): SourceTrack {
  const { path, config, language, display, edited, timescale: fileTimescale } = track
  const { tables } = samples
  const durationTicks = checkSampleTables(tables, `${path}/mdia/minf/stbl`)
  const { entries, fixedBytes } = tables.sizes
  // Such a table takes no bytes, whatever it claims: what would go through its samples is not begun.
  if (entries * fixedBytes > file.sizeBytes) {
    const text = `${entries} samples of ${fixedBytes} bytes, the file has ${file.sizeBytes}`
    throw new FormatError(`${path}/mdia/minf/stbl/stsz`, 0, text)
  }
  if (durationTicks / fileTimescale > LONGEST_SECONDS) {
    const days = Math.floor(durationTicks / fileTimescale / 86_400)
    throw new AppError('MEDIA_UNSUPPORTED', `${path} lasts ${days} days, at most 7 can be streamed.`)
  }
  const scale = fileTimescale < LEAST_TIMESCALE ? Math.ceil(LEAST_TIMESCALE / fileTimescale) : 1
  const timescale = fileTimescale * scale
  checkDurations(tables, scale, path)
  const delayTicks = Math.round(edited.delaySeconds * timescale)
  const shiftTicks = delayTicks + (samples.startTicks - edited.mediaTicks) * scale
  if (!Number.isSafeInteger(shiftTicks + durationTicks * scale)) throw new FormatError(path, 0, 'times past 2^53 - 1')
  const beginTicks = edited.mediaTicks - samples.startTicks
  const beginSeconds = Math.min(edited.delaySeconds, pictureSeconds ?? edited.delaySeconds)
  const soundTicks = beginTicks + (beginSeconds - edited.delaySeconds) * fileTimescale
  const isPicture = config.kind === 'video'
  const firstSample = isPicture ? firstPicture(tables, beginTicks) : firstSound(track, tables, soundTicks)
  const { endSample, endTicks } = endOf(tables, fileTimescale, firstSample, edited, beginTicks)
  if (firstSample >= endSample || endTicks <= beginTicks)
    throw new FormatError(`${path}/edts/elst`, 0, 'nothing of the track is presented')
  const bounds = headOf(tables, firstSample, endSample)
  const firstTicks = bounds.startTicks * scale + shiftTicks
  const decodeLeadTicks = -leastComposition(tables, `${path}/mdia/minf/stbl`, fileTimescale) * scale
  return {
    ...{ file, path, config, tables, timescale, scale, shiftTicks, decodeLeadTicks, firstSample, endSample },
    ...(language === undefined ? {} : { language }),
    ...(display === undefined ? {} : { display }),
    earliestTicks: Math.min(bounds.startTicks * scale, bounds.decodeTicks * scale - decodeLeadTicks) + shiftTicks,
    contentTicks: Math.max(firstTicks, isPicture ? firstTicks : Math.round(beginSeconds * timescale)),
    endTicks: endTicks * scale + shiftTicks,
    hasEqualDecodeTimes: hasEqualDecodeTimes(tables, firstSample, endSample),
  }
}

/** The same track with its times less by whole seconds. */
export function moveTrack(track: SourceTrack, seconds: number): SourceTrack {
  const ticks = seconds * track.timescale
  const { shiftTicks, earliestTicks, contentTicks, endTicks } = track
  return {
    ...track,
    shiftTicks: shiftTicks - ticks,
    earliestTicks: earliestTicks - ticks,
    contentTicks: contentTicks - ticks,
    endTicks: endTicks - ticks,
  }
}

/** The last key frame at or before `beginTicks`; the first sample where there is none. */
function firstPicture(tables: SampleTables, beginTicks: number): number {
  const keys = new KeyFrames(tables, 0)
  let first = 0
  while (keys.sample !== undefined && keys.ptsTicks <= beginTicks) {
    first = keys.sample
    keys.next()
  }
  return first
}

/** The first sound that ends within what a decoder needs before `beginTicks`. */
function firstSound({ timescale }: MediaTrack, tables: SampleTables, beginTicks: number): number {
  const fromTicks = beginTicks - AUDIO_LEAD_SECONDS * timescale
  const { entries } = tables.sizes
  // One that begins before and ends within is needed too.
  return Math.min(Math.max(0, sampleAt(tables, fromTicks) - 1), entries - 1)
}

/** The end of the samples that are presented before the edit ends, and the time at which the last of them does. */
function endOf(
  tables: SampleTables,
  timescale: number,
  firstSample: number,
  { durationSeconds }: EditedTime,
  beginTicks: number,
): { readonly endSample: number; readonly endTicks: number } {
  const { entries } = tables.sizes
  const isOpen = durationSeconds === undefined
  const limitTicks = isOpen
    ? Number.POSITIVE_INFINITY
    : beginTicks + (durationSeconds + END_TOLERANCE_SECONDS) * timescale
  const time = new TimeCursor(tables)
  // Far from the end whole runs are skipped; composition offsets that reach further than this are none that play.
  const nearSample = isOpen ? entries - REORDERED_SAMPLES : sampleAt(tables, limitTicks - NEAR_SECONDS * timescale)
  time.advance(Math.max(firstSample, nearSample))
  let endSample = time.sample
  let endTicks = time.dtsTicks
  while (time.sample < entries && time.dtsTicks < limitTicks) {
    const ptsTicks = time.dtsTicks + time.compositionTicks
    if (ptsTicks < limitTicks) {
      endSample = time.sample + 1
      endTicks = Math.max(endTicks, ptsTicks + time.durationTicks)
    }
    time.advance(1)
  }
  return { endSample, endTicks }
}

/** The first sample that is decoded at or after `ticks`; the number of samples where there is none. */
function sampleAt({ durations, sizes }: SampleTables, ticks: number): number {
  const time = new TimeCursor({ durations, compositions: undefined })
  while (time.sample < sizes.entries && time.dtsTicks < ticks) {
    const left = sizes.entries - time.sample
    const samples = time.durationTicks === 0 ? left : Math.ceil((ticks - time.dtsTicks) / time.durationTicks)
    time.advance(Math.min(samples, time.runLeft, left))
  }
  return time.sample
}

/** DTS of the first sample, and the earliest time at which one is presented. */
function headOf(tables: SampleTables, firstSample: number, endSample: number) {
  const time = new TimeCursor(tables)
  time.advance(firstSample)
  const decodeTicks = time.dtsTicks
  let startTicks = Number.POSITIVE_INFINITY
  const headEnd = Math.min(endSample, firstSample + REORDERED_SAMPLES)
  while (time.sample < headEnd) {
    startTicks = Math.min(startTicks, time.dtsTicks + time.compositionTicks)
    time.advance(1)
  }
  return { decodeTicks, startTicks }
}

/** The composition offset that is furthest below 0, or 0. */
function leastComposition({ compositions }: SampleTables, path: string, timescale: number): number {
  if (compositions === undefined) return 0
  const { view, entries } = compositions
  let least = 0
  let most = 0
  for (let at = 4; at < entries * 8; at += 8) {
    const ticks = view.getInt32(at)
    if (ticks < least) least = ticks
    else if (ticks > most) most = ticks
  }
  if (most - least > LONGEST_COMPOSITION_SECONDS * timescale) {
    throw new FormatError(`${path}/ctts`, 0, `composition offsets from ${least} to ${most} ticks of 1/${timescale} s`)
  }
  return least
}

/** Whether a sample of these lasts no time and has another behind it. That the very last one does is common. */
function hasEqualDecodeTimes({ durations }: SampleTables, firstSample: number, endSample: number): boolean {
  const { view, entries } = durations
  let first = 0
  for (let i = 0; i < entries && first < endSample - 1; i++) {
    const end = first + view.getUint32(i * 8)
    const presented = Math.max(first, firstSample)
    if (view.getUint32(i * 8 + 4) === 0 && presented < Math.min(end, endSample - 1)) return true
    first = end
  }
  return false
}

/** Timescales that were divided make durations longer: those that no `trun` can hold are none that a file should have. */
function checkDurations({ durations }: SampleTables, scale: number, path: string): void {
  for (let i = 0; i < durations.entries; i++) {
    const ticks = durations.view.getUint32(i * 8 + 4)
    if (ticks * scale > MAX_TICKS) throw new FormatError(`${path}/mdia/minf/stbl/stts`, i, `a sample of ${ticks} ticks`)
  }
}
