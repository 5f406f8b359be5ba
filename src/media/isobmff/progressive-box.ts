/** A box as data: parts that are at hand stand in the file as they are, by reference and not by copy. */
export type BoxTree = { readonly type: string; readonly parts: readonly (Uint8Array | BoxTree)[] }

/** Bytes that the box takes, header included. */
export function boxTreeBytes(box: BoxTree): number {
  let bytes = 8
  for (const part of box.parts) bytes += part instanceof Uint8Array ? part.byteLength : boxTreeBytes(part)
  return bytes
}

/** The box as pieces that joined are its bytes; headers and small parts are joined already. */
export function boxTreePieces(box: BoxTree): Uint8Array[] {
  const pieces: Uint8Array[] = []
  appendBox(box, pieces)
  return joinSmall(pieces)
}

const SMALL_BYTES = 4_096

function appendBox(box: BoxTree, pieces: Uint8Array[]): void {
  const header = new Uint8Array(8)
  new DataView(header.buffer).setUint32(0, boxTreeBytes(box))
  for (let at = 0; at < 4; at++) header[4 + at] = box.type.charCodeAt(at)
  pieces.push(header)
  for (const part of box.parts) {
    if (part instanceof Uint8Array) pieces.push(part)
    else appendBox(part, pieces)
  }
}

/** A write of a few bytes costs as much as one of many: neighbours that are small become one. */
function joinSmall(pieces: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let small: Uint8Array[] = []
  const flush = () => {
    if (small.length > 0) joined.push(small.length === 1 ? (small[0] as Uint8Array) : Buffer.concat(small))
    small = []
  }
  for (const piece of pieces) {
    if (piece.byteLength < SMALL_BYTES) {
      small.push(piece)
      continue
    }
    flush()
    joined.push(piece)
  }
  flush()
  return joined
}
