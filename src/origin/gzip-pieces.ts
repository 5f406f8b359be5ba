import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, crc32, deflateRaw, gunzip } from 'node:zlib'
import { joinCrc32 } from './crc-joining.ts'

const deflate = promisify(deflateRaw)
const inflate = promisify(gunzip)

/** A piece of a text, compressed so that it can be put between any others; `sizeBytes` and `crc` are of the text. */
export type TextPiece = {
  readonly deflated: Uint8Array
  readonly sizeBytes: number
  readonly crc: number
  readonly digest: string
}

/** No flags, no time, any system (RFC 1952 §2.3). */
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)
/** A last block with nothing in it (RFC 1951 §3.2.6). */
const DEFLATE_END = Uint8Array.of(3, 0)

/** Compresses a piece, off the event loop. It ends on a whole byte and refers to nothing before it. */
export async function compressPiece(text: string): Promise<TextPiece> {
  const bytes = Buffer.from(text)
  const deflated = await deflate(bytes, { finishFlush: constants.Z_FULL_FLUSH })
  const digest = hash('sha256', bytes, 'base64url')
  // A copy, because zlib hands out a small view on a large buffer.
  return { deflated: new Uint8Array(deflated), sizeBytes: bytes.byteLength, crc: crc32(bytes), digest }
}

/** The gzip file (RFC 1952) of all pieces in a row. */
export function joinPieces(pieces: readonly TextPiece[]): Uint8Array {
  let crc = 0
  let sizeBytes = 0
  for (const piece of pieces) {
    crc = joinCrc32(crc, piece.crc, piece.sizeBytes)
    sizeBytes += piece.sizeBytes
  }
  const trailer = new Uint8Array(DEFLATE_END.length + 8)
  trailer.set(DEFLATE_END)
  const view = new DataView(trailer.buffer)
  view.setUint32(DEFLATE_END.length, crc, true)
  view.setUint32(DEFLATE_END.length + 4, sizeBytes, true)
  return Buffer.concat([GZIP_HEADER, ...pieces.map(({ deflated }) => deflated), trailer])
}

/** The text in a gzip file, decompressed off the event loop. */
export async function decompress(zipped: Uint8Array): Promise<Uint8Array> {
  return inflate(zipped)
}
