import { FormatError } from '../../lib/errors.ts'
import type { BoxWriter } from './box-writer.ts'
import { type Box, childrenOf, openFullBox, requireBox } from './boxes.ts'
import { type MovieTrack, readTrack, writeMatrix, writeTrack } from './track.ts'

/** What a fragment's samples have where neither `tfhd` nor `trun` says it (`trex`, ISO/IEC 14496-12 §8.8.3). */
export type SampleDefaults = { readonly durationTicks: number; readonly sizeBytes: number; readonly flags: number }

/** The header of a fragmented file: `moov` with `mvex`. */
export type Movie = {
  readonly tracks: readonly MovieTrack[]
  /** By track id; also for the tracks that are neither video nor audio and stand not in `tracks`. */
  readonly defaults: ReadonlyMap<number, SampleDefaults>
}

const MAX_TRACKS = 256
const NORMAL_RATE = 0x00010000
const FULL_VOLUME = 0x0100

/** Reads the `moov` of a fragmented file. Records are copies. */
export function readMovie(moov: Box): Movie {
  const boxes = childrenOf(moov)
  const defaults = readSampleDefaults(moov.path, boxes)
  const tracks: MovieTrack[] = []
  const trackIds = new Set<number>()
  for (const trak of boxes) {
    if (trak.type !== 'trak') continue
    const track = readTrack(trak)
    if (trackIds.has(track.trackId)) throw new FormatError(trak.path, 0, `track id ${track.trackId} twice`)
    if (trackIds.size === MAX_TRACKS) throw new FormatError(trak.path, 0, `more than ${MAX_TRACKS} tracks`)
    if (!defaults.has(track.trackId)) throw new FormatError(trak.path, 0, `no trex for track ${track.trackId}`)
    trackIds.add(track.trackId)
    if (track.config !== undefined) tracks.push(track)
  }
  return { tracks, defaults }
}

/** By track id, what the samples of a fragmented file have where its fragments don't say it. `boxes` are those in the `moov` at `path`. */
export function readSampleDefaults(path: string, boxes: readonly Box[]): ReadonlyMap<number, SampleDefaults> {
  const defaults = new Map<number, SampleDefaults>()
  for (const trex of childrenOf(requireBox(boxes, 'mvex', path))) {
    if (trex.type === 'trex') readTrackExtends(trex, defaults)
  }
  return defaults
}

/** Writes the `moov` of a live file: no duration, no samples, no edit lists. */
export function writeMovie(out: BoxWriter, tracks: readonly MovieTrack[], timescale: number): void {
  out.box('moov', () => {
    writeMovieHeader(out, timescale, Math.max(...tracks.map((track) => track.trackId)) + 1)
    for (const track of tracks) writeTrack(out, track)
    out.box('mvex', () => {
      for (const { trackId } of tracks) writeTrackExtends(out, trackId)
    })
  })
}

function writeMovieHeader(out: BoxWriter, timescale: number, nextTrackId: number): void {
  out.fullBox('mvhd', 0, 0, () => {
    out.zeros(8)
    out.u32(timescale)
    out.u32(0)
    out.u32(NORMAL_RATE)
    out.u16(FULL_VOLUME)
    out.zeros(10)
    writeMatrix(out)
    out.zeros(24)
    out.u32(nextTrackId)
  })
}

function readTrackExtends(trex: Box, defaults: Map<number, SampleDefaults>): void {
  const { reader } = openFullBox(trex)
  const trackId = reader.u32()
  reader.skip(4)
  defaults.set(trackId, { durationTicks: reader.u32(), sizeBytes: reader.u32(), flags: reader.u32() })
}

/** Defaults are all 0: every fragment says its own, so that it can be read by itself. */
function writeTrackExtends(out: BoxWriter, trackId: number): void {
  out.fullBox('trex', 0, 0, () => {
    out.u32(trackId)
    out.u32(1)
    out.zeros(12)
  })
}
