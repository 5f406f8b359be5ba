import type { CodecConfig } from '../media.ts'

/** A caption channel of CEA-608 (`CC1` to `CC4`) or a service of CEA-708 (`SERVICE1` to `SERVICE63`) that travels with the pictures. */
export type CaptionService = {
  readonly instreamId: string
  /** BCP 47. */
  readonly language?: string
  /** As players show it. */
  readonly name?: string
}

const AVC_SEI = 6
const HEVC_PREFIX_SEI = 39
const HEVC_SUFFIX_SEI = 40
const REGISTERED_USER_DATA = 4
/** ATSC A/53 part 4 §6.2.3: the country, the provider, `GA94`, and the type of `cc_data`. */
const CC_DATA = [0xb5, 0x00, 0x31, 0x47, 0x41, 0x39, 0x34, 0x03]
/** Captions of one picture take some 100 bytes; what is longer is something else. */
const MAX_SEI_BYTES = 2_048
const EXTENDED_SERVICE = 7

/**
 * Finds what captions travel in access units of AVC or HEVC, as ATSC A/53 user data in SEI messages. It looks at the headers of NAL units
 * and at SEI alone, and copies nothing but what there is of captions.
 */
export class CaptionScan {
  readonly #codec: 'avc' | 'hevc'
  readonly #lengthSize: number
  readonly #found = new Set<string>()

  constructor(codec: 'avc' | 'hevc', lengthSize: number) {
    this.#codec = codec
    this.#lengthSize = lengthSize
  }

  /** What was found so far: of CEA-608 a channel of each field that is used, of CEA-708 each service. */
  get services(): readonly CaptionService[] {
    return [...this.#found].sort().map((instreamId) => ({ instreamId }))
  }

  /** Looks at a length-prefixed access unit, or at its beginning; what is no such thing is passed over. */
  add(data: Uint8Array): void {
    for (let at = 0; at + this.#lengthSize < data.byteLength; ) {
      let length = 0
      for (let byte = 0; byte < this.#lengthSize; byte++) length = length * 256 + (data[at + byte] ?? 0)
      at += this.#lengthSize
      const head = this.#seiHead(data[at] ?? 0)
      const end = Math.min(at + length, data.byteLength)
      if (head > 0 && length <= MAX_SEI_BYTES) this.#messages(unescaped(data.subarray(at + head, end)))
      at += length
    }
  }

  /** Bytes of the header of a NAL unit that is SEI; 0 of any other. */
  #seiHead(first: number): number {
    if (this.#codec === 'avc') return (first & 0x1f) === AVC_SEI ? 1 : 0
    const type = (first >>> 1) & 0x3f
    return type === HEVC_PREFIX_SEI || type === HEVC_SUFFIX_SEI ? 2 : 0
  }

  /** ITU-T H.264 §7.3.2.3.1. */
  #messages(sei: Uint8Array): void {
    let at = 0
    const number = () => {
      let sum = 0
      while (sei[at] === 0xff) sum += sei[at++] ?? 0
      return sum + (sei[at++] ?? 0)
    }
    // What follows the last message is a bit and zeros.
    while (at + 2 < sei.byteLength) {
      const type = number()
      const size = number()
      const isCaptions = type === REGISTERED_USER_DATA && CC_DATA.every((byte, index) => sei[at + index] === byte)
      if (isCaptions) this.#ccData(sei.subarray(at + CC_DATA.length, at + size))
      at += size
    }
  }

  /** CEA-708-E §4.3.5, `cc_data()`. */
  #ccData(data: Uint8Array): void {
    const count = (data[0] ?? 0) & 0x1f
    for (let at = 2; at < 2 + 3 * count && at + 2 < data.byteLength; at += 3) {
      const head = data[at] ?? 0
      const isValid = (head & 4) !== 0
      const type = head & 3
      // Where nothing is said, CEA-608 sends nulls, with or without their parity bit.
      const isNull = type < 2 && (((data[at + 1] ?? 0) | (data[at + 2] ?? 0)) & 0x7f) === 0
      if (!isValid || isNull) continue
      if (type === 0) this.#found.add('CC1')
      else if (type === 1) this.#found.add('CC3')
      else if (type === 3) this.#service(data[at + 2] ?? 0)
    }
  }

  /** The first block of a packet that begins here says whose it is; numbers past 6 stand in a byte that comes later. */
  #service(blockHead: number): void {
    const service = blockHead >>> 5
    if (service > 0 && service < EXTENDED_SERVICE) this.#found.add(`SERVICE${service}`)
  }
}

/** A scan of a track's access units; `undefined` where its codec carries no such captions. */
export function captionScanOf({ codec, record }: CodecConfig): CaptionScan | undefined {
  if (codec !== 'avc' && codec !== 'hevc') return undefined
  // `lengthSizeMinusOne` of avcC and hvcC (ISO/IEC 14496-15 §5.3.3.1.2, §8.3.3.1.2).
  return new CaptionScan(codec, ((record[codec === 'avc' ? 4 : 21] ?? 3) & 3) + 1)
}

/** Without the bytes that keep start codes from appearing (ITU-T H.264 §7.4.1). */
function unescaped(unit: Uint8Array): Uint8Array {
  const bytes: number[] = []
  let zeros = 0
  for (const byte of unit) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}
