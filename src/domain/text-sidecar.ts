import { createHash } from 'node:crypto'
import type { ArchivePlace } from './archive-place.ts'
import type { AssetFile } from './asset-file.ts'
import type { StoredFile } from './file-set.ts'
import { languageName } from './language-name.ts'
import { fileBlob } from './storage-task.ts'

/** What a text's file name says of it. */
export type SidecarName = {
  /** BCP 47; absent where the name says `und`. */
  readonly language?: string
  readonly role: 'subtitle' | 'caption' | 'forced'
  readonly format: 'vtt' | 'ttml'
  /** What viewers choose it by. */
  readonly title: string
}

/** A text file of an asset: plain data, for another thread too. */
export type StoredText = StoredFile & SidecarName

/** The text files of an asset that are shown beside its media, and where they lie. */
export type TextSet = {
  readonly assetId: string
  readonly place: ArchivePlace
  /** In the order of their names; never empty. */
  readonly texts: readonly StoredText[]
  /** Another one whenever the texts are others. */
  readonly digest: string
}

/** Texts of an asset beyond these are not shown. */
export const MAX_SIDECARS = 64

const MAX_SIDECAR_BYTES = 8 * 2 ** 20
const FORMATS: Readonly<Record<string, SidecarName['format']>> = {
  vtt: 'vtt',
  webvtt: 'vtt',
  ttml: 'ttml',
  dfxp: 'ttml',
  imsc: 'ttml',
  imsc1: 'ttml',
  xml: 'ttml',
}
const ROLES: Readonly<Record<string, SidecarName['role']>> = { forced: 'forced', sdh: 'caption', cc: 'caption' }
const NOTES: Readonly<Record<string, string>> = { forced: ' (forced)', sdh: ' (SDH)', cc: ' (CC)' }
/** What may follow the language is none, although `sdh` is Southern Kurdish. */
const SHOWN = /^.+?\.(?!(?:forced|sdh|cc)\.)([a-z]{2,3}(?:-[a-z\d]{1,8}){0,4})(?:\.(forced|sdh|cc))?\.([a-z\d]+)$/i
const DIGEST_LENGTH = 16

/**
 * What a file's name says of it as a text: `{name}.{language}.vtt`, `.webvtt`, `.ttml`, `.dfxp`, `.imsc`, `.imsc1` or `.xml`, where the language is a
 * BCP 47 tag, or `und`, and `.forced`, `.sdh` or `.cc` may follow it. `undefined`: it is no such name, and no text that is shown.
 */
export function readSidecarName(name: string): SidecarName | undefined {
  const [, tag = '', note = '', extension = ''] = SHOWN.exec(name) ?? []
  const format = Object.hasOwn(FORMATS, extension.toLowerCase()) ? FORMATS[extension.toLowerCase()] : undefined
  const language = format && canonicalTag(tag)
  if (!format || language === undefined) return undefined
  const role = ROLES[note.toLowerCase()] ?? 'subtitle'
  const title = `${languageName(language) ?? language}${NOTES[note.toLowerCase()] ?? ''}`
  return { ...(language !== 'und' && { language }), role, format, title }
}

/** The texts among the files of an asset: all that were uploaded whole, are called as texts are, and are no longer than a text may be. */
export function textSidecars(all: readonly AssetFile[]): Pick<TextSet, 'texts' | 'digest'> | undefined {
  const sorted = all.filter(({ state }) => state === 'Ready').toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const texts = sorted.flatMap((file): StoredText[] => {
    const named = readSidecarName(file.name)
    const { name, sizeBytes, sha256, id } = file
    if (!named || sizeBytes === undefined || sizeBytes > MAX_SIDECAR_BYTES) return []
    const contentType = named.format === 'vtt' ? 'text/vtt' : 'application/ttml+xml'
    return [
      { ...named, name, sizeBytes, contentType, blob: fileBlob(file), digest: digestOf([sha256 ?? id, sizeBytes]) },
    ]
  })
  if (texts.length === 0) return undefined
  const shown = texts.slice(0, MAX_SIDECARS)
  return { texts: shown, digest: digestOf(shown.map(({ name, blob, digest }) => [name, blob, digest])) }
}

/** The tag as it is to be written; `undefined` where it is none, or of a language that nobody has heard of. */
function canonicalTag(tag: string): string | undefined {
  try {
    const [canonical] = Intl.getCanonicalLocales(tag)
    if (canonical === 'und') return canonical
    return canonical !== undefined && languageName(canonical) !== undefined ? canonical : undefined
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, DIGEST_LENGTH)
}
