import { AppError, FormatError } from '../../lib/errors.ts'
import type { ElementaryStream } from './elementary-stream.ts'
import { adaptationBytes, PACKET_BYTES, PacketWriter, type Piece, packetsFor, type UnitStart } from './packet-writer.ts'
import { PAT_PID, PMT_PID, programTables } from './program-tables.ts'
import { TRANSPORT_TIMESCALE, writeTimestamp } from './timestamps.ts'

/** One PES packet: an access unit of video, some frames of audio. Times are `transportTicks`, not cut to 33 bits. */
export type PesPacket = {
  readonly dtsTicks: number
  readonly ptsTicks: number
  readonly durationTicks: number
  readonly randomAccess: boolean
  readonly pieces: readonly Piece[]
}

/** A stream and its packets in the order of their DTS. */
export type StreamPackets = { readonly stream: ElementaryStream; readonly packets: readonly PesPacket[] }

/** Each PID has a multiple of this in every segment, so that counters go on from any segment to any other. */
const COUNTER_CYCLE = 16
/** Times the tables stand in a segment: once would do, but for the counters of their PIDs. */
const TABLE_REPEATS = COUNTER_CYCLE
/** How long a packet waits for its decoding: the clock runs behind DTS by this. */
const CLOCK_LAG_TICKS = TRANSPORT_TIMESCALE / 2
/** What ISO/IEC 13818-1 §2.7.2 allows between two clock references. */
const CLOCK_INTERVAL_TICKS = 0.1 * TRANSPORT_TIMESCALE
/** Across a longer hole there is no clock: nothing is decoded in it. */
const MAX_CLOCK_HOLE_TICKS = 20 * TRANSPORT_TIMESCALE
/** More than a quarter of an hour has: what asks for more is broken. */
const MAX_CLOCKS = 10_000
const MAX_PES_LENGTH = 0xffff
const PES_START_BYTES = 6
const PTS_ONLY_BYTES = 14
const PTS_AND_DTS_BYTES = 19
const VIDEO_STREAM_ID = 0xe0

type PlannedUnit = UnitStart & {
  readonly stream: ElementaryStream
  readonly packet: PesPacket
  /** Packets of the clock alone before this one. */
  readonly clocksBefore: readonly number[]
}

type Plan = {
  readonly units: readonly PlannedUnit[]
  readonly clocksAfter: readonly number[]
  readonly packets: number
}

/**
 * A segment of a transport stream (ISO/IEC 13818-1): the tables first, the streams in the order of their DTS, the clock of the program on the
 * first of them. It is a function of its input alone, one allocation of the exact size. @throws FormatError for a unit that PES can't carry
 */
export function buildTransportSegment(
  streams: readonly StreamPackets[],
  take: (sizeBytes: number) => Buffer = Buffer.allocUnsafeSlow,
): Uint8Array {
  const [main] = streams
  if (!main || main.packets.length === 0) throw new FormatError('segment', 0, 'no samples')
  const { units, clocksAfter, packets } = planSegment(streams, main)
  const { pid: pcrPid } = main.stream
  const elementary = streams.map(({ stream }) => stream)
  const { pat, pmt } = programTables(elementary, pcrPid)
  const writer = new PacketWriter(take(packets * PACKET_BYTES))
  let tables = 0
  for (const [index, unit] of units.entries()) {
    for (; tables < TABLE_REPEATS && Math.floor((tables * units.length) / TABLE_REPEATS) <= index; tables++) {
      writer.table(PAT_PID, pat)
      writer.table(PMT_PID, pmt)
    }
    for (const ticks of unit.clocksBefore) writer.clock(pcrPid, ticks)
    writeUnit(writer, unit)
  }
  for (const ticks of clocksAfter) writer.clock(pcrPid, ticks)
  return writer.finish()
}

