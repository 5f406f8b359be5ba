import { breathe } from '../lib/breathing.ts'
import { AppError } from '../lib/errors.ts'
import { KeyFrames } from './key-frames.ts'
import type { SourceTrack } from './source-track.ts'

/** Where the segments of a presentation begin; the same instants in all its renditions. */
export type CutPlan = {
  /** Seconds; one more than there are segments, the last being the end. */
  readonly instants: readonly number[]
  /**
   * For each video track and segment, the sample that it begins with: a key frame, or -1 where the instant alone says it. Nothing
   * for tracks of sound.
   */
  readonly keySamples: readonly (readonly number[] | undefined)[]
}

type KeyFrame = { readonly seconds: number; readonly samples: readonly number[] }

/** Where the key frames of two renditions differ first. */
type Difference = { readonly seconds: number; readonly track: SourceTrack }

/** Renditions of other frame rates and timescales have the same instant only to a fraction of a frame. */
const SAME_INSTANT_SECONDS = 0.005
/** A stretch without a key frame that is longer than so many segments is cut without one. */
const LONGEST_SEGMENTS = 4
/** Less than this part of a segment is left with the one before. */
const SHORTEST_PART = 4
const MAX_SEGMENTS = 700_000
/** Key frames that are looked at in one turn: some milliseconds. */
const KEYS_PER_TURN = 32_768

/**
 * Cuts at the key frames nearest to multiples of `segmentSeconds`: those that all video tracks have. Without video, at the
 * multiples themselves.
 *
 * @throws AppError `MEDIA_UNSUPPORTED` where video tracks differ so much in their key frames, or in their length, that nobody could
 *   switch between them; the signal's reason
 */
export async function planCuts(
  tracks: readonly SourceTrack[],
  segmentSeconds: number,
  signal: AbortSignal,
): Promise<CutPlan> {
  const start = Math.min(...tracks.map(({ contentTicks, timescale }) => contentTicks / timescale))
  const end = Math.max(...tracks.map(({ endTicks, timescale }) => endTicks / timescale))
  const videos = tracks.filter(({ config }) => config.kind === 'video')
  const instants: number[] = []
  const columns = videos.map((): number[] => [])
  const sampleCount = tracks.reduce((sum, { firstSample, endSample }) => sum + endSample - firstSample, 0)
  const fill = (to: number, longest: number) => {
    const from = instants.at(-1) ?? start
    // A file of few samples that claims to last for days is not cut into segments without any.
    if ((to - from) / segmentSeconds <= sampleCount) fillGrid(from, to, longest, segmentSeconds, add)
  }
  const add = (seconds: number, samples: readonly number[] | undefined) => {
    instants.push(seconds)
    for (const [index, column] of columns.entries()) column.push(samples?.[index] ?? -1)
    if (instants.length > MAX_SEGMENTS) throw tooLong(tracks)
  }
  const keys = await chosenKeyFrames(videos, start, segmentSeconds, signal)
  const videoEnd = Math.max(start, ...videos.map(({ endTicks, timescale }) => endTicks / timescale))
  const [first] = keys
  if (first === undefined || first.seconds - start > segmentSeconds / 2) add(start, undefined)
  for (const [index, { seconds, samples }] of keys.entries()) {
    // Before the first pictures there is nothing but sound, which is cut anywhere.
    fill(seconds, index === 0 ? 1 : LONGEST_SEGMENTS)
    // What stands before the first key frame by less than half a segment begins with it.
    add(index === 0 && instants.length === 0 ? start : seconds, samples)
  }
  if (first !== undefined) {
    fill(videoEnd, LONGEST_SEGMENTS)
    if (end - videoEnd > segmentSeconds / 2) add(videoEnd, undefined)
  }
  if (first === undefined || instants.at(-1) === videoEnd) fill(end, 1)
  const keySamples = tracks.map((track) => columns[videos.indexOf(track)])
  return { instants: [...instants, end], keySamples }
}

/** Instants between two, a segment apart, where those are further from each other than `longest` segments. */
function fillGrid(
  from: number,
  to: number,
  longest: number,
  segmentSeconds: number,
  add: (seconds: number, samples: undefined) => void,
): void {
  if (to - from <= longest * segmentSeconds) return
  const last = to - segmentSeconds / SHORTEST_PART
  for (let i = 1; from + i * segmentSeconds < last; i++) add(from + i * segmentSeconds, undefined)
}

