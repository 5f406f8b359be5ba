import type { SmoothInterval, SmoothReading } from './smooth-manifest-rules.ts'
import { Findings, type Violation } from './violation.ts'

/** What a fragment's address names. */
export type SmoothAddress = {
  readonly bitrate: string
  readonly stream: string
  readonly time: bigint
  /** `info`: the `moof` alone. */
  readonly part: 'fragment' | 'info'
}

type Box = { readonly type: string; readonly body: Buffer; readonly start: number }

/** `uuid` boxes ([MS-SSTR] §2.2.4.4 and §2.2.4.5). */
const TFXD = '6d1d9b0542d544e680e2141daff757b2'
const TFRF = 'd4807ef2ca3946958e5426cb9e46a79f'
const ADDRESS = /\/QualityLevels\((\d+)\)\/(Fragments|FragmentInfo)\(([^=()]+)=\s*(\d{1,19})[,)]/i
const TRUN = { dataOffset: 0x1, firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, composition: 0x800 }
const TFHD = { base: 0x1, description: 0x2, duration: 0x8, size: 0x10 }
/** Instants are rounded one by one: what they last may be off by this many ticks of 100 ns. */
const ROUNDING_TICKS = 10_000n

/** What a path names that is a fragment of Smooth Streaming; `undefined` for other paths, and those that can't be decoded. */
export function smoothAddressOf(path: string): SmoothAddress | undefined {
  const [, bitrate = '', part, stream = '', time = ''] = ADDRESS.exec(decoded(path)) ?? []
  if (part === undefined) return undefined
  return { bitrate, stream, time: BigInt(time), part: /info/i.test(part) ? 'info' : 'fragment' }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}

/**
 * Checks a fragment ([MS-SSTR] §2.2.4): one `moof` with one `traf`, samples that are the `mdat`, `tfxd` with the time of its address and
 * the duration of its samples, `tfrf` of what follows; and both as `listed`, the newest reading of the manifest, has them.
 */
export function checkSmoothFragment(
  bytes: Uint8Array,
  address: SmoothAddress,
  listed: SmoothReading | undefined,
): readonly Violation[] {
  const findings = new Findings()
  try {
    const found = readFragment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), address, findings)
    if (found && listed) checkListed(found, address, listed, findings)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    findings.expect(false, 'smooth-fragment', 'a box ends before its fields do')
  }
  return findings.all
}

type Found = { readonly own: SmoothInterval; readonly next: readonly SmoothInterval[] }

function readFragment(all: Buffer, { time, part }: SmoothAddress, findings: Findings): Found | undefined {
  const top = boxesOf(all, 0)
  const wanted = part === 'info' ? 'moof' : 'moof mdat'
  const shape = top?.map(({ type }) => type).join(' ')
  findings.expect(shape === wanted, 'smooth-fragment', () => `it is made of ${shape}`)
  const [moof, mdat] = top ?? []
  const trafs = moof && boxesOf(moof.body, moof.start + 8)?.filter(({ type }) => type === 'traf')
  const inside = trafs?.length === 1 && trafs[0] ? boxesOf(trafs[0].body, trafs[0].start + 8) : undefined
  const one = (type: string) => {
    const found = inside?.filter((box) => box.type === type) ?? []
    findings.expect(found.length === 1, 'smooth-fragment', `${type} is there ${found.length} times`)
    return found[0]?.body
  }
  const [tfhd, trun, tfxd] = [one('tfhd'), one('trun'), one(TFXD)]
  if (!tfhd || !trun || !tfxd) return undefined
  const own = intervalAt(tfxd, 20)
  // Whoever counts in doubles asks for the nearest one.
  findings.expect(Number(own.time) === Number(time), 'smooth-fragment', `asked for at ${time}, tfxd says ${own.time}`)
  const tfrf = inside?.find(({ type }) => type === TFRF)?.body
  const next = tfrf ? Array.from({ length: tfrf.readUInt8(20) }, (_, at) => intervalAt(tfrf, 21 + at * 16)) : []
  let end = own.time + own.duration
  for (const { time: at, duration } of next) {
    findings.expect(at >= end, 'smooth-fragment', () => `tfrf has a fragment at ${at}, before ${end}`)
    end = at + duration
  }
  const run = readRun(tfhd, trun)
  const off = run.duration > own.duration ? run.duration - own.duration : own.duration - run.duration
  findings.expect(off <= ROUNDING_TICKS, 'smooth-fragment', `samples last ${run.duration}, tfxd says ${own.duration}`)
  const isFilled = !mdat || (run.sizeBytes === mdat.body.length && run.offset === mdat.start + 8)
  findings.expect(
    isFilled,
    'smooth-fragment',
    () => `samples of ${run.sizeBytes} bytes at ${run.offset} are not the mdat`,
  )
  return { own, next }
}

