import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { AppError } from '../lib/errors.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { buildTextPlaylist } from '../manifest/hls-texts.ts'
import { reachesOf } from '../media/text/text-document.ts'
import { type TextMedia, textFragment, textInit, webVttSegment, wholeText } from '../packaging/text-segment.ts'
import { firstAfter } from '../presentation/segment-search.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import type { PresentationView, SegmentRow } from '../presentation/view.ts'
import { chooseEncoding } from './accept-encoding.ts'
import { type Answer, entityAnswer } from './answer.ts'
import type { ManifestAnswers } from './manifest-answers.ts'
import type { ManifestRequest } from './manifest-request.ts'
import { CACHE_CONTROL, type MediaRequest } from './media-answers.ts'
import type { TextReader } from './ports.ts'
import type { TextChild } from './text-target.ts'
import { textUris } from './text-uris.ts'

type Made = { readonly body: Uint8Array; readonly gzipped: Uint8Array | undefined; readonly memoryBytes: number }
type MediaChild = Exclude<TextChild, { part: 'playlist' }>

const CACHE_BYTES = 8 * 2 ** 20
/** What an entry takes beside its bodies, about. */
const ENTRY_BYTES = 512
const SMALLEST_COMPRESSED = 200
const compress = promisify(gzip)

/** Answers what stands below the texts of a presentation; segments that were made last, and their gzip, are kept within 8 MiB. */
export class TextAnswers {
  readonly #manifests: ManifestAnswers
  readonly #reader: TextReader
  readonly #cache = new SharedCache<Made>(CACHE_BYTES)
  readonly #reaches = new WeakMap<TextMedia['document'], Float64Array>()

  constructor(manifests: ManifestAnswers, reader: TextReader) {
    this.#manifests = manifests
    this.#reader = reader
  }

  /** The HLS playlist of a text. @throws AppError `URL_UNKNOWN` */
  playlist(asked: ManifestRequest, id: string, media: 'fragments' | 'transport'): Promise<Answer> {
    const { view, place, digest, selection } = asked
    const text = textOf(view, id)
    return this.#manifests.playlistOf(asked, `text ${media} ${id}`, {
      build: () => buildTextPlaylist(view, text, textUris(place, digest, media, selection)),
    })
  }

  /** A segment, an init segment or a whole file. @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, and what reading the text throws */
  async media(asked: MediaRequest, child: MediaChild): Promise<Answer> {
    const { request, view, digest, caching, signal } = asked
    const text = textOf(view, child.id)
    const row = 'startTicks' in child ? rowAt(view, child.startTicks) : undefined
    if (child.part === 'whole' && child.toTicks <= child.fromTicks) throw unknown()
    const { kind: _kind, ...shape } = child
    const name = `${digest}-${Object.values(shape).join('-')}${row ? `-${row.durationTicks}` : ''}`
    const make = async (making: AbortSignal) => this.#make(view, await this.#read(text, making), child, row)
    const { body, gzipped } = await this.#cache.get(`${view.header.epoch}/${name}`, make, signal)
    const headers = ['Content-Type', typeOf(child), 'Cache-Control', CACHE_CONTROL[caching], 'Vary', 'Accept-Encoding']
    const accepted = request.headers['accept-encoding']
    const encoding = gzipped && chooseEncoding(Array.isArray(accepted) ? accepted.join(',') : accepted)
    if (encoding !== 'gzip' || !gzipped) return entityAnswer(request, `"${name}"`, headers, body)
    return entityAnswer(request, `"${name}-gzip"`, [...headers, 'Content-Encoding', 'gzip'], gzipped)
  }

  async #make(view: PresentationView, media: TextMedia, child: MediaChild, row: SegmentRow | undefined): Promise<Made> {
    const made = bodyOf(view, media, child, row)
    const body = typeof made === 'string' ? Buffer.from(made) : made
    const isText = typeof made === 'string' && body.byteLength >= SMALLEST_COMPRESSED
    const gzipped = isText ? await compress(body) : undefined
    return { body, gzipped, memoryBytes: body.byteLength + (gzipped?.byteLength ?? 0) + ENTRY_BYTES }
  }

  async #read(text: TextRendition, signal: AbortSignal): Promise<TextMedia> {
    const document = await this.#reader.read(text, signal)
    if (!document) throw new AppError('SEGMENT_GONE', 'This text is no longer there.')
    const reaches = this.#reaches.get(document) ?? reachesOf(document.cues)
    this.#reaches.set(document, reaches)
    return { text, document, reaches }
  }
}

function bodyOf(
  view: PresentationView,
  media: TextMedia,
  child: MediaChild,
  row: SegmentRow | undefined,
): Uint8Array | string {
  if (child.part === 'init') return textInit(media, child.codec)
  if (child.part === 'whole') return wholeText(media, child.format, child.fromTicks, child.toTicks)
  if (!row) throw unknown()
  if (child.part === 'fragment') return textFragment(media, row, child.codec)
  return webVttSegment(media, row, view.header, child.media)
}

function typeOf(child: MediaChild): string {
  if (child.part === 'init' || child.part === 'fragment') return 'application/mp4'
  return child.part === 'whole' && child.format === 'ttml' ? 'application/ttml+xml' : 'text/vtt; charset=utf-8'
}

function textOf({ texts }: PresentationView, id: string): TextRendition {
  return texts?.find((text) => text.id === id) ?? unknown()
}

/** The row that starts at just this instant, of those that are shown. */
function rowAt(view: PresentationView, startTicks: number): SegmentRow {
  const row = view.segment(firstAfter(view, (candidate) => candidate.startTicks >= startTicks))
  return row?.startTicks === startTicks ? row : unknown()
}

function unknown(): never {
  throw new AppError('URL_UNKNOWN', 'The presentation has no such text.')
}
