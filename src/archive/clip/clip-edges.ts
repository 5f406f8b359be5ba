import { AppError } from '../../lib/errors.ts'
import type { VideoConfig } from '../../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../../presentation/records.ts'
import type { ReadableRecording } from '../segment-ranges.ts'
import type { ClipRows } from './clip-range.ts'
import {
  type CodedSegment,
  type CutSegment,
  keptSamples,
  readRow,
  SAME_PICTURE_SECONDS,
  secondsOf,
  type TimedSample,
  writeSegment,
} from './coded-row.ts'

/** A row of the clip that is a part of one of the recording. 90 kHz; `segments` is by rendition index, without those that have nothing in it. */
export type CutRow = {
  readonly startTicks: number
  readonly durationTicks: number
  readonly segments: ReadonlyMap<number, CutSegment>
  /** Its pictures were encoded anew. */
  readonly isEncoded: boolean
}

/** Coded pictures from a key frame on, of which those that are shown from `fromTicks` to before `toTicks` are wanted. */
export type PictureWork = {
  readonly track: { readonly config: VideoConfig; readonly bandwidth: number; readonly timescale: number }
  readonly samples: readonly TimedSample[]
  readonly fromTicks: number
  readonly toTicks: number
}

/**
 * Encodes pictures anew, the first as a key frame, each at the time it was shown at and without reordering.
 * @throws AppError `MEDIA_UNSUPPORTED`, `FFMPEG_MISSING`, `FFMPEG_CRASHED`; the signal's reason
 */
export type PictureEncoder = (
  work: PictureWork,
  signal: AbortSignal,
) => Promise<{ readonly config: VideoConfig; readonly samples: readonly TimedSample[] }>

/** How exact the ends are; to the frame needs somebody who encodes. */
export type EdgeOptions = { readonly exact: 'gop' } | { readonly exact: 'frame'; readonly encode: PictureEncoder }

/** A stretch of a row, in seconds since the epoch; `undefined`: where the row begins, or ends. */
type Piece = { readonly from: number | undefined; readonly to: number | undefined; readonly isEncoded: boolean }

/**
 * Cuts the first and the last segment of a clip; by sequence number of the recording, the rows that take the place of each that is
 * cut. `gop`: at the key frames around the times that were asked for. `frame`: at the pictures that are on the screen then, where what
 * is between them and the next key frame, or the one before, is encoded anew. Without pictures it is cut at the frames of sound.
 *
 * @throws AppError `SEGMENT_GONE`; `FormatError` for a segment that can't be read; what the storage and the encoder throw
 */