/** The key frames that segments begin with, and a check that the tracks have them in common. */
async function chosenKeyFrames(
  videos: readonly SourceTrack[],
  start: number,
  segmentSeconds: number,
  signal: AbortSignal,
): Promise<readonly KeyFrame[]> {
  const [reference, ...others] = videos
  if (reference === undefined) return []
  requireEqualLengths(reference, others, start, segmentSeconds)
  const common = new CutChooser(start, segmentSeconds)
  const own = new CutChooser(start, segmentSeconds)
  const walks = others.map((track) => ({ track, keys: keysOf(track) }))
  const keys = keysOf(reference)
  let difference: Difference | undefined
  for (let looked = 1; keys.sample !== undefined; keys.next(), looked++) {
    if (looked % KEYS_PER_TURN === 0) await breathe(signal)
    const seconds = secondsOf(reference, keys.ptsTicks)
    const samples = [keys.sample]
    for (const { track, keys: other } of walks) {
      while (secondsOf(track, other.ptsTicks) < seconds - SAME_INSTANT_SECONDS) other.next()
      if (other.sample !== undefined && secondsOf(track, other.ptsTicks) <= seconds + SAME_INSTANT_SECONDS) {
        samples.push(other.sample)
      } else {
        difference ??= { seconds, track }
      }
    }
    const key = { seconds, samples }
    own.add(key)
    if (samples.length === videos.length) common.add(key)
  }
  const end = reference.endTicks / reference.timescale
  const chosen = common.finish(end)
  const longestOwn = longestOf(own.finish(end), end)
  const isAligned =
    chosen[0] !== undefined && longestOf(chosen, end) <= Math.max(longestOwn, segmentSeconds) + segmentSeconds / 2
  if (difference && !isAligned) throw misaligned(reference, difference, start)
  return chosen
}

function keysOf({ tables, firstSample, endSample }: SourceTrack): KeyFrames {
  return new KeyFrames(tables, firstSample, endSample)
}

function secondsOf({ scale, shiftTicks, timescale }: SourceTrack, ptsTicks: number): number {
  return (ptsTicks * scale + shiftTicks) / timescale
}

/** Chooses, out of key frames in order, the nearest to each multiple of the segment's duration. */
class CutChooser {
  readonly #start: number
  readonly #segmentSeconds: number
  readonly #chosen: KeyFrame[] = []
  #before: KeyFrame | undefined
  #boundary = Number.NEGATIVE_INFINITY

  constructor(start: number, segmentSeconds: number) {
    this.#start = start
    this.#segmentSeconds = segmentSeconds
  }

  add(key: KeyFrame): void {
    while (key.seconds >= this.#boundary) {
      const before = this.#before
      this.#before = undefined
      const isNearer = before !== undefined && this.#boundary - before.seconds <= key.seconds - this.#boundary
      this.#choose(isNearer ? before : key)
      if (!isNearer) return
    }
    this.#before = key
  }

  finish(end: number): readonly KeyFrame[] {
    if (this.#before && end > this.#boundary) this.#choose(this.#before)
    this.#before = undefined
    return this.#chosen
  }

  #choose(key: KeyFrame): void {
    this.#chosen.push(key)
    const segments = Math.floor((key.seconds - this.#start) / this.#segmentSeconds + 0.5) + 1
    this.#boundary = this.#start + segments * this.#segmentSeconds
  }
}

function longestOf(keys: readonly KeyFrame[], end: number): number {
  let longest = 0
  for (let i = 0; i < keys.length; i++) {
    longest = Math.max(longest, (keys[i + 1]?.seconds ?? end) - (keys[i]?.seconds ?? end))
  }
  return longest
}

function requireEqualLengths(
  reference: SourceTrack,
  others: readonly SourceTrack[],
  start: number,
  segmentSeconds: number,
): void {
  const lengthOf = ({ endTicks, timescale }: SourceTrack) => endTicks / timescale - start
  const length = lengthOf(reference)
  for (const other of others) {
    if (Math.abs(lengthOf(other) - length) <= segmentSeconds) continue
    const names = [reference.file.name, other.file.name]
    const text =
      `"${names[0]}" lasts ${length.toFixed(3)} s and "${names[1]}" ${lengthOf(other).toFixed(3)} s: ` +
      'renditions of one presentation need the same length.'
    throw new AppError('MEDIA_UNSUPPORTED', text, { details: { files: names } })
  }
}

function tooLong([first]: readonly SourceTrack[]): AppError {
  return new AppError('MEDIA_UNSUPPORTED', `"${first?.file.name}" would have more than ${MAX_SEGMENTS} segments.`)
}

function misaligned(reference: SourceTrack, { seconds, track }: Difference, start: number): AppError {
  const names = [reference.file.name, track.file.name]
  const atSeconds = Math.round((seconds - start) * 1_000) / 1_000
  const text =
    `The key frames of "${names[0]}" and "${names[1]}" differ: at ${atSeconds.toFixed(3)} s only the first has one. ` +
    'Renditions of one presentation need key frames at the same times.'
  return new AppError('MEDIA_UNSUPPORTED', text, { details: { files: names, seconds: atSeconds } })
}
