/**
 * Reads MPEG transport streams packet by packet, and says what is wrong with them (ISO/IEC 13818-1; RFC 8216 §3.2). It was written
 * from the standard, without a look at the muxer, and shares no code with it.
 */

/** A PES packet as it was found. Times are the 33 bits that stand there. */
export type FoundPes = {
  readonly pts: number
  readonly dts: number
  readonly randomAccess: boolean
  readonly streamId: number
  readonly payload: Buffer
}

export type FoundStream = {
  readonly pid: number
  readonly streamType: number
  readonly descriptors: Buffer
  readonly pes: readonly FoundPes[]
}

/** What a run of segments holds, and every rule that it breaks. */
export type Checked = { readonly streams: readonly FoundStream[]; readonly violations: readonly string[] }

/** `clock`: as it was when the last byte came. */
type OpenPes = { chunks: Buffer[]; randomAccess: boolean; clock: bigint | undefined }

const WRAP = 2n ** 33n
const PCR_LIMIT = 27_000_000n / 10n

/** Reads segments as a player would that fetches them one after another. `contiguous`: each begins where the one before ends. */
export function checkSegments(segments: readonly Uint8Array[], { contiguous = true } = {}): Checked {
  const run = new Run(contiguous)
  for (const [index, segment] of segments.entries()) run.segment(index, Buffer.from(segment))
  return run.result()
}

class Run {
  readonly #violations: string[] = []
  readonly #contiguous: boolean
  readonly #counters = new Map<number, number>()
  readonly #streams = new Map<number, { streamType: number; descriptors: Buffer; pes: FoundPes[]; open?: OpenPes }>()
  readonly #lastDts = new Map<number, number>()
  #pmtPid = -1
  #pcrPid = -1
  #pcr: bigint | undefined
  #where = ''

  constructor(contiguous: boolean) {
    this.#contiguous = contiguous
  }

  result(): Checked {
    const streams = [...this.#streams].map(([pid, { streamType, descriptors, pes }]) => {
      return { pid, streamType, descriptors, pes }
    })
    return { streams, violations: this.#violations }
  }

  segment(index: number, bytes: Buffer): void {
    this.#where = `segment ${index}`
    if (bytes.length === 0 || bytes.length % 188 !== 0) {
      this.#fail(`${bytes.length} bytes are no whole packets`)
      return
    }
    if (!this.#contiguous) {
      this.#pcr = undefined
      this.#lastDts.clear()
    }
    const payloads = new Map<number, number>()
    for (let at = 0; at < bytes.length; at += 188) {
      this.#where = `segment ${index} packet ${at / 188}`
      const packet = bytes.subarray(at, at + 188)
      const pid = packet.readUInt16BE(1) & 0x1fff
      if (at === 0 && pid !== 0) this.#fail('does not begin with the PAT')
      if (at === 188 && pid !== this.#pmtPid) this.#fail('has no PMT behind the PAT')
      if (this.#packet(pid, packet)) payloads.set(pid, (payloads.get(pid) ?? 0) + 1)
    }
    this.#where = `segment ${index}`
    for (const [pid, count] of payloads) if (count % 16 !== 0) this.#fail(`${count} packets of PID ${pid}`)
    for (const pid of this.#streams.keys()) this.#close(pid)
  }

  /** Gives whether the packet has a payload. */
  #packet(pid: number, packet: Buffer): boolean {
    if (packet[0] !== 0x47) this.#fail('no sync byte')
    if ((packet[1]! & 0x80) !== 0) this.#fail('transport error')
    if (packet[3]! >>> 6 !== 0) this.#fail('scrambled')
    const hasField = (packet[3]! & 0x20) !== 0
    const hasPayload = (packet[3]! & 0x10) !== 0
    this.#counter(pid, packet[3]! & 15, hasPayload)
    let at = 4
    let randomAccess = false
    if (hasField) {
      randomAccess = this.#field(pid, packet, hasPayload)
      at += 1 + packet[4]!
    }
    if (!hasPayload) return false
    if (at >= 188) this.#fail('a payload of nothing')
    this.#payload(pid, packet.subarray(at), (packet[1]! & 0x40) !== 0, randomAccess)
    return true
  }

  #counter(pid: number, counter: number, hasPayload: boolean): void {
    const last = this.#counters.get(pid) ?? 15
    const wanted = hasPayload ? (last + 1) % 16 : last
    if (counter !== wanted) this.#fail(`PID ${pid} counts ${counter} after ${last}`)
    this.#counters.set(pid, counter)
  }

  #field(pid: number, packet: Buffer, hasPayload: boolean): boolean {
    const length = packet[4]!
    if (hasPayload ? length > 182 : length !== 183) this.#fail(`an adaptation field of ${length}`)
    if (length === 0) return false
    const flags = packet[5]!
    if ((flags & 0x2f) !== 0) this.#fail(`adaptation flags ${flags}`)
    const hasPcr = (flags & 0x10) !== 0
    for (let at = hasPcr ? 12 : 6; at < 5 + length; at++)
      if (packet[at] !== 0xff) this.#fail('stuffing that is not 0xff')
    if (hasPcr) {
      if (length < 7) this.#fail('no room for its PCR')
      const raw = packet.readBigUInt64BE(4) & 0xffff_ffff_ffffn
      this.#clock(pid, (raw >> 15n) * 300n + (raw & 0x1ffn), (raw >> 9n) & 0x3fn)
    }
    return (flags & 0x40) !== 0
  }