/** A fragment is where and as long as the manifest lists it, and so are those it tells of. */
function checkListed(
  { own, next }: Found,
  { bitrate, stream }: SmoothAddress,
  listed: SmoothReading,
  findings: Findings,
) {
  const chunks =
    listed.streams.find((one) => one.name === stream && !one.isText && one.bitrates.includes(bitrate))?.chunks ?? []
  const [first, last] = [chunks[0], chunks.at(-1)]
  for (const told of [own, ...next]) {
    if (!first || !last || told.time < first.time || told.time > last.time) continue
    const found = chunks.find(({ time }) => time === told.time)
    const isSame = found?.duration === told.duration
    findings.expect(isSame, 'smooth-fragment', () => {
      return `a fragment at ${told.time} of ${told.duration} is listed with ${found?.duration ?? 'nothing'}`
    })
  }
}

/** `undefined` where boxes don't fill what they are in. `start` is that of the first in the whole. */
function boxesOf(bytes: Buffer, start: number): readonly Box[] | undefined {
  const found: Box[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.length - at >= 8 ? bytes.readUInt32BE(at) : 0
    if (size < 8 || at + size > bytes.length) return undefined
    const type = bytes.toString('latin1', at + 4, at + 8)
    const body = bytes.subarray(at + 8, at + size)
    found.push({ type: type === 'uuid' ? body.toString('hex', 0, 16) : type, body, start: start + at })
    at += size
  }
  return found
}

/** With 64 bits or, in version 0, with 32. `at` counts as if it were 64. */
function intervalAt(body: Buffer, at: number): SmoothInterval {
  if (body.readUInt8(16) === 1) return { time: body.readBigUInt64BE(at), duration: body.readBigUInt64BE(at + 8) }
  const short = at < 21 ? at : 21 + (at - 21) / 2
  return { time: BigInt(body.readUInt32BE(short)), duration: BigInt(body.readUInt32BE(short + 4)) }
}

/** ISO/IEC 14496-12 §8.8.7 and §8.8.8. */
function readRun(tfhd: Buffer, trun: Buffer) {
  const header = tfhd.readUInt32BE(0)
  let at = 8 + (header & TFHD.base ? 8 : 0) + (header & TFHD.description ? 4 : 0)
  const word = (from: Buffer) => {
    at += 4
    return from.readUInt32BE(at - 4)
  }
  const defaults = {
    duration: header & TFHD.duration ? word(tfhd) : 0,
    size: header & TFHD.size ? word(tfhd) : 0,
  }
  const flags = trun.readUInt32BE(0)
  const count = trun.readUInt32BE(4)
  at = 8
  const offset = flags & TRUN.dataOffset ? word(trun) | 0 : Number.NaN
  if (flags & TRUN.firstFlags) word(trun)
  let duration = 0n
  let sizeBytes = 0
  const fields = [TRUN.duration, TRUN.size, TRUN.flags, TRUN.composition].filter((flag) => flags & flag)
  // Samples without fields of their own need no walk, whatever their number says.
  if (fields.length === 0) {
    return { offset, duration: BigInt(defaults.duration) * BigInt(count), sizeBytes: defaults.size * count }
  }
  for (let sample = 0; sample < count; sample++) {
    duration += BigInt(flags & TRUN.duration ? word(trun) : defaults.duration)
    sizeBytes += flags & TRUN.size ? word(trun) : defaults.size
    if (flags & TRUN.flags) word(trun)
    if (flags & TRUN.composition) word(trun)
  }
  return { offset, duration, sizeBytes }
}
