/**
 * Reads a Smooth Streaming fragment by the boxes' own definitions ([MS-SSTR] §2.2.4, ISO/IEC 14496-12 §8.8), with nothing of the program
 * that wrote it. Whatever is not as a fragment has to be is an error.
 */
export type ReadInterval = { readonly time: bigint; readonly duration: bigint }
export type ReadSample = {
  /** On Smooth's timeline, as a player reckons it: the first sample is decoded at the fragment's time. */
  readonly dts: bigint
  readonly pts: bigint
  readonly duration: number
  readonly composition: number
  readonly sync: boolean
  readonly data: Buffer
}
export type ReadFragment = ReadInterval & {
  readonly boxes: readonly string[]
  readonly sequenceNumber: number
  readonly trackId: number
  readonly next: readonly ReadInterval[]
  readonly samples: readonly ReadSample[]
}

const TFXD = '6d1d9b0542d544e680e2141daff757b2'
const TFRF = 'd4807ef2ca3946958e5426cb9e46a79f'

type Slice = { readonly type: string; readonly start: number; readonly body: Buffer }

export function readSmoothFragment(bytes: Uint8Array): ReadFragment {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [moof, mdat, ...others] = slices(all)
  if (moof?.type !== 'moof' || mdat?.type !== 'mdat' || others.length > 0) throw new Error('not one moof and one mdat')
  const [mfhd, traf, ...more] = slices(moof.body)
  if (mfhd?.type !== 'mfhd' || traf?.type !== 'traf' || more.length > 0) throw new Error('not mfhd and one traf')
  const inside = slices(traf.body)
  const named = inside.map(({ type, body }) => (type === 'uuid' ? userTypeOf(body) : type))
  const one = (name: string) => {
    const found = inside.filter((_, at) => named[at] === name)
    if (found.length > 1) throw new Error(`${name} ${found.length} times`)
    return found[0]?.body
  }
  const tfhd = one('tfhd')
  const trun = one('trun')
  const tfxd = one('tfxd')
  if (!tfhd || !trun || !tfxd) throw new Error(`a traf of ${named.join()}`)
  const own = intervalAt(versioned(tfxd), 20)
  const tfrf = one('tfrf')
  const next = tfrf ? Array.from({ length: versioned(tfrf)[20]! }, (_, at) => intervalAt(tfrf, 21 + at * 16)) : []
  if (tfrf && tfrf.length !== 21 + next.length * 16) throw new Error('tfrf is longer than its entries')
  const samples = readSamples(all, mdat, tfhd, trun, own.time)
  return {
    ...own,
    boxes: ['moof', 'mfhd', 'traf', ...named, 'mdat'],
    sequenceNumber: mfhd.body.readUInt32BE(4),
    trackId: tfhd.readUInt32BE(4),
    next,
    samples,
  }
}

function readSamples(all: Buffer, mdat: Slice, tfhd: Buffer, trun: Buffer, time: bigint): ReadSample[] {
  const header = tfhd.readUInt32BE(0)
  if (header & 0x01 || header & 0x02) throw new Error('tfhd names a base or a sample description')
  let at = 8
  const take = (from: Buffer, present: number, fallback: number) => {
    if (!present) return fallback
    at += 4
    return from.readUInt32BE(at - 4)
  }
  const defaults = {
    duration: take(tfhd, header & 0x08, -1),
    size: take(tfhd, header & 0x10, -1),
    flags: take(tfhd, header & 0x20, -1),
  }
  if (at !== tfhd.length) throw new Error('tfhd is longer than its fields')
  const flags = trun.readUInt32BE(0)
  if (!(flags & 0x01)) throw new Error('trun without a data offset')
  const count = trun.readUInt32BE(4)
  let offset = trun.readInt32BE(8)
  if (offset !== mdat.start + 8) throw new Error(`data at ${offset}, mdat at ${mdat.start}`)
  at = 12
  const firstFlags = take(trun, flags & 0x04, -1)
  let dts = time
  const samples: ReadSample[] = []
  for (let index = 0; index < count; index++) {
    const duration = take(trun, flags & 0x100, defaults.duration)
    const size = take(trun, flags & 0x200, defaults.size)
    const own = take(trun, flags & 0x400, defaults.flags)
    const composition = take(trun, flags & 0x800, 0) | 0
    const sampleFlags = index === 0 && firstFlags >= 0 ? firstFlags : own
    if (duration < 0 || size < 0 || sampleFlags < 0) throw new Error('a sample without duration, size or flags')
    if (composition < 0 && flags >>> 24 !== 1) throw new Error('a negative offset in a trun of version 0')
    const sync = (sampleFlags & 0x10000) === 0
    const data = all.subarray(offset, offset + size)
    samples.push({ dts, pts: dts + BigInt(composition), duration, composition, sync, data })
    dts += BigInt(duration)
    offset += size
  }
  if (at !== trun.length) throw new Error('trun is longer than its samples')
  if (offset !== all.length) throw new Error('the samples do not fill the mdat')
  return samples
}

function slices(bytes: Buffer): Slice[] {
  const found: Slice[] = []
  for (let start = 0; start < bytes.length; ) {
    const size = bytes.readUInt32BE(start)
    if (size < 8 || start + size > bytes.length) throw new Error(`a box of ${size} bytes at ${start}`)
    found.push({
      type: bytes.toString('latin1', start + 4, start + 8),
      start,
      body: bytes.subarray(start + 8, start + size),
    })
    start += size
  }
  return found
}

function userTypeOf(body: Buffer): string {
  const userType = body.toString('hex', 0, 16)
  return { [TFXD]: 'tfxd', [TFRF]: 'tfrf' }[userType] ?? userType
}

/** A `uuid` box's body whose times take 64 bits. */
function versioned(body: Buffer): Buffer {
  if (body.readUInt32BE(16) !== 0x01000000) throw new Error('times that do not take 64 bits')
  return body
}

function intervalAt(body: Buffer, at: number): ReadInterval {
  return { time: body.readBigUInt64BE(at), duration: body.readBigUInt64BE(at + 8) }
}
