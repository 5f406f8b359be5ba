import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { Turns } from '../lib/turns.ts'
import { ProgressiveFile } from '../media/isobmff/progressive-file.ts'
import type { SampleTable } from '../media/isobmff/progressive-samples.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { type Answer, notModified, rangedAnswer } from './answer.ts'
import { fileBytes, READ_BYTES } from './download-body.ts'
import { chooseRenditions, type DownloadName } from './download-choice.ts'
import { indexRendition, segmentGone } from './download-index.ts'
import type { Published, SegmentSource } from './ports.ts'
import { overloaded } from './shed-reason.ts'

/** A request for a recording as one file. */
export type DownloadRequest = {
  readonly request: IncomingMessage
  readonly published: Published
  readonly digest: string
  readonly name: DownloadName
  /** Aborted when the answer is done with. */
  readonly signal: AbortSignal
}

type Ports = { readonly segments: SegmentSource; readonly clock: Clock }
type Plan = { readonly file: ProgressiveFile; readonly renditions: readonly Rendition[] }

/** Raised whenever the same recording makes another file. */
const FILE_VERSION = 1
const CACHE_CONTROL = 'public, max-age=60'
/** Recordings that are indexed at once, and that wait for it. */
const MAX_INDEXED = 2
const MAX_WAITING = 32

/**
 * Recordings as MP4 files with their index in front. A file is never made: the index is, from the headers of the fragments, when
 * it is first asked for; of the rest only what is sent is read.
 */
export class DownloadAnswers {
  readonly #ports: Ports
  readonly #tables: SharedCache<SampleTable>
  /** The file that was last made of a table and others; a player asks for many ranges of it. */
  readonly #files = new WeakMap<
    SampleTable,
    { readonly tables: readonly SampleTable[]; readonly file: ProgressiveFile }
  >()
  readonly #turns = new Turns(MAX_INDEXED, {
    maxWaiting: MAX_WAITING,
    refusal: () => overloaded('downloads', 'Too many recordings are being prepared for download.'),
  })

  constructor(ports: Ports, cacheBytes: number) {
    this.#ports = ports
    this.#tables = new SharedCache(cacheBytes)
  }

  /**
   * The file, or the range of it that is asked for.
   * @throws AppError `DOWNLOAD_NOT_YET` while it is being recorded, `DOWNLOAD_UNSUPPORTED`, `URL_UNKNOWN`, `URL_INVALID`,
   * `SEGMENT_GONE`, `ORIGIN_BUSY`
   */
  async answer({ request, published, digest, name, signal }: DownloadRequest): Promise<Answer> {
    const { view, manifestName } = published
    const renditions = chooseRenditions(view, manifestName, name)
    if (!view.ended) throw notYet()
    const etag = `"${digest}-${fileDigest(view, renditions)}"`
    const headers = ['Content-Type', contentType(renditions), 'Cache-Control', CACHE_CONTROL]
    headers.push('Content-Disposition', `attachment; filename="${fileName(view, manifestName, renditions, name)}"`)
    if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
    const plan = await this.#plan(view, renditions, signal)
    return rangedAnswer(request, etag, headers, plan.file.sizeBytes, (range) => ({
      chunks: [],
      stream: {
        windowBytes: 2 * READ_BYTES,
        open: () => fileBytes(plan.file, range, (...where) => this.#read(view, plan, where, signal)),
      },
    }))
  }

  async #plan(view: PresentationView, renditions: readonly Rendition[], signal: AbortSignal): Promise<Plan> {
    const made = await Promise.all(renditions.map((rendition) => this.#table(view, rendition, signal)))
    const tables = made.filter(({ sampleCount }) => sampleCount > 0)
    const [first] = tables
    if (!first) throw new AppError('URL_UNKNOWN', 'Nothing of it was recorded.')
    const present = renditions.filter((_, index) => (made[index]?.sampleCount ?? 0) > 0)
    const known = this.#files.get(first)
    if (known && isSameList(known.tables, tables)) return { file: known.file, renditions: present }
    const file = new ProgressiveFile(tables, view.segment(view.firstSequence)?.wallMs ?? 0)
    this.#files.set(first, { tables, file })
    return { file, renditions: present }
  }

  #table(view: PresentationView, rendition: Rendition, signal: AbortSignal): Promise<SampleTable> {
    const { id, epoch } = view.header
    const key = JSON.stringify([id, epoch, rendition.index, ...extent(view)])
    const make = (ending: AbortSignal) =>
      this.#turns.run(() => indexRendition(view, rendition, this.#ports, ending), { signal: ending })
    return this.#tables.get(key, make, signal)
  }

  async #read(
    view: PresentationView,
    { renditions }: Plan,
    [track, sequence, range]: Parameters<Parameters<typeof fileBytes>[2]>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const bytes = await this.#ports.segments.read(
      view.header.id,
      renditions[track]?.index ?? -1,
      sequence,
      range,
      signal,
    )
    if (!bytes) throw segmentGone()
    return bytes
  }
}

function isSameList(a: readonly SampleTable[], b: readonly SampleTable[]): boolean {
  return a.length === b.length && a.every((table, index) => table === b[index])
}

/** What of an ended presentation is kept; with its epoch it says all that shapes a file's bytes. */
function extent({ header, firstSequence, endSequence }: PresentationView): number[] {
  return [firstSequence, endSequence, header.losses ?? 0]
}

function fileDigest(view: PresentationView, renditions: readonly Rendition[]): string {
  const shape = JSON.stringify([FILE_VERSION, ...extent(view), renditions.map(({ name }) => name)])
  return hash('sha256', shape, 'base64url').slice(0, 12)
}

function contentType(renditions: readonly Rendition[]): string {
  return renditions.some(({ kind }) => kind === 'video') ? 'video/mp4' : 'audio/mp4'
}

/** `news-20261102T200000Z.mp4`, with the renditions' names where they were chosen. */
function fileName(
  view: PresentationView,
  manifestName: string,
  renditions: readonly Rendition[],
  { name, video, audio }: DownloadName,
): string {
  const wallMs = view.segment(view.firstSequence)?.wallMs ?? 0
  const time = new Date(wallMs)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '')
  const isChosen = name.toLowerCase() !== manifestName.toLowerCase() || video !== undefined || audio !== undefined
  const names = isChosen ? renditions.map((rendition) => rendition.name) : []
  return `${[manifestName, time, ...names].join('-').replaceAll(/[^\w.-]+/g, '_')}.mp4`
}

function notYet(): AppError {
  const message = 'This is still being recorded: it can be downloaded when it has ended. A clip can be made of it now.'
  return new AppError('DOWNLOAD_NOT_YET', message)
}
