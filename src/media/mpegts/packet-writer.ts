import { AppError } from '../../lib/errors.ts'
import { writeClockReference } from './timestamps.ts'

/** Bytes of a transport packet, and the first of them (ISO/IEC 13818-1 §2.4.3.2). */
export const PACKET_BYTES = 188
export const SYNC_BYTE = 0x47
/** What a packet without an adaptation field carries. */
export const PAYLOAD_BYTES = 184

const UNIT_START = 0x4000
const PAYLOAD = 0x10
const ADAPTATION = 0x20
const COUNTER_MASK = 15
/** An adaptation field's flags (§2.4.3.4). */
const RANDOM_ACCESS = 0x40
const HAS_PCR = 0x10
/** Below this a loop is faster than a call. */
const SHORT_COPY = 24

/** Bytes to be carried: `from` ≤ offset < `to` of `bytes`. */
export type Piece = { readonly bytes: Uint8Array; readonly from: number; readonly to: number }

/** How a PES packet begins on its PID. */
export type UnitStart = {
  readonly pid: number
  /** The program's clock, 90 kHz; absent: not said here. */
  readonly pcrTicks?: number
  readonly randomAccess: boolean
  /** Of the PES packet, header and all. */
  readonly sizeBytes: number
  /** The transport packets that it is to take. With more than it needs, they share it evenly. */
  readonly packets: number
  /** What has to stand in the first packet: its PES header. */
  readonly headBytes: number
}

/** Bytes of the adaptation field that a unit begins with. */
export function adaptationBytes({ pcrTicks, randomAccess }: Pick<UnitStart, 'pcrTicks' | 'randomAccess'>): number {
  if (pcrTicks !== undefined) return 8
  return randomAccess ? 2 : 0
}

/** The packets that a unit needs at least. */
export function packetsFor(sizeBytes: number, adaptation: number): number {
  const first = PAYLOAD_BYTES - adaptation
  return sizeBytes <= first ? 1 : 1 + Math.ceil((sizeBytes - first) / PAYLOAD_BYTES)
}

/** Fills memory of an exact size with transport packets, one after another. Nothing is allocated for a packet. */
export class PacketWriter {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #counters = new Map<number, number>()
  #at = 0
  /** Of the unit that is being written. */
  #pid = 0
  #unitLeft = 0
  #packetsLeft = 0
  #isSpread = false
  /** Free payload of the packet that is open. */
  #left = 0
  #source: Uint8Array | undefined
  #sourceView: DataView

