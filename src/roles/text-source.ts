import { createHash } from 'node:crypto'
import type { BlobStorage } from '../domain/blob-storage.ts'
import type { StoredText, TextSet } from '../domain/text-sidecar.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { type TextDocument, textMemoryBytes } from '../media/text/text-document.ts'
import { parseTtml } from '../media/text/ttml.ts'
import { parseWebVtt } from '../media/text/web-vtt.ts'
import type { FileText } from '../ondemand/file-texts.ts'
import type { TextReader } from '../origin/ports.ts'
import { TEXT_PACKAGER_VERSION } from '../packaging/text-segment.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import { TextedView } from '../presentation/texted-view.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { FileSource } from './file-source.ts'

/** A text file that can't be shown, and why. */
export type BrokenText = { readonly assetId: string; readonly fileName: string; readonly problem: string }

/** What texts are read by. */
export type TextSourcePorts = {
  readonly storage: (place: TextSet['place']) => Pick<BlobStorage, 'read'>
  readonly files: Pick<FileSource, 'textsIn' | 'readText'>
  /** Told once of each file. */
  readonly broken: (text: BrokenText) => void
  readonly clock: Clock
  readonly logger: Logger
}

type Kept = { readonly document: TextDocument; readonly memoryBytes: number }
type Reader = (signal: AbortSignal) => Promise<TextDocument>
type Told = Omit<TextRendition, 'id' | 'bandwidth'>
/** `isLate`: storage did not give all of it. */
type Made = { readonly view: PresentationView; readonly isLate: boolean }
/** `set`: the newest of those with the same texts, which says where they lie now. */
type Source = { set: TextSet | undefined }
/** `untilMs`: what storage did not give is looked for again from then on. */
type Beside = { readonly key: string; readonly source: Source; view: Promise<PresentationView>; untilMs: number }

/** For what is read of texts: of some hundred films. */
const CACHE_BYTES = 32 * 2 ** 20
/** Who asks for a manifest first waits no longer than this for its texts; they are listed when they are there. */
const PATIENCE_MS = 5_000
/** What storage did not give is asked for again after so long. */
const RETRY_MS = 5_000
const MAX_REMEMBERED = 10_000
const ID_LENGTH = 12
const LEAST_BANDWIDTH = 256

/** The texts beside presentations on an origin thread: text files of assets, and text tracks of their MP4 files. A broken one is left out, and told of. */
export class TextSource implements TextReader {
  readonly #ports: TextSourcePorts
  readonly #cache: SharedCache<Kept>
  readonly #views = new WeakMap<PresentationView, Beside>()
  readonly #readers = new WeakMap<TextRendition, Reader>()
  /** Broken files, by what they are and what they were read as. */
  readonly #broken = new Set<string>()

  constructor(ports: TextSourcePorts, cacheBytes = CACHE_BYTES) {
    this.#ports = ports
    this.#cache = new SharedCache(cacheBytes)
  }

