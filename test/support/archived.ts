import { chunkBlob, initBlob, spanBlob } from '../../src/archive/blob-names.ts'
import { encodeChunk } from '../../src/archive/chunk.ts'
import type { ClipSource } from '../../src/archive/clip/make-clip.ts'
import { trackSpans } from '../../src/archive/span-place.ts'
import type { BlobStorage } from '../../src/domain/blob-storage.ts'
import type { PresentationView } from '../../src/presentation/view.ts'
import type { Recording } from './recording.ts'

/** Puts a recording into storage, span by span, but for its newest segments, and gives it as what a clip can be cut from. */
export async function archived(
  recording: Recording,
  storage: BlobStorage,
  folder: string,
  options: { readonly spanSegments: number; readonly spooledSegments: number },
): Promise<ClipSource> {
  const { presentation } = recording
  const { spanSegments, spooledSegments } = options
  const storedEnd = presentation.endSequence - spooledSegments
  for (let firstSequence = 0; firstSequence < storedEnd; firstSequence += spanSegments) {
    const endSequence = Math.min(firstSequence + spanSegments, storedEnd)
    for (const { track, spanTicks, sequences } of trackSpans(presentation, firstSequence, endSequence)) {
      await storage.put(initBlob(folder, track), [presentation.track(track)!.init])
      const bytes = sequences.map((sequence) => bytesOf(recording, track, sequence))
      await storage.put(spanBlob(folder, track, spanTicks), bytes)
    }
    const chunk = encodeChunk(presentation.spanRecords(firstSequence, endSequence))
    await storage.put(chunkBlob(folder, firstSequence), [chunk])
    presentation.apply({ type: 'span', firstSequence, endSequence })
  }
  return {
    view: presentation,
    storage,
    folder,
    spanRecords: (first, end) => presentation.spanRecords(first, end),
    spooled: async (renditionIndex, sequence) => {
      const bytes = sequence >= storedEnd ? recording.bytes.get(`${renditionIndex}/${sequence}`) : undefined
      return bytes && [bytes.subarray(0, 10), bytes.subarray(10)]
    },
  }
}

function bytesOf(recording: Recording, track: number, sequence: number): Uint8Array {
  const { index } = renditionOf(recording.presentation, track)
  return recording.bytes.get(`${index}/${sequence}`)!
}

export function renditionOf(view: PresentationView, track: number) {
  return view.renditions.find(({ tracks }) => tracks.some((other) => other.track === track))!
}
