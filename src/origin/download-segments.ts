import { concatBytes } from '../lib/bytes.ts'
import type { FragmentReader, SegmentSource } from './ports.ts'
import { sliceChunks } from './slice-chunks.ts'

/** Parts of segments by way of whole ones, where nothing reads less. What is given is copied: the fragments' memory is let go of at once. */
export function segmentsOf(fragments: FragmentReader): SegmentSource {
  return {
    async read(presentationId, renditionIndex, sequence, range, signal) {
      signal.throwIfAborted()
      const held = new AbortController()
      const end = () => held.abort()
      signal.addEventListener('abort', end, { once: true })
      try {
        const chunks = await fragments.read(presentationId, renditionIndex, sequence, held.signal)
        return chunks && concatBytes(range ? sliceChunks(chunks, range) : chunks)
      } finally {
        signal.removeEventListener('abort', end)
        held.abort()
      }
    },
  }
}
