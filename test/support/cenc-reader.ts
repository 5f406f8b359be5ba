/**
 * Reads and decrypts files of Common Encryption, all four schemes. It was written from ISO/IEC 23001-7 and shares no code with what
 * encrypts: a block at a time, as the standard puts it.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'

/** A box on the bytes it was found in. */
export type FoundBox = { readonly type: string; readonly at: number; readonly body: Buffer }

export type FoundSample = {
  readonly data: Buffer
  readonly iv: Buffer
  readonly subsamples: readonly { readonly clear: number; readonly secret: number }[]
}

export type FoundEncryption = {
  readonly format: string
  readonly scheme: string
  readonly kid: Buffer
  readonly ivSize: number
  readonly constantIv: Buffer
  readonly crypt: number
  readonly skip: number
}

export function boxesIn(bytes: Buffer): FoundBox[] {
  const boxes: FoundBox[] = []
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (size < 8 || at + size > bytes.length) throw new Error(`a box of ${size} bytes at ${at} of ${bytes.length}`)
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), at, body: bytes.subarray(at + 8, at + size) })
    at += size
  }
  return boxes
}

/** The first box along a path of plain containers. */
export function boxAt(bytes: Buffer, ...path: readonly string[]): FoundBox | undefined {
  let inside = bytes
  let found: FoundBox | undefined
  for (const type of path) {
    found = boxesIn(inside).find((box) => box.type === type)
    if (!found) return undefined
    inside = found.body
  }
  return found
}

/** What the first sample entry of a file says of its encryption; `undefined` where it is in the clear. */
export function encryptionOf(file: Buffer): FoundEncryption | undefined {
  const stsd = boxAt(file, 'moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd')!
  const [entry] = boxesIn(stsd.body.subarray(8))
  const fixed = entry!.type === 'encv' ? 78 : entry!.type === 'enca' ? 28 : undefined
  if (fixed === undefined) return undefined
  const children = entry!.body.subarray(fixed)
  const tenc = boxAt(children, 'sinf', 'schi', 'tenc')!.body
  const ivSize = tenc[7]!
  return {
    format: boxAt(children, 'sinf', 'frma')!.body.toString('latin1'),
    scheme: boxAt(children, 'sinf', 'schm')!.body.toString('latin1', 4, 8),
    kid: tenc.subarray(8, 24),
    ivSize,
    constantIv: ivSize === 0 ? tenc.subarray(25, 25 + tenc[24]!) : Buffer.alloc(0),
    crypt: tenc[0] === 0 ? 0 : tenc[5]! >> 4,
    skip: tenc[0] === 0 ? 0 : tenc[5]! & 15,
  }
}

/** The samples of all fragments, with what `senc` (or PIFF's box) says of them; its place is held against `saio`, its sizes against `saiz`. */
export function encryptedSamples(bytes: Buffer, ivSize: number): FoundSample[] {
  const boxes = boxesIn(bytes)
  return boxes.filter(({ type }) => type === 'moof').flatMap((moof) => samplesOf(bytes, moof, ivSize))
}

const PIFF = 'a2394f525a9b4f14a2446c427c648df4'

function samplesOf(bytes: Buffer, moof: FoundBox, ivSize: number): FoundSample[] {
  const traf = boxesIn(moof.body).find(({ type }) => type === 'traf')!
  const inside = boxesIn(traf.body)
  const trafAt = moof.at + 8 + traf.at + 8
  const placed = layout(inside, moof.at)
  const senc = inside.find(({ type }) => type === 'senc')
  const piff = inside.find(({ type, body }) => type === 'uuid' && body.toString('hex', 0, 16) === PIFF)
  const body = senc?.body ?? piff?.body.subarray(16)
  if (!body)
    return placed.map(({ at, size }) => ({ data: bytes.subarray(at, at + size), iv: Buffer.alloc(0), subsamples: [] }))
  const hasSubsamples = (body.readUInt32BE(0) & 2) !== 0
  if (body.readUInt32BE(4) !== placed.length) throw new Error('senc has another number of samples')
  let from = 8
  const sizes: number[] = []
  const samples = placed.map(({ at, size }) => {
    const start = from
    const iv = body.subarray(from, from + ivSize)
    from += ivSize
    const subsamples: { clear: number; secret: number }[] = []
    if (hasSubsamples) {
      const count = body.readUInt16BE(from)
      from += 2
      for (let pair = 0; pair < count; pair++, from += 6) {
        subsamples.push({ clear: body.readUInt16BE(from), secret: body.readUInt32BE(from + 2) })
      }
      const total = subsamples.reduce((sum, { clear, secret }) => sum + clear + secret, 0)
      if (total !== size) throw new Error(`subsamples of ${total} bytes in a sample of ${size}`)
    }
    sizes.push(from - start)
    return { data: bytes.subarray(at, at + size), iv, subsamples }
  })
  if (from !== body.length) throw new Error(`${body.length - from} bytes behind the entries of senc`)
  if (senc && sizes.some((size) => size > 0)) checkAuxiliary(inside, sizes, trafAt + senc.at + 8 + 8 - moof.at)
  return samples
}

