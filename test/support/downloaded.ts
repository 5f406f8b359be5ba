import { type Clock, systemClock } from '../../src/lib/clock.ts'
import type { ByteRange } from '../../src/lib/http-conditions.ts'
import { ProgressiveFile } from '../../src/media/isobmff/progressive-file.ts'
import { fileBytes } from '../../src/origin/download-body.ts'
import { indexRendition } from '../../src/origin/download-index.ts'
import type { Recording } from './recording.ts'

/** The plan of a recording's file, of all renditions or of those that are named. */
export async function planOf(
  recording: Pick<Recording, 'presentation' | 'source' | 'startSeconds'>,
  names?: readonly string[],
  clock: Clock = systemClock,
): Promise<{ file: ProgressiveFile; bytes: (range?: ByteRange) => Promise<Buffer> }> {
  const { presentation, source } = recording
  const { signal } = new AbortController()
  const renditions = presentation.renditions.filter(({ name }) => names?.includes(name) ?? true)
  const tables = []
  for (const rendition of renditions) {
    tables.push(await indexRendition(presentation, rendition, { segments: source, clock }, signal))
  }
  const file = new ProgressiveFile(tables, recording.startSeconds * 1_000)
  const bytes = async (range: ByteRange = { first: 0, last: file.sizeBytes - 1 }) => {
    const chunks: Uint8Array[] = []
    const read = async (track: number, sequence: number, wanted: ByteRange) =>
      (await source.read('', renditions[track]!.index, sequence, wanted, signal))!
    for await (const chunk of fileBytes(file, range, read)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  return { file, bytes }
}