  /** `memory`: for all packets, whatever lay there before, since every byte is written. */
  constructor(memory: Buffer) {
    this.bytes = new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength)
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength)
    this.#sourceView = this.#view
  }

  /** A packet that is there already, but for its continuity counter. */
  table(pid: number, packet: Uint8Array): void {
    this.bytes.set(packet, this.#at)
    this.bytes[this.#at + 3] = PAYLOAD | this.#nextCounter(pid)
    this.#at += PACKET_BYTES
  }

  /** A packet of the clock alone: without payload, its counter is that of the packet before (§2.4.3.3). */
  clock(pid: number, pcrTicks: number): void {
    const at = this.#at
    const counter = ((this.#counters.get(pid) ?? 0) - 1) & COUNTER_MASK
    this.#header(pid, ADAPTATION | counter)
    this.bytes[at + 4] = PACKET_BYTES - 5
    this.bytes[at + 5] = HAS_PCR
    writeClockReference(this.bytes, at + 6, pcrTicks)
    this.bytes.fill(0xff, at + 12, at + PACKET_BYTES)
    this.#at += PACKET_BYTES
  }

  /** Opens the first packet of a unit; `carry` then has to be given its bytes, exactly as many as were announced. */
  begin(unit: UnitStart): void {
    if (this.#unitLeft !== 0) throw new AppError('INTERNAL', `${this.#unitLeft} bytes of a unit were not given`)
    const adaptation = adaptationBytes(unit)
    const { pid, sizeBytes, packets, headBytes, pcrTicks } = unit
    this.#pid = pid
    this.#unitLeft = sizeBytes
    this.#packetsLeft = packets
    this.#isSpread = packets > packetsFor(sizeBytes, adaptation)
    const room = PAYLOAD_BYTES - adaptation
    const fair = this.#isSpread ? Math.max(headBytes, Math.ceil(sizeBytes / packets)) : room
    // Each packet that follows has a byte at least.
    const payload = Math.min(room, fair, sizeBytes - packets + 1)
    this.#open(pid | UNIT_START, payload, adaptation)
    if (adaptation === 0) return
    const flags = (unit.randomAccess ? RANDOM_ACCESS : 0) | (pcrTicks === undefined ? 0 : HAS_PCR)
    const start = this.#at - PACKET_BYTES
    this.bytes[start + 5] = flags
    if (pcrTicks !== undefined) writeClockReference(this.bytes, start + 6, pcrTicks)
  }

  /** The next bytes of the unit. */
  carry({ bytes, from, to }: Piece): void {
    let at = from
    while (at < to) {
      if (this.#left === 0) {
        if (!this.#isSpread && this.#unitLeft >= PAYLOAD_BYTES && to - at >= PAYLOAD_BYTES) {
          at = this.#carryWhole(bytes, at, Math.floor((to - at) / PAYLOAD_BYTES))
          continue
        }
        this.#openNext()
      }
      const count = Math.min(this.#left, to - at)
      this.#copy(bytes, at, at + count)
      this.#left -= count
      this.#unitLeft -= count
      at += count
    }
  }

  /** The packets, when all are written. */
  finish(): Uint8Array {
    if (this.#at !== this.bytes.byteLength || this.#unitLeft !== 0) {
      throw new AppError('INTERNAL', `${this.#at} of ${this.bytes.byteLength} bytes of transport packets were written`)
    }
    return this.bytes
  }

  #openNext(): void {
    const share = this.#isSpread ? Math.ceil(this.#unitLeft / this.#packetsLeft) : PAYLOAD_BYTES
    this.#open(this.#pid, Math.min(share, this.#unitLeft), 0)
  }

  /** A packet with `payload` free bytes at its end, what is before them stuffed (§2.4.3.5); `adaptation` bytes of that are for the caller. */
  #open(pid: number, payload: number, adaptation: number): void {
    const at = this.#at
    const field = PAYLOAD_BYTES - payload
    const counter = this.#nextCounter(this.#pid)
    this.#header(pid, (field > 0 ? ADAPTATION : 0) | PAYLOAD | counter)
    if (field > 0) this.bytes[at + 4] = field - 1
    if (field > 1) this.bytes[at + 5] = 0
    if (field > 2) this.bytes.fill(0xff, at + 4 + Math.max(2, adaptation), at + 4 + field)
    this.#at += PACKET_BYTES
    this.#left = payload
    this.#packetsLeft--
  }

  /** Whole packets without an adaptation field; gives where the next byte is read. */
  #carryWhole(bytes: Uint8Array, from: number, packets: number): number {
    if (this.#source !== bytes) {
      this.#source = bytes
      this.#sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const head = ((SYNC_BYTE << 24) | (this.#pid << 8) | PAYLOAD) >>> 0
    const counter = this.#counters.get(this.#pid) ?? 0
    writePackets(this.#view, this.#at, this.#sourceView, from, packets, head, counter)
    this.#counters.set(this.#pid, (counter + packets) & COUNTER_MASK)
    this.#at += packets * PACKET_BYTES
    this.#unitLeft -= packets * PAYLOAD_BYTES
    this.#packetsLeft -= packets
    return from + packets * PAYLOAD_BYTES
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    const out = this.bytes
    let at = this.#at - this.#left
    // `TypedArray.set` would need a view of each piece, and is slow from shared memory.
    if (to - from > SHORT_COPY) Buffer.prototype.copy.call(bytes, out, at, from, to)
    else for (let read = from; read < to; read++) out[at++] = bytes[read] ?? 0
  }

  #header(pid: number, last: number): void {
    this.#view.setUint32(this.#at, ((SYNC_BYTE << 24) | (pid << 8) | last) >>> 0)
  }

  #nextCounter(pid: number): number {
    const counter = this.#counters.get(pid) ?? 0
    this.#counters.set(pid, (counter + 1) & COUNTER_MASK)
    return counter
  }
}

/**
 * Eight bytes at a time are read and written in place: measured, that is as fast as one copy of everything, and twice as fast as a call
 * for each packet. It stands outside of the class, so that the compiled code lives on when no writer does.
 */
function writePackets(
  out: DataView,
  start: number,
  source: DataView,
  from: number,
  packets: number,
  head: number,
  counter: number,
): void {
  let at = start
  let read = from
  for (let packet = 0; packet < packets; packet++) {
    out.setUint32(at, head | ((counter + packet) & COUNTER_MASK))
    at += 4
    for (const end = at + PAYLOAD_BYTES; at < end; at += 8, read += 8) {
      out.setBigUint64(at, source.getBigUint64(read, true), true)
    }
  }
}