  /**
   * The presentation with these text files and what its own files have of texts; itself where that is nothing. The same one each time, as long as the texts
   * are the same: while what is missing is looked for again, nobody waits for it. Rejects with the signal's reason alone.
   */
  async beside(view: PresentationView, set: TextSet | undefined, signal: AbortSignal): Promise<PresentationView> {
    const own = this.#ports.files.textsIn(view)
    if (!set && (own?.tracks.length ?? 0) === 0) return view
    const zeroTicks = own?.zeroTicks ?? view.segment(view.firstSequence)?.startTicks ?? 0
    // A recording that goes on may end with another beginning than it had.
    const key = `${zeroTicks} ${set?.digest ?? ''}`
    const known = this.#views.get(view)
    signal.throwIfAborted()
    const make = (source: Source) => this.#made(view, source, zeroTicks)
    if (known?.key === key) {
      const isLate = known.untilMs !== Number.POSITIVE_INFINITY
      // What the old place did not give, the new one may have.
      const isMoved = known.source.set !== set
      known.source.set = set
      if (isLate && (isMoved || this.#ports.clock.now() >= known.untilMs)) void this.#renew(known, make)
      return abortable(known.view, signal)
    }
    const source: Source = { set }
    const made = make(source)
    const beside: Beside = { key, source, view: made.then((one) => one.view), untilMs: Number.POSITIVE_INFINITY }
    this.#views.set(view, beside)
    void made.then(({ isLate }) => this.#settle(beside, isLate))
    return abortable(beside.view, signal)
  }

  /** Puts what is found now in the place of what was, unless that is no more of it. Never rejects. */
  async #renew(beside: Beside, make: (source: Source) => Promise<Made>): Promise<void> {
    beside.untilMs = Number.POSITIVE_INFINITY
    const [made, before] = await Promise.all([make(beside.source), beside.view])
    if (!made.isLate || textsOf(made.view) > textsOf(before)) beside.view = Promise.resolve(made.view)
    this.#settle(beside, made.isLate)
  }

  #settle(beside: Beside, isLate: boolean): void {
    if (isLate) beside.untilMs = this.#ports.clock.now() + RETRY_MS
  }

  async read(text: TextRendition, signal: AbortSignal): Promise<TextDocument | undefined> {
    return this.#readers.get(text)?.(signal)
  }

  /** Never rejects. */
  async #made(view: PresentationView, source: Source, zeroTicks: number): Promise<Made> {
    const own = this.#ports.files.textsIn(view)
    const texts: TextRendition[] = []
    const add = (told: Told, bandwidth: number, digest: string, reader: Reader) => {
      const name = uniqueName(told.name, texts)
      const id = idOf([TEXT_PACKAGER_VERSION, digest, { ...told, name }])
      const text: TextRendition = { ...told, name, id, bandwidth }
      this.#readers.set(text, reader)
      texts.push(text)
    }
    for (const [index, track] of (own?.tracks ?? []).entries()) {
      add(toldOf(track, zeroTicks), track.bandwidth, track.digest, (signal) => this.#readOwn(view, index, signal))
    }
    const { opened, isLate } = await this.#opened(source)
    for (const { file, document } of opened) {
      const { title: name, language, role, format } = file
      const told = { name, role, codec: format === 'ttml' ? 'stpp' : 'wvtt', zeroTicks } as const
      const reader: Reader = (signal) => this.#document(source, file, signal)
      add({ ...told, ...(language !== undefined && { language }) }, bandwidthOf(file, document), file.digest, reader)
    }
    return { view: texts.length === 0 ? view : new TextedView(view, texts), isLate }
  }

  async #opened(source: Source) {
    const { set } = source
    if (!set) return { opened: [], isLate: false }
    let isLate = false
    const patience = new AbortController()
    const timer = this.#ports.clock.after(PATIENCE_MS, () =>
      patience.abort(new AppError('STORAGE_DOWN', 'it took too long')),
    )
    const opened = await Promise.all(
      set.texts.map(async (file) => {
        if (this.#broken.has(readAs(file))) return undefined
        try {
          return { file, document: await this.#document(source, file, patience.signal) }
        } catch (error) {
          if (this.#failed(set, file, error)) isLate = true
          return undefined
        }
      }),
    )
    timer.cancel()
    return { opened: opened.filter((one) => one !== undefined), isLate }
  }

  /** Tells of it; whether it may be right again in a while. */
  #failed({ assetId }: TextSet, file: StoredText, error: unknown): boolean {
    const { name } = file
    const problem = messageOf(error)
    if (!(error instanceof AppError) || error.code !== 'FORMAT_INVALID') {
      this.#ports.logger.warn({ assetId, file: name, problem }, 'a text file could not be read; it is tried again')
      return true
    }
    if (this.#broken.size >= MAX_REMEMBERED) this.#broken.clear()
    this.#broken.add(readAs(file))
    this.#ports.broken({ assetId, fileName: name, problem })
    return false
  }

  async #document({ set }: Source, file: StoredText, signal: AbortSignal): Promise<TextDocument> {
    if (!set) throw new AppError('SEGMENT_GONE', `${file.name} was deleted.`)
    const { blob, sizeBytes, format } = file
    const make = async (making: AbortSignal): Promise<Kept> => {
      const range = { first: 0, last: sizeBytes - 1 }
      const bytes =
        sizeBytes === 0 ? new Uint8Array(0) : await this.#ports.storage(set.place).read(blob, range, { signal: making })
      if (!bytes) throw new AppError('SEGMENT_GONE', `${file.name} was deleted.`)
      const document = format === 'vtt' ? parseWebVtt(bytes) : parseTtml(bytes)
      if (document.skipped > 0) {
        const { skipped } = document
        this.#ports.logger.warn(
          { assetId: set.assetId, file: file.name, skipped },
          'a text file has broken cues, which are left out',
        )
      }
      return { document, memoryBytes: textMemoryBytes(document) }
    }
    return (await this.#cache.get(`${set.assetId}/${readAs(file)}`, make, signal)).document
  }

  async #readOwn(view: PresentationView, index: number, signal: AbortSignal): Promise<TextDocument> {
    const { id } = view.header
    const make = async (making: AbortSignal): Promise<Kept> => {
      const document = await this.#ports.files.readText(id, index, making)
      if (!document) throw new AppError('SEGMENT_GONE', 'This text is no longer there.')
      return { document, memoryBytes: textMemoryBytes(document) }
    }
    return (await this.#cache.get(`${id}#${index}`, make, signal)).document
  }
}

/** The same bytes are another text under another name: its ending says what they are. */
function readAs({ digest, format }: StoredText): string {
  return `${digest}/${format}`
}

function textsOf({ texts = [] }: PresentationView): number {
  return texts.length
}

function toldOf({ name, language, role, codec }: FileText, zeroTicks: number): Told {
  return { name, role, codec, zeroTicks, ...(language !== undefined && { language }) }
}

function bandwidthOf({ sizeBytes }: StoredText, { cues }: TextDocument): number {
  const endMs = cues.reduce((latest, cue) => Math.max(latest, cue.endMs), 1_000)
  return Math.max(LEAST_BANDWIDTH, Math.ceil((sizeBytes * 8_000) / endMs))
}

function uniqueName(name: string, others: readonly TextRendition[]): string {
  const isTaken = (wanted: string) => others.some((other) => other.name === wanted)
  let unique = name
  for (let number = 2; isTaken(unique); number++) unique = `${name} ${number}`
  return unique
}

function idOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, ID_LENGTH)
}
