import { createHash } from 'node:crypto'
import type { ArchivePlace } from './archive-place.ts'
import type { AssetFile } from './asset-file.ts'
import { fileBlob } from './storage-task.ts'

/** A file of an asset that can be played and downloaded: plain data, for another thread too. */
export type StoredFile = {
  readonly name: string
  /** Its content, which never changes. */
  readonly blob: string
  readonly sizeBytes: number
  /** Names these bytes and no others. */
  readonly digest: string
  readonly contentType: string
}

/** Which files an asset publishes, and under which name a manifest is made of them. */
export type PublishedFiles = {
  readonly manifestName: string
  /** In the order of their names; never empty. */
  readonly files: readonly StoredFile[]
  /** Another one whenever the files are others. */
  readonly digest: string
}

/** The files that an asset publishes, and where they lie. */
export type FileSet = PublishedFiles & { readonly assetId: string; readonly place: ArchivePlace }

const TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  m4v: 'video/mp4',
  m4a: 'audio/mp4',
  mov: 'video/quicktime',
  qt: 'video/quicktime',
}
/** Other names that go about for the same. */
const MOVIE_TYPES = /^(video|audio)\/(mp4|quicktime|x-m4v|x-m4a|m4v|m4a)$/i
const EXTENSION = /^(.+)\.([^.]+)$/
const DIGEST_LENGTH = 16

/** The media type under which a file is played and downloaded; `undefined` where it is neither MP4 nor QuickTime by its name or type. */
function movieType({ name, mimeType }: Pick<AssetFile, 'name' | 'mimeType'>): string | undefined {
  const byName = TYPES[EXTENSION.exec(name)?.[2]?.toLowerCase() ?? '']
  return MOVIE_TYPES.test(mimeType) ? mimeType.toLowerCase() : byName
}

/**
 * What the files of an asset publish: every MP4 and QuickTime file that was uploaded whole; `undefined` where there is none. The
 * manifest goes by the name of the primary file, whatever kind that is, else of the first one, without its extension.
 */
export function publishedFiles(all: readonly AssetFile[]): PublishedFiles | undefined {
  const ready = all.filter(({ state }) => state === 'Ready').toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const files = ready.flatMap((file): StoredFile[] => {
    const contentType = movieType(file)
    const { name, sizeBytes, sha256, id } = file
    if (contentType === undefined || sizeBytes === undefined) return []
    return [{ name, blob: fileBlob(file), sizeBytes, digest: digestOf([sha256 ?? id, sizeBytes]), contentType }]
  })
  const [first] = files
  if (!first) return undefined
  const primary = ready.find(({ isPrimary }) => isPrimary) ?? first
  const digest = digestOf(files.map((file) => [file.name, file.blob, file.digest]))
  return { manifestName: EXTENSION.exec(primary.name)?.[1] ?? primary.name, files, digest }
}

function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, DIGEST_LENGTH)
}