export async function cutEdges(
  recording: ReadableRecording,
  { firstSequence, endSequence, fromTicks, toTicks }: ClipRows,
  options: EdgeOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, readonly CutRow[]>> {
  const cuts = new Map<number, readonly CutRow[]>()
  for (const sequence of new Set([firstSequence, endSequence - 1])) {
    const coded = await readRow(recording, sequence, signal)
    const leader = coded.find(({ rendition }) => rendition.kind === 'video') ?? coded[0]
    const row = recording.view.segment(sequence)
    if (!leader || !row) continue
    const from = sequence === firstSequence ? fromTicks / PRESENTATION_TIMESCALE : Number.NEGATIVE_INFINITY
    const to = sequence === endSequence - 1 ? toTicks / PRESENTATION_TIMESCALE : Number.POSITIVE_INFINITY
    const exact = leader.rendition.kind === 'video' ? options.exact : 'gop'
    const pieces = exact === 'gop' ? gopPieces(leader, from, to) : framePieces(leader, from, to)
    if (pieces.every((piece) => piece.from === undefined && piece.to === undefined)) continue
    const rows: CutRow[] = []
    for (const piece of pieces) rows.push(await cutRow(row, coded, piece, options, signal))
    cuts.set(sequence, rows)
  }
  return cuts
}

/** When the leader's pictures are shown, in order, and those of them that are key frames. */
function timesOf(leader: CodedSegment): { readonly shown: readonly number[]; readonly keys: readonly number[] } {
  const sorted = (samples: readonly TimedSample[]) =>
    samples.map((sample) => secondsOf(leader, sample)).sort((a, b) => a - b)
  return { shown: sorted(leader.samples), keys: sorted(leader.samples.filter(({ independent }) => independent)) }
}

/** Nothing that was asked for is missing, and no more than the rest of its group of pictures is added. */
function gopPieces(leader: CodedSegment, from: number, to: number): Piece[] {
  const { shown, keys } = timesOf(leader)
  const start = shown[0] ?? 0
  const first = keys.findLast((time) => time <= from + SAME_PICTURE_SECONDS)
  const end = keys.find((time) => time >= to - SAME_PICTURE_SECONDS)
  const isLater = first !== undefined && first > start + SAME_PICTURE_SECONDS
  const isEarlier = end !== undefined && end > (first ?? start) + SAME_PICTURE_SECONDS
  return [{ from: isLater ? first : undefined, to: isEarlier ? end : undefined, isEncoded: false }]
}

/** Up to three: from the first picture to the next key frame, whole groups of pictures, from the last key frame to the last picture. */
function framePieces(leader: CodedSegment, from: number, to: number): Piece[] {
  const { shown, keys } = timesOf(leader)
  const isAt = (a: number | undefined, b: number | undefined) =>
    a !== undefined && b !== undefined && Math.abs(a - b) <= SAME_PICTURE_SECONDS
  // What is on the screen then is the first picture; what begins later than the end is not taken.
  const start = shown.findLast((time) => time <= from + SAME_PICTURE_SECONDS)
  const first = isAt(start, shown[0]) ? undefined : start
  const last = shown.find((time) => time >= to - SAME_PICTURE_SECONDS && time > (start ?? 0) + SAME_PICTURE_SECONDS)
  const isInside = (time: number) => last === undefined || time < last - SAME_PICTURE_SECONDS
  const body = first === undefined ? shown[0] : keys.find((time) => time >= first - SAME_PICTURE_SECONDS)
  if (body === undefined || !isInside(body)) return [{ from: first, to: last, isEncoded: true }]
  const pieces: Piece[] = []
  const isHead = first !== undefined && !isAt(first, body)
  if (isHead) pieces.push({ from: first, to: body, isEncoded: true })
  const bodyFrom = first === undefined ? undefined : body
  const isEndKey = last === undefined || keys.some((time) => isAt(time, last))
  const tail = isEndKey ? undefined : keys.findLast(isInside)
  if (tail === undefined) return [...pieces, { from: bodyFrom, to: last, isEncoded: false }]
  if (!isAt(tail, body)) pieces.push({ from: bodyFrom, to: tail, isEncoded: false })
  return [...pieces, { from: isAt(tail, shown[0]) ? undefined : tail, to: last, isEncoded: true }]
}

async function cutRow(
  row: { readonly startTicks: number; readonly durationTicks: number },
  coded: readonly CodedSegment[],
  piece: Piece,
  options: EdgeOptions,
  signal: AbortSignal,
): Promise<CutRow> {
  const { from, to, isEncoded } = piece
  const startTicks = from === undefined ? row.startTicks : Math.round(from * PRESENTATION_TIMESCALE)
  const endTicks = to === undefined ? row.startTicks + row.durationTicks : Math.round(to * PRESENTATION_TIMESCALE)
  const segments = new Map<number, CutSegment>()
  for (const each of coded) {
    const segment =
      isEncoded && each.rendition.kind === 'video' ? await encoded(each, piece, options, signal) : kept(each, piece)
    if (segment) segments.set(each.rendition.index, segment)
  }
  if (segments.size === 0) throw new AppError('INTERNAL', 'A cut left nothing.')
  return { startTicks, durationTicks: Math.max(1, endTicks - startTicks), segments, isEncoded }
}

function kept(coded: CodedSegment, piece: Piece): CutSegment | undefined {
  const samples = keptSamples(coded, piece)
  return samples.length > 0 ? writeSegment(coded, samples) : undefined
}

async function encoded(
  coded: CodedSegment,
  { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY }: Piece,
  options: EdgeOptions,
  signal: AbortSignal,
): Promise<CutSegment | undefined> {
  if (options.exact !== 'frame') throw new AppError('INTERNAL', 'Nobody is there to encode.')
  const { track, samples } = coded
  const isKeyBy = (sample: TimedSample) => sample.independent && secondsOf(coded, sample) <= from + SAME_PICTURE_SECONDS
  const first = Math.max(0, samples.findLastIndex(isKeyBy))
  const isKeyAfter = (sample: TimedSample, index: number) =>
    index > first && sample.independent && secondsOf(coded, sample) >= to - SAME_PICTURE_SECONDS
  const end = samples.findIndex(isKeyAfter)
  const group = samples.slice(first, end < 0 ? samples.length : end)
  const ticks = (seconds: number) => Math.ceil((seconds - SAME_PICTURE_SECONDS) * track.timescale)
  const { config, bandwidth, timescale } = track
  if (config.kind !== 'video') throw new AppError('INTERNAL', 'Only pictures are encoded anew.')
  const work = { track: { config, bandwidth, timescale }, samples: group, fromTicks: ticks(from), toTicks: ticks(to) }
  const isWanted = ({ dtsTicks, compositionTicks }: TimedSample) =>
    dtsTicks + compositionTicks >= work.fromTicks && dtsTicks + compositionTicks < work.toTicks
  if (!group.some(isWanted)) return undefined
  const made = await options.encode(work, signal)
  return writeSegment(coded, made.samples, made.config)
}
