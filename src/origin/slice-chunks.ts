import type { ByteRange } from '../lib/http-conditions.ts'

/** Views on the bytes of `range` in the concatenation of `chunks`. */
export function sliceChunks(chunks: readonly Uint8Array[], range: ByteRange): Uint8Array[] {
  const slices: Uint8Array[] = []
  let start = 0
  for (const chunk of chunks) {
    const from = Math.max(range.first - start, 0)
    const to = Math.min(range.last + 1 - start, chunk.byteLength)
    if (from < to) slices.push(chunk.subarray(from, to))
    start += chunk.byteLength
  }
  return slices
}