function planSegment(streams: readonly StreamPackets[], main: StreamPackets): Plan {
  const units: PlannedUnit[] = []
  const lastOf = new Map<ElementaryStream, number>()
  const counts = new Map<ElementaryStream, number>()
  let packets = 2 * TABLE_REPEATS
  let clocks = 0
  let clockTicks: number | undefined
  let endTicks = 0
  for (const { stream, packet } of inDecodingOrder(streams)) {
    const hasClock = stream === main.stream
    const pcrTicks = packet.dtsTicks - CLOCK_LAG_TICKS
    const clocksBefore = hasClock && clockTicks !== undefined ? clocksBetween(clockTicks, pcrTicks) : []
    clocks += clocksBefore.length
    if (clocks > MAX_CLOCKS) throw new FormatError('segment', units.length, 'holes between its samples')
    if (hasClock) {
      clockTicks = pcrTicks
      endTicks = pcrTicks + packet.durationTicks
    }
    const unit = planUnit(stream, packet, hasClock ? pcrTicks : undefined, clocksBefore)
    lastOf.set(stream, units.length)
    counts.set(stream, (counts.get(stream) ?? 0) + unit.packets)
    packets += unit.packets + clocksBefore.length
    units.push(unit)
  }
  for (const [stream, index] of lastOf) {
    const unit = units[index] as PlannedUnit
    const missing = -(counts.get(stream) ?? 0) & (COUNTER_CYCLE - 1)
    if (unit.packets + missing > unit.sizeBytes) throw new FormatError('sample', index, 'an empty frame')
    units[index] = { ...unit, packets: unit.packets + missing }
    packets += missing
  }
  const clocksAfter = clocksBetween(clockTicks ?? 0, endTicks)
  return { units, clocksAfter, packets: packets + clocksAfter.length }
}

/** Audio goes before video of the same time. */
function* inDecodingOrder(streams: readonly StreamPackets[]) {
  const next = streams.map(() => 0)
  for (;;) {
    let chosen = -1
    let earliest = Number.POSITIVE_INFINITY
    for (const [index, { packets }] of streams.entries()) {
      const { dtsTicks } = packets[next[index] ?? 0] ?? { dtsTicks: Number.POSITIVE_INFINITY }
      if (dtsTicks > earliest || dtsTicks === Number.POSITIVE_INFINITY) continue
      chosen = index
      earliest = dtsTicks
    }
    const from = streams[chosen]
    const packet = from?.packets[next[chosen] ?? 0]
    if (!from || !packet) return
    next[chosen] = (next[chosen] ?? 0) + 1
    yield { stream: from.stream, packet }
  }
}

/** The clock references that are missing between two, at even distances. */
function clocksBetween(fromTicks: number, toTicks: number): readonly number[] {
  const hole = toTicks - fromTicks
  if (hole <= CLOCK_INTERVAL_TICKS || hole > MAX_CLOCK_HOLE_TICKS) return []
  const steps = Math.ceil(hole / CLOCK_INTERVAL_TICKS)
  return Array.from({ length: steps - 1 }, (_, step) => fromTicks + Math.floor((hole * (step + 1)) / steps))
}

function planUnit(
  stream: ElementaryStream,
  packet: PesPacket,
  pcrTicks: number | undefined,
  clocksBefore: readonly number[],
): PlannedUnit {
  const headBytes = packet.ptsTicks === packet.dtsTicks ? PTS_ONLY_BYTES : PTS_AND_DTS_BYTES
  let sizeBytes = headBytes
  for (const { from, to } of packet.pieces) sizeBytes += to - from
  const { randomAccess } = packet
  const clock = pcrTicks === undefined ? {} : { pcrTicks }
  const packets = packetsFor(sizeBytes, adaptationBytes({ ...clock, randomAccess }))
  return { pid: stream.pid, stream, packet, clocksBefore, headBytes, sizeBytes, packets, randomAccess, ...clock }
}

function writeUnit(writer: PacketWriter, unit: PlannedUnit): void {
  const { stream, packet, headBytes, sizeBytes } = unit
  writer.begin(unit)
  writer.carry({ bytes: pesHeader(stream.streamId, packet, headBytes, sizeBytes), from: 0, to: headBytes })
  for (const piece of packet.pieces) writer.carry(piece)
}

/** ISO/IEC 13818-1 §2.4.3.6. A length that 16 bits don't hold is left out, which only video may do. */
function pesHeader(
  streamId: number,
  { ptsTicks, dtsTicks }: PesPacket,
  headBytes: number,
  sizeBytes: number,
): Uint8Array {
  const length = sizeBytes - PES_START_BYTES
  if (length > MAX_PES_LENGTH && streamId !== VIDEO_STREAM_ID) {
    throw new AppError('LIMIT_EXCEEDED', `An audio frame of ${length} bytes has no place in a transport stream.`)
  }
  const header = new Uint8Array(headBytes)
  const stated = length > MAX_PES_LENGTH ? 0 : length
  const hasDts = headBytes === PTS_AND_DTS_BYTES
  header.set([0, 0, 1, streamId, stated >>> 8, stated & 0xff, 0x84, hasDts ? 0xc0 : 0x80, headBytes - 9])
  writeTimestamp(header, 9, hasDts ? 3 : 2, ptsTicks)
  if (hasDts) writeTimestamp(header, 14, 1, dtsTicks)
  return header
}