  #clock(pid: number, pcr: bigint, reserved: bigint): void {
    if (pid !== this.#pcrPid) this.#fail(`a PCR on PID ${pid}`)
    if (reserved !== 0x3fn) this.#fail('reserved bits of a PCR')
    if (this.#pcr !== undefined) {
      const step = (pcr - this.#pcr + WRAP * 300n) % (WRAP * 300n)
      if (step === 0n || step > PCR_LIMIT) this.#fail(`${Number(step) / 27_000} ms between two PCR`)
    }
    this.#pcr = pcr
  }

  #payload(pid: number, payload: Buffer, isStart: boolean, randomAccess: boolean): void {
    if (pid === 0 || pid === this.#pmtPid) {
      if (!isStart) {
        this.#fail('a table goes on in a second packet')
        return
      }
      const section = this.#section(payload)
      if (section && pid === 0) this.#pat(section)
      else if (section) this.#pmt(section)
      return
    }
    const stream = this.#streams.get(pid)
    if (!stream) {
      this.#fail(`PID ${pid} is in no PMT`)
      return
    }
    if (isStart) {
      this.#close(pid)
      stream.open = { chunks: [payload], randomAccess, clock: this.#pcr }
    } else if (stream.open) {
      stream.open.chunks.push(payload)
      stream.open.clock = this.#pcr
    } else this.#fail(`PID ${pid} goes on with what never began`)
  }

  #section(payload: Buffer): Buffer | undefined {
    const start = 1 + payload[0]!
    const length = payload.readUInt16BE(start + 1) & 0xfff
    const section = payload.subarray(start, start + 3 + length)
    if (remainder(section) !== 0) this.#fail('a table with a wrong CRC')
    if (payload.subarray(start + 3 + length).some((byte) => byte !== 0xff))
      this.#fail('a table with something behind it')
    return section
  }

  #pat(section: Buffer): void {
    if (section[0] !== 0 || section.length !== 16) this.#fail('no PAT of one program')
    this.#pmtPid = section.readUInt16BE(10) & 0x1fff
  }

  #pmt(section: Buffer): void {
    if (section[0] !== 2) this.#fail('no PMT')
    this.#pcrPid = section.readUInt16BE(8) & 0x1fff
    let at = 12 + (section.readUInt16BE(10) & 0xfff)
    while (at < section.length - 4) {
      const pid = section.readUInt16BE(at + 1) & 0x1fff
      const length = section.readUInt16BE(at + 3) & 0xfff
      const descriptors = section.subarray(at + 5, at + 5 + length)
      if (!this.#streams.has(pid)) this.#streams.set(pid, { streamType: section[at]!, descriptors, pes: [] })
      at += 5 + length
    }
    if (at !== section.length - 4) this.#fail('a PMT whose lengths disagree')
    if (!this.#streams.has(this.#pcrPid)) this.#fail('the PCR is on no stream of the program')
  }

  #close(pid: number): void {
    const stream = this.#streams.get(pid)
    if (!stream?.open) return
    const { chunks, randomAccess, clock } = stream.open
    delete stream.open
    const bytes = Buffer.concat(chunks)
    if (bytes.readUIntBE(0, 3) !== 1) {
      this.#fail('a PES packet without its start code')
      return
    }
    const streamId = bytes[3]!
    const stated = bytes.readUInt16BE(4)
    const isVideo = streamId >>> 4 === 0xe
    if (stated === 0 ? !isVideo || bytes.length <= 0xffff : stated !== bytes.length - 6) {
      this.#fail(`a PES packet of ${bytes.length} bytes says ${stated}`)
    }
    if (bytes[6]! >>> 6 !== 2) this.#fail('PES flags')
    const which = bytes[7]! >>> 6
    if (which < 2 || bytes[8] !== (which === 3 ? 10 : 5)) this.#fail('a PES header without a PTS')
    const pts = this.#time(bytes, 9, which)
    const dts = which === 3 ? this.#time(bytes, 14, 1) : pts
    this.#order(pid, pts, dts, clock)
    stream.pes.push({ pts, dts, randomAccess, streamId, payload: bytes.subarray(9 + bytes[8]!) })
  }

  #time(bytes: Buffer, at: number, marker: number): number {
    if (bytes[at]! >>> 4 !== marker) this.#fail('a time with a wrong marker')
    if ((bytes[at]! & bytes[at + 2]! & bytes[at + 4]! & 1) !== 1) this.#fail('a time without marker bits')
    const high = (bytes[at]! >>> 1) & 7
    return high * 2 ** 30 + (bytes.readUInt16BE(at + 1) >>> 1) * 2 ** 15 + (bytes.readUInt16BE(at + 3) >>> 1)
  }

  #order(pid: number, pts: number, dts: number, clock: bigint | undefined): void {
    const wrap = Number(WRAP)
    const last = this.#lastDts.get(pid)
    if ((pts - dts + wrap) % wrap > wrap / 2) this.#fail('presented before it is decoded')
    if (last !== undefined && (dts === last || (dts - last + wrap) % wrap > wrap / 2)) this.#fail('DTS goes back')
    if (clock !== undefined) {
      const ahead = (dts - Number(clock / 300n) + wrap) % wrap
      if (ahead > 90_000) this.#fail(`decoded ${ahead} ticks after its clock`)
    }
    this.#lastDts.set(pid, dts)
  }

  #fail(problem: string): void {
    this.#violations.push(`${this.#where}: ${problem}`)
  }
}

/** What is left of a division by the polynomial of annex A: 0 for a section that ends with its own CRC. */
function remainder(section: Buffer): number {
  let register = 0xffffffffn
  for (const byte of section) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = (register >> 31n) ^ BigInt((byte >>> bit) & 1)
      register = ((register << 1n) & 0xffffffffn) ^ (carry === 1n ? 0x04c11db7n : 0n)
    }
  }
  return Number(register)
}
