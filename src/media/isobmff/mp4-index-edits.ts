import { AppError } from '../../lib/errors.ts'
import { type Box, childrenOf, findBox, openFullBox } from './boxes.ts'

/** What an edit list (ISO/IEC 14496-12 §8.6.6) makes of a track's own time. */
export type EditedTime = {
  /** Seconds of nothing before the track begins. */
  readonly delaySeconds: number
  /** The presentation time, in ticks of the track, at which it begins. */
  readonly mediaTicks: number
  /** How long it is presented from there on, in seconds; absent: to the end. */
  readonly durationSeconds?: number
}

/** Without an edit list a track is presented as it stands. */
export const UNEDITED: EditedTime = { delaySeconds: 0, mediaTicks: 0 }

type Edit = { readonly durationTicks: number; readonly mediaTicks: number; readonly rate: number }

const NORMAL_RATE = 0x00010000
/** Edits that begin this near to where the last one ended go on with it: writers round to the movie's timescale. */
const JOINT_SECONDS = 0.002

/**
 * The edit list of a `trak`: empty edits, then one stretch of the media, possibly in pieces that join.
 *
 * @throws AppError `MEDIA_UNSUPPORTED` for what takes a track apart: pauses, other speeds, a stretch elsewhere in the media
 */
export function readEditList(trakBoxes: readonly Box[], movieTimescale: number, timescale: number): EditedTime {
  const edts = findBox(trakBoxes, 'edts')
  const elst = edts && findBox(childrenOf(edts), 'elst')
  if (elst === undefined) return UNEDITED
  let delayTicks = 0
  let begin: number | undefined
  let shownSeconds = 0
  let isOpen = false
  for (const { durationTicks, mediaTicks, rate } of readEdits(elst)) {
    if (mediaTicks < 0) {
      if (begin === undefined) delayTicks += durationTicks
      continue
    }
    if (rate !== NORMAL_RATE) throw unsupported(elst, `an edit at ${rate / NORMAL_RATE} times the speed`)
    const reached = begin === undefined ? mediaTicks : begin + shownSeconds * timescale
    if (Math.abs(reached - mediaTicks) > JOINT_SECONDS * timescale || isOpen) {
      throw unsupported(elst, 'several stretches of the media one after another')
    }
    begin ??= mediaTicks
    shownSeconds += durationTicks / movieTimescale
    isOpen = durationTicks === 0
  }
  const delaySeconds = delayTicks / movieTimescale
  if (begin === undefined) return { delaySeconds, mediaTicks: 0 }
  if (isOpen) return { delaySeconds, mediaTicks: begin }
  return { delaySeconds, mediaTicks: begin, durationSeconds: shownSeconds }
}

/** One by one: a file may have millions of them. */
function* readEdits(elst: Box): Generator<Edit> {
  const { version, reader } = openFullBox(elst)
  const count = reader.u32()
  const entryBytes = version === 1 ? 20 : 12
  if (count * entryBytes > reader.remaining) reader.fail(`${count} entries in ${reader.remaining} bytes`)
  for (let i = 0; i < count; i++) {
    const durationTicks = version === 1 ? reader.u64() : reader.u32()
    // -1 in 64 bits is the only value that has its first half set.
    const high = version === 1 ? reader.i32() : 0
    const low = version === 1 ? reader.u32() : reader.i32()
    const mediaTicks = version === 1 ? (high < 0 ? -1 : high * 2 ** 32 + low) : low
    yield { durationTicks, mediaTicks, rate: reader.i32() }
  }
}

function unsupported({ path }: Box, what: string): AppError {
  return new AppError('MEDIA_UNSUPPORTED', `${path} asks for ${what}: only one stretch of a track can be streamed.`)
}
