import { sectionCrc } from '../media/mpegts/section-crc.ts'
import { type SegmentationDescriptor, singleUpids, upidText } from '../media/scte35/segmentation.ts'
import type { SpliceInsert } from '../media/scte35/splice-command.ts'
import { plainSplice, readSpliceInfo, writeSpliceInfo } from '../media/scte35/splice-info.ts'
import type { Marker } from '../presentation/markers.ts'
import type { MarkerNews } from './markers-news.ts'

/** When a message is about, and what whoever brought it says beside it. Ticks of 90 kHz. */
export type SpliceContext = {
  readonly startTicks: number
  readonly plannedTicks?: number
}

const PTS_WRAP = 2 ** 33
/** Break, provider and distributor advertisement, placement opportunity, overlay, promo, advertisement block; the end is one more. */
const BREAK_STARTS: ReadonlySet<number> = new Set([0x22, 0x30, 0x32, 0x34, 0x36, 0x38, 0x3a, 0x3c, 0x3e, 0x44, 0x46])
/** Of one message; each of its segmentations makes a marker that holds all of it. */
const MAX_SEGMENTATIONS = 16
const PROGRAM_TYPES = { first: 0x10, last: 0x19 } as const

/**
 * What an SCTE-35 message says of markers. Its own times are of a clock that came in with it, which nobody here knows:
 * `startTicks` counts. Of segmentations it is the first sixteen. @throws FormatError
 */
export function spliceNews(section: Uint8Array, context: SpliceContext): MarkerNews[] {
  const { command, descriptors } = readSpliceInfo(section)
  const segmentations = descriptors.filter((descriptor) => descriptor.type === 'segmentation')
  if (command.type === 'splice-insert') return [insertNews(command, section, context)]
  if (command.type === 'time-signal' && segmentations.length > 0) {
    const taken = segmentations.slice(0, MAX_SEGMENTATIONS)
    return taken.flatMap((descriptor) => segmentationNews(descriptor, section, context))
  }
  if (command.type !== 'time-signal' && command.type !== 'other') return []
  const { startTicks } = context
  return [{ type: 'begin', id: `${command.type}-${startTicks}`, kind: 'splice', startTicks, scte35: section }]
}

function insertNews(insert: SpliceInsert, scte35: Uint8Array, { startTicks, plannedTicks }: SpliceContext): MarkerNews {
  const id = `splice-${insert.eventId}`
  if (insert.isCancelled) return { type: 'cancel', id }
  if (!insert.isOut) return { type: 'end', id, endTicks: startTicks, scte35 }
  const { breakDuration, uniqueProgramId, availNum, availsExpected } = insert
  const planned = breakDuration?.ticks ?? plannedTicks
  const avail = { program: String(uniqueProgramId), avail: String(availNum), avails: String(availsExpected) }
  return {
    type: 'begin',
    id,
    kind: 'ad-break',
    startTicks,
    scte35,
    ...(planned !== undefined && { plannedTicks: planned }),
    ...(breakDuration?.autoReturn && { autoReturn: true }),
    ...((uniqueProgramId > 0 || availNum > 0) && { values: avail }),
  }
}

function segmentationNews(
  descriptor: SegmentationDescriptor,
  scte35: Uint8Array,
  { startTicks, plannedTicks }: SpliceContext,
): MarkerNews[] {
  const { eventId } = descriptor
  const id = `segmentation-${eventId}`
  if (descriptor.isCancelled) return [{ type: 'cancel', id, isFamily: true }]
  const { typeId } = descriptor
  // A length of 0 says as little as none.
  const durationTicks = descriptor.durationTicks || plannedTicks
  if (BREAK_STARTS.has(typeId - 1)) return [{ type: 'end', id: `${id}-t${typeId - 1}`, endTicks: startTicks, scte35 }]
  const isBreak = BREAK_STARTS.has(typeId)
  const isProgram = typeId >= PROGRAM_TYPES.first && typeId <= PROGRAM_TYPES.last
  const kind = isBreak ? 'ad-break' : isProgram ? 'program-boundary' : 'splice'
  return [
    {
      type: 'begin',
      id: `${id}-t${typeId}`,
      kind,
      startTicks,
      scte35,
      ...(durationTicks !== undefined && { plannedTicks: durationTicks }),
      // The message that ends it may be left out where it says how long it is (§10.3.3).
      ...(isBreak && descriptor.durationTicks && { autoReturn: true as const }),
      values: segmentationValues(descriptor),
    },
  ]
}

function segmentationValues(descriptor: SegmentationDescriptor & { isCancelled: false }): Record<string, string> {
  const { typeId, upid, segmentNum, segmentsExpected } = descriptor
  const ids = singleUpids(upid).map(upidText).join(' ')
  return {
    'segmentation-type': `0x${typeId.toString(16).padStart(2, '0')}`,
    ...(ids !== '' && { upid: ids.slice(0, 512) }),
    ...(segmentsExpected > 0 && { segment: `${segmentNum}/${segmentsExpected}` }),
  }
}

/** The message that begins a break for which none came: `splice_insert`, on the presentation's own clock. */
export function spliceOut(marker: Pick<Marker, 'id' | 'startTicks' | 'plannedTicks' | 'autoReturn'>): Uint8Array {
  const { startTicks, plannedTicks, autoReturn = false } = marker
  const breakDuration = plannedTicks === undefined ? {} : { breakDuration: { autoReturn, ticks: plannedTicks } }
  return writeInsert({ ...insertOf(marker.id), isOut: true, time: startTicks % PTS_WRAP, ...breakDuration })
}

/** The message that ends it. */
export function spliceIn({ id, startTicks, durationTicks = 0 }: Marker): Uint8Array {
  return writeInsert({ ...insertOf(id), isOut: false, time: (startTicks + durationTicks) % PTS_WRAP })
}

function insertOf(id: string) {
  return {
    type: 'splice-insert',
    // What numbers an event is a digest of its name, so that its end has the number of its begin.
    eventId: sectionCrc(Buffer.from(id)),
    isCancelled: false,
    eventIdCompliance: true,
    uniqueProgramId: 0,
    availNum: 0,
    availsExpected: 0,
  } as const
}

function writeInsert(command: SpliceInsert): Uint8Array {
  return writeSpliceInfo({ ...plainSplice, command, descriptors: [] })
}
