import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { FilePresentation } from '../../src/ondemand/file-presentation.ts'
import { MAX_READ, type SourceFile } from '../../src/ondemand/source-file.ts'

/** A source file that counts what is read of it. */
export type CountedFile = SourceFile & { readonly reads: { first: number; last: number }[] }

/** A file in memory; ranges that it doesn't have, or that are too long, fail the test. */
export function memoryFile(name: string, bytes: Uint8Array): CountedFile {
  return countedFile(name, bytes.byteLength, (first, last) => bytes.subarray(first, last + 1))
}

function countedFile(name: string, sizeBytes: number, take: (first: number, last: number) => Uint8Array): CountedFile {
  const reads: { first: number; last: number }[] = []
  return {
    ...{ name, sizeBytes, reads },
    read: ({ first, last }) => {
      const isWithin = first >= 0 && last >= first && last < sizeBytes && last - first < MAX_READ
      if (!isWithin) return Promise.reject(new Error(`bytes ${first} to ${last} of ${sizeBytes}`))
      reads.push({ first, last })
      return Promise.resolve(take(first, last))
    },
  }
}

export function readIntoMemory(path: string): CountedFile {
  return memoryFile(basename(path), new Uint8Array(readFileSync(path)))
}

/** A rendition as one file: its init segment and all its segments. */
export async function joinedRendition(presentation: FilePresentation, renditionIndex: number): Promise<Uint8Array> {
  const { view } = presentation
  const pieces: Uint8Array[] = [view.renditions[renditionIndex]?.tracks[0]?.init ?? new Uint8Array(0)]
  const { signal } = new AbortController()
  for (let sequence = 0; sequence < view.endSequence; sequence++) {
    pieces.push(...((await presentation.read(renditionIndex, sequence, signal)) ?? []))
  }
  return new Uint8Array(Buffer.concat(pieces))
}
