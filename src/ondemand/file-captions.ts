import { FormatError } from '../lib/errors.ts'
import { type CaptionService, captionScanOf } from '../media/codecs/captions.ts'
import { SampleCursor } from '../media/isobmff/mp4-index-cursor.ts'
import { readBytes } from './source-file.ts'
import type { SourceTrack } from './source-track.ts'

/** Pictures that are looked at, and bytes of each: what captions travel in stands before a picture's slices. Opening reads 32 KB for it. */
const MAX_PICTURES = 8
const HEAD_BYTES = 4_096

type Head = { readonly offset: number; readonly sizeBytes: number }

/**
 * What captions (CEA-608/708) the first pictures of a track's first key-frame group carry; nothing for sound, and where they lie elsewhere
 * than the file says. Its tables are ones that were summed up before.
 * @throws what reading throws
 */
export async function fileCaptions(track: SourceTrack, signal: AbortSignal): Promise<readonly CaptionService[]> {
  const { config, file, path } = track
  const scan = captionScanOf(config)
  if (!scan) return []
  try {
    // One after the other: they lie side by side, and storage reads them in blocks.
    for (const { offset, sizeBytes } of headsOf(track)) scan.add(await readBytes(file, offset, sizeBytes, path, signal))
  } catch (error) {
    // The film plays without being told of its captions.
    if (!(error instanceof FormatError)) throw error
  }
  return scan.services
}

function headsOf({ file, tables, firstSample, endSample }: SourceTrack): readonly Head[] {
  const heads: Head[] = []
  if (firstSample >= endSample) return heads
  const cursor = new SampleCursor(tables, file.sizeBytes)
  if (firstSample > 0) cursor.sum(firstSample)
  while (cursor.time.sample < endSample && heads.length < MAX_PICTURES) {
    if (heads.length > 0 && cursor.isSync) break
    heads.push({ offset: cursor.offset, sizeBytes: Math.min(cursor.sizeBytes, HEAD_BYTES) })
    cursor.next()
  }
  return heads
}
