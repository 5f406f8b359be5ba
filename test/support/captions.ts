import type { Media, MediaSample } from './recording.ts'

const ESCAPED = 3
/** RCL twice, ENM, row 15: what a caption that pops on begins with (CEA-608 §6); EOC shows it. */
const BEGIN = [0x14, 0x20, 0x14, 0x20, 0x14, 0x2e, 0x14, 0x70]
const END = [0x14, 0x2f, 0x14, 0x2f]

/** A byte of CEA-608, with odd parity. */
function odd(byte: number): number {
  let ones = 0
  for (let bit = 0; bit < 7; bit++) ones += (byte >> bit) & 1
  return ones % 2 === 0 ? byte | 0x80 : byte
}

/** `cc_data` triplets: what `cc_valid` and `cc_type` say, and two bytes. */
export type Triplet = readonly [type: number, first: number, second: number]

/** An SEI NAL unit with captions as ATSC A/53 has them, length-prefixed. */
export function captionSei(codec: 'avc' | 'hevc', triplets: readonly Triplet[]): Buffer {
  const data = [0xb5, 0x00, 0x31, ...Buffer.from('GA94'), 0x03, 0x40 | triplets.length, 0xff]
  for (const [type, first, second] of triplets) data.push(0xfc | type, first, second)
  data.push(0xff)
  const message = [4, data.length, ...data, 0x80]
  const unit = codec === 'avc' ? [6] : [39 << 1, 1]
  let zeros = 0
  for (const byte of message) {
    if (zeros >= 2 && byte <= ESCAPED) {
      unit.push(ESCAPED)
      zeros = 0
    }
    unit.push(byte)
    zeros = byte === 0 ? zeros + 1 : 0
  }
  const length = Buffer.alloc(4)
  length.writeUInt32BE(unit.length)
  return Buffer.concat([length, Buffer.from(unit)])
}

/** The pairs of bytes that show `text` in the first channel of field 1, one for each picture; then nothing. */
function pairsOf(text: string): number[][] {
  const bytes = [...BEGIN, ...Buffer.from(text.length % 2 === 0 ? text : `${text} `), ...END]
  return bytes.flatMap((byte, at) => (at % 2 === 0 ? [[byte, bytes[at + 1] ?? 0]] : []))
}

/** The same pictures with captions: `text` from the beginning on CC1, and a service of CEA-708 where that is wanted. */
export function captioned({ config, samples }: Media, text: string, service?: number): Media {
  const codec = config.codec === 'hevc' ? 'hevc' : 'avc'
  const shown = (sample: MediaSample) => sample.dtsTicks + sample.compositionTicks
  const order = new Map([...samples].sort((a, b) => shown(a) - shown(b)).map((sample, at) => [sample, at]))
  const pairs = pairsOf(text)
  return {
    config,
    samples: samples.map((sample) => {
      const at = order.get(sample) ?? 0
      const [first = 0, second = 0] = pairs[at] ?? []
      // A packet of one block: its head, the head of the block, and a space.
      const packet: Triplet[] = service
        ? [
            [3, ((at & 3) << 6) | 2, (service << 5) | 1],
            [2, 0x20, 0],
          ]
        : []
      const sei = captionSei(codec, [[0, odd(first), odd(second)], ...packet])
      return { ...sample, data: withSei(sample.data, sei, codec) }
    }),
  }
}

/** Before the first slice: behind a delimiter and parameter sets. */
function withSei(data: Uint8Array, sei: Uint8Array, codec: 'avc' | 'hevc'): Uint8Array {
  let at = 0
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  while (at + 5 < data.byteLength) {
    const head = data[at + 4] ?? 0
    const isSlice = codec === 'avc' ? (head & 31) >= 1 && (head & 31) <= 5 : ((head >> 1) & 63) < 32
    if (isSlice) break
    at += 4 + view.getUint32(at)
  }
  return Uint8Array.from(Buffer.concat([data.subarray(0, at), sei, data.subarray(at)]))
}
