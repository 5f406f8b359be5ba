import { FormatError } from '../../lib/errors.ts'
import { parseAc3Header } from '../../media/codecs/ac3.ts'
import { parseEac3Header } from '../../media/codecs/eac3.ts'
import type { AudioConfig, CodecConfig } from '../../media/media.ts'
import { ADTS_BYTES } from '../../media/mpegts/adts.ts'
import { audioSetup, encryptedStream } from '../../media/mpegts/encrypted-stream.ts'
import type { Piece } from '../../media/mpegts/packet-writer.ts'
import type { StreamPackets } from '../../media/mpegts/transport-segment.ts'
import { ChainCipher } from '../cenc/chain-cipher.ts'
import type { SegmentKey } from './segment-cipher.ts'

/** Slices of NAL units ("MPEG-2 Stream Encryption Format for HTTP Live Streaming" §2.2): those of these two types are encrypted. */
const NON_IDR = 1
const IDR = 5
const SLICE_CLEAR_BYTES = 32
/** NAL units of this or less stay clear. */
const MAX_CLEAR_UNIT = 48
/** Of a unit's last bytes, a whole block stays clear. */
const SPARED_BYTES = 16
/** Of a frame of sound (§2.3). */
const FRAME_CLEAR_BYTES = 16
const PREVENTION: Piece = { bytes: Uint8Array.of(3), from: 0, to: 1 }
const TWO_ZEROS = Buffer.alloc(2)

/**
 * A stream with its samples encrypted for HLS's SAMPLE-AES, and named as such for its program map: AVC, AAC, AC-3 and E-AC-3. What is given
 * is not changed. @throws AppError `MEDIA_UNSUPPORTED` for other codecs, FormatError for broken frames
 */
export function encryptTransportStream(
  { packets }: StreamPackets,
  config: CodecConfig,
  key: SegmentKey,
): StreamPackets {
  const stream = encryptedStream(config)
  const pieces = packets.map((packet) => packet.pieces)
  const encrypted = config.kind === 'video' ? encryptSlices(pieces, key) : encryptFrames(pieces, config, key)
  return { stream, packets: packets.map((packet, index) => ({ ...packet, pieces: encrypted[index] ?? [] })) }
}

/** Frames of packed audio, encrypted, and the setup information that their tag carries. @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
export function encryptPackedAudio(
  frames: readonly Piece[],
  config: AudioConfig,
  key: SegmentKey,
): { readonly frames: readonly Piece[]; readonly setup: Uint8Array } {
  const setup = audioSetup(config)
  return { frames: encryptFrames([frames], config, key)[0] ?? [], setup }
}

/** Each NAL unit is a piece of its own; what stands before pictures begins with a start code, which is no slice's type. */
function encryptSlices(packets: readonly (readonly Piece[])[], { key, iv }: SegmentKey): Piece[][] {
  const work = Buffer.allocUnsafeSlow(sizeOf(packets.flat().filter(isEncryptedSlice)))
  const cipher = new ChainCipher(key, iv, work)
  let at = 0
  return packets.map((pieces) =>
    pieces.flatMap((piece) => {
      if (!isEncryptedSlice(piece)) return [piece]
      const { bytes, from, to } = piece
      const size = to - from
      Buffer.prototype.copy.call(bytes, work, at, from, to)
      cipher.encryptPattern(at + SLICE_CLEAR_BYTES, size - SLICE_CLEAR_BYTES, SPARED_BYTES)
      const start = at
      at += size
      return withPrevention(work, start, at)
    }),
  )
}

function isEncryptedSlice({ bytes, from, to }: Piece): boolean {
  const type = (bytes[from] ?? 0) & 0x1f
  return (type === NON_IDR || type === IDR) && to - from > MAX_CLEAR_UNIT
}

/** The NAL unit, its own emulation prevention and all, with emulation prevention once more: encrypted bytes may look like start codes. */
function withPrevention(work: Buffer, from: number, to: number): Piece[] {
  const unit = work.subarray(from, to)
  const pieces: Piece[] = []
  let start = 0
  for (let at = unit.indexOf(TWO_ZEROS); at >= 0; ) {
    const next = at + TWO_ZEROS.byteLength
    const isLikeCode = next < unit.byteLength && (unit[next] ?? 0) <= 3
    if (isLikeCode) {
      pieces.push({ bytes: work, from: from + start, to: from + next }, PREVENTION)
      start = next
    }
    at = unit.indexOf(TWO_ZEROS, next)
  }
  pieces.push({ bytes: work, from: from + start, to })
  return pieces
}

function encryptFrames(
  packets: readonly (readonly Piece[])[],
  config: AudioConfig,
  { key, iv }: SegmentKey,
): Piece[][] {
  const work = Buffer.allocUnsafeSlow(sizeOf(packets.flat()))
  const cipher = new ChainCipher(key, iv, work)
  let at = 0
  return packets.map((pieces) => {
    const start = at
    for (const { bytes, from, to } of pieces) at += Buffer.prototype.copy.call(bytes, work, at, from, to)
    for (let frame = start; frame < at; ) {
      const { headBytes, sizeBytes } = frameAt(work.subarray(frame, at), config)
      const clear = headBytes + FRAME_CLEAR_BYTES
      if (sizeBytes > clear) cipher.encryptBlocks(frame + clear, sizeBytes - clear)
      frame += sizeBytes
    }
    return start === at ? [] : [{ bytes: work, from: start, to: at }]
  })
}

/** The frame that the bytes begin with: an ADTS header counts as none of its own clear bytes, a syncframe's head does. */
function frameAt(
  bytes: Uint8Array,
  { codec }: AudioConfig,
): { readonly headBytes: number; readonly sizeBytes: number } {
  const headBytes = codec === 'aac' ? ADTS_BYTES : 0
  const sizeBytes =
    codec === 'aac'
      ? (((bytes[3] ?? 0) & 3) << 11) | ((bytes[4] ?? 0) << 3) | ((bytes[5] ?? 0) >>> 5)
      : !isEnhanced(bytes)
        ? parseAc3Header(bytes, codec).sizeBytes
        : parseEac3Header(bytes, codec).sizeBytes
  if (sizeBytes <= headBytes || sizeBytes > bytes.byteLength)
    throw new FormatError(codec, 0, `a frame of ${sizeBytes} bytes`)
  return { headBytes, sizeBytes }
}

/** An E-AC-3 stream may hold AC-3 frames, by their bit stream identification (ETSI TS 102 366 §E.1.3.1). */
function isEnhanced(bytes: Uint8Array): boolean {
  return (bytes[5] ?? 0) >>> 3 > 10
}

function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { from, to }) => sum + to - from, 0)
}