function checkAuxiliary(inside: readonly FoundBox[], sizes: readonly number[], entriesAt: number): void {
  const saiz = inside.find(({ type }) => type === 'saiz')
  const saio = inside.find(({ type }) => type === 'saio')
  if (!saiz || !saio) throw new Error('senc without saiz or saio')
  const said = sizes.map((_, index) => saiz.body[4] || saiz.body[9 + index])
  if (saiz.body.readUInt32BE(5) !== sizes.length || said.join() !== sizes.join())
    throw new Error('saiz says other sizes')
  if (saio.body.readUInt32BE(8) !== entriesAt) throw new Error('saio names another place')
}

function layout(inside: readonly FoundBox[], moofAt: number): { at: number; size: number }[] {
  const tfhd = inside.find(({ type }) => type === 'tfhd')!.body
  const flags = tfhd.readUIntBE(1, 3)
  const defaultAt = 8 + (flags & 2 ? 4 : 0) + (flags & 8 ? 4 : 0)
  const defaultSize = flags & 0x10 ? tfhd.readUInt32BE(defaultAt) : 0
  const placed: { at: number; size: number }[] = []
  for (const { type, body } of inside) {
    if (type !== 'trun') continue
    const has = body.readUIntBE(1, 3)
    let at = moofAt + body.readInt32BE(8)
    let from = 12 + (has & 4 ? 4 : 0)
    for (let left = body.readUInt32BE(4); left > 0; left--) {
      if (has & 0x100) from += 4
      const size = has & 0x200 ? body.readUInt32BE(from) : defaultSize
      if (has & 0x200) from += 4
      if (has & 0x400) from += 4
      if (has & 0x800) from += 4
      placed.push({ at, size })
      at += size
    }
  }
  return placed
}

/** The sample as it was before it was encrypted (ISO/IEC 23001-7 §9, §10). */
export function decryptSample(
  { data, iv, subsamples }: FoundSample,
  key: Uint8Array,
  { scheme, constantIv, crypt, skip }: Pick<FoundEncryption, 'scheme' | 'constantIv' | 'crypt' | 'skip'>,
): Buffer {
  const out = Buffer.from(data)
  const first = Buffer.alloc(16)
  ;(iv.length > 0 ? iv : constantIv).copy(first)
  const isCounter = scheme === 'cenc' || scheme === 'cens'
  const makeCipher = () => (isCounter ? counterBlocks(key, first) : chainBlocks(key, first))
  let decrypt = makeCipher()
  let at = 0
  const ranges = subsamples.length > 0 ? subsamples : [{ clear: 0, secret: data.length }]
  for (const { clear, secret } of ranges) {
    at += clear
    // 'cbcs' begins each subsample with its IV anew; the others go on over all of a sample.
    if (scheme === 'cbcs') decrypt = makeCipher()
    const end = at + secret
    const period = crypt + skip
    for (let block = 0; at < end; block++) {
      // Without a pattern all whole blocks are one run.
      const run = skip === 0 ? Math.max(16, Math.floor((end - at) / 16) * 16) : 16
      const size = Math.min(run, end - at)
      const isEncrypted = (skip === 0 || block % period < crypt) && (size % 16 === 0 || scheme === 'cenc')
      if (isEncrypted) decrypt(out.subarray(at, at + size)).copy(out, at)
      at += size
    }
  }
  return out
}

function counterBlocks(key: Uint8Array, first: Buffer): (block: Buffer) => Buffer {
  const cipher = createCipheriv('aes-128-ctr', key, first)
  return (block) => cipher.update(block)
}

function chainBlocks(key: Uint8Array, iv: Buffer): (block: Buffer) => Buffer {
  const cipher = createDecipheriv('aes-128-cbc', key, iv).setAutoPadding(false)
  return (block) => cipher.update(block)
}
