import type { BlobStorage } from '../domain/blob-storage.ts'
import type { FileSet, StoredFile } from '../domain/file-set.ts'
import { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { Stoppable } from '../lib/scope.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { Turns } from '../lib/turns.ts'
import type { TextDocument } from '../media/text/text-document.ts'
import type { FilePresentation, openFilePresentation } from '../ondemand/file-presentation.ts'
import type { SegmentMemory } from '../ondemand/segment-reader.ts'
import type { SourceFile } from '../ondemand/source-file.ts'
import type { OriginFiles } from '../origin/ports.ts'
import type { PresentationView } from '../presentation/view.ts'
import { BlockReader } from '../storage/block-reader.ts'

/** What published files are read by. */
export type FileSourcePorts = {
  readonly storage: (place: FileSet['place']) => Pick<BlobStorage, 'read'>
  readonly open: (...given: Parameters<typeof openFilePresentation>) => Promise<Readable>
  readonly clock: Clock
}

/** What is asked of an opened presentation. */
type Readable = Pick<FilePresentation, 'view' | 'read' | 'memoryBytes'> &
  Partial<Pick<FilePresentation, 'texts' | 'zeroTicks' | 'readText'>>
type Opened = { readonly kind: 'presentation'; readonly presentation: Readable; readonly memoryBytes: number }
type Segment = {
  readonly kind: 'segment'
  readonly fragments: readonly Uint8Array[] | undefined
  readonly memoryBytes: number | undefined
}
/** The text tracks of files, and where the files' time 0 lies, 90 kHz. */
export type FileTexts = Pick<FilePresentation, 'zeroTicks'> & { readonly tracks: FilePresentation['texts'] }
type Failure = { readonly error: AppError; readonly untilMs: number }

const OPENED_AT_ONCE = 4
/** Opening goes on for so long when nobody waits for it any more: who has lost patience comes again, and would begin anew. */
const PATIENCE_MS = 60_000
/** Each holds a segment in memory, and what it is made of. */
const READ_AT_ONCE = 16
const MAX_WAITING = 1_024
const MAX_REMEMBERED = 1_000
/** A broken file is looked at again after so long; what may be right again in a moment, sooner. */
const BROKEN_MS = 5_000
const UNAVAILABLE_MS = 1_000
/** For the headers of files, which are read once. */
const BLOCK_CACHE_BYTES = 4 * 2 ** 20
/** More than anybody has renditions: those are files that have nothing to do with each other. */
const MAX_FILES = 64
const UNPLAYABLE: readonly ErrorCode[] = ['FORMAT_INVALID', 'MEDIA_UNSUPPORTED', 'LIMIT_EXCEEDED']

/**
 * Makes presentations of uploaded files on an origin thread, for all who ask for one at a time, and reads their segments. Their
 * tables and the segments that were made last are kept within `cacheBytes` together.
 */
export class FileSource implements Stoppable {
  readonly #ports: FileSourcePorts
  readonly #cache: SharedCache<Opened | Segment>
  /** A segment that would drive most of the others out is not kept. */
  readonly #largestBytes: number
  readonly #blocks = new BlockReader(BLOCK_CACHE_BYTES)
  readonly #pool = new BufferPool()
  readonly #memory: SegmentMemory = {
    take: (sizeBytes) => this.#pool.take(sizeBytes),
    giveBack: (bytes) => this.#pool.giveBack(bytes),
  }
  readonly #opening = new Turns(OPENED_AT_ONCE, { maxWaiting: MAX_WAITING, refusal: () => busy('opened') })
  readonly #reading = new Turns(READ_AT_ONCE, { maxWaiting: MAX_WAITING, refusal: () => busy('read') })
  /** What the ids of presentations mean, those asked for last at the end. */
  readonly #sets = new Map<string, FileSet>()
  readonly #failures = new Map<string, Failure>()
  readonly #files = new WeakMap<FileSet, OriginFiles>()
  readonly #texts = new WeakMap<PresentationView, FileTexts>()
  readonly #stopped = new AbortController()

  constructor(ports: FileSourcePorts, cacheBytes: number) {
    this.#ports = ports
    this.#cache = new SharedCache(cacheBytes, (gone) => this.#giveBack(gone))
    this.#largestBytes = cacheBytes / 4
  }

  get cachedBytes(): number {
    return this.#cache.sizeBytes
  }

  /** A set of files for the origin: nothing of it is read before somebody wants it. */
  filesOf(set: FileSet): OriginFiles {
    const known = this.#files.get(set)
    if (known) return known
    const { place } = set
    const files: OriginFiles = {
      files: set.files.map(({ name, sizeBytes, contentType, digest, blob }) => ({
        ...{ name, sizeBytes, contentType, digest },
        read: (range, signal) => this.#ports.storage(place).read(blob, range, { signal }),
      })),
      open: (signal) => this.#view(set, signal),
      isOpen: () => this.#cache.has(presentationId(set)),
    }
    this.#files.set(set, files)
    return files
  }

  /** Whether a segment is at hand, or being read. */
  holds(presentationId: string, renditionIndex: number, sequence: number): boolean {
    return this.#cache.has(`${presentationId}/${renditionIndex}/${sequence}`)
  }

  /**
   * As `FragmentReader.read`, of a presentation that was opened here; `undefined` for any other.
   *
   * @throws AppError `FILE_UNPLAYABLE`, `ORIGIN_BUSY`, and what the storage throws; the signal's reason
   */
  async read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[] | undefined> {
    const set = this.#sets.get(presentationId)
    if (!set) return undefined
    const make = async (making: AbortSignal): Promise<Segment> => {
      const presentation = await this.#open(set, making)
      const read = () => playable(() => presentation.read(renditionIndex, sequence, making, this.#memory))
      const fragments = await this.#reading.run(read, { signal: making })
      const sizeBytes = (fragments ?? []).reduce((sum, { byteLength }) => sum + byteLength, 0)
      const isKept = fragments !== undefined && sizeBytes <= this.#largestBytes
      return { kind: 'segment', fragments, memoryBytes: isKept ? sizeBytes : undefined }
    }
    const made = await this.#cache.lease(`${presentationId}/${renditionIndex}/${sequence}`, make, signal)
    return made.kind === 'segment' ? made.fragments : undefined
  }

  /** What the files of a presentation that was opened here have of texts. */
  textsIn(view: PresentationView): FileTexts | undefined {
    return this.#texts.get(view)
  }

  /**
   * What one of a presentation's text tracks says; `undefined`: there is none.
   *
   * @throws AppError as `read`
   */
  async readText(presentationId: string, index: number, signal: AbortSignal): Promise<TextDocument | undefined> {
    const set = this.#sets.get(presentationId)
    const presentation = set && (await this.#open(set, signal))
    return playable(() => this.#reading.run(async () => presentation?.readText?.(index, signal), { signal }))
  }

  /** Nothing is opened any more that nobody waits for. */
  async stop(): Promise<void> {
    this.#stopped.abort()
  }

  #giveBack(gone: Opened | Segment): void {
    if (gone.kind === 'segment') for (const bytes of gone.fragments ?? []) this.#pool.giveBack(bytes)
  }

  async #view(set: FileSet, signal: AbortSignal): Promise<PresentationView> {
    const id = presentationId(set)
    this.#sets.delete(id)
    this.#sets.set(id, set)
    const [oldest] = this.#sets.keys()
    if (this.#sets.size > MAX_REMEMBERED && oldest !== undefined) this.#sets.delete(oldest)
    const { view, texts: tracks = [], zeroTicks = 0 } = await this.#open(set, signal)
    this.#texts.set(view, { tracks, zeroTicks })
    return view
  }

  async #open(set: FileSet, signal: AbortSignal): Promise<Readable> {
    const id = presentationId(set)
    const failure = this.#failures.get(id)
    if (failure && failure.untilMs > this.#ports.clock.now()) throw failure.error
    let isFirst = false
    const make = async (making: AbortSignal): Promise<Opened> => {
      isFirst = true
      try {
        const open = () => playable(() => this.#ports.open(id, this.#sources(set), making))
        const presentation = await this.#opening.run(open, { signal: making })
        this.#failures.delete(id)
        return { kind: 'presentation', presentation, memoryBytes: presentation.memoryBytes }
      } catch (error) {
        if (!making.aborted) this.#remember(id, error)
        throw error
      }
    }
    const opening = this.#cache.get(id, make, signal)
    if (isFirst) void this.#waitToo(id, make)
    const made = await opening
    if (made.kind === 'presentation') return made.presentation
    throw new AppError('INTERNAL', `${id} is kept as a segment`)
  }

  /** Keeps an opening going. How it ends is told to who asked for it, or asks next. */
  async #waitToo(id: string, make: (making: AbortSignal) => Promise<Opened>): Promise<void> {
    const patience = new AbortController()
    const timer = this.#ports.clock.after(PATIENCE_MS, () => patience.abort())
    const waiting = AbortSignal.any([patience.signal, this.#stopped.signal])
    await this.#cache.get(id, make, waiting).catch(() => undefined)
    timer.cancel()
  }

  /** Where they lie may change while they are open: it is looked up with every read. */
  #sources(set: FileSet): SourceFile[] {
    const { files } = set
    if (files.length > MAX_FILES) {
      const message = `The asset has ${files.length} MP4 and QuickTime files; at most ${MAX_FILES} can be played together.`
      throw new AppError('MEDIA_UNSUPPORTED', message)
    }
    const id = presentationId(set)
    const storage = () => this.#ports.storage((this.#sets.get(id) ?? set).place)
    return files.map(({ name, sizeBytes, blob }: StoredFile) => ({
      ...{ name, sizeBytes },
      read: (range, signal, take) =>
        this.#blocks.read({ storage: storage(), name: blob, sizeBytes }, range, signal, take),
    }))
  }

  #remember(id: string, error: unknown): void {
    if (!(error instanceof AppError) || error.code === 'ORIGIN_BUSY') return
    if (this.#failures.size >= MAX_REMEMBERED) this.#failures.clear()
    const forMs = error.kind === 'unavailable' ? UNAVAILABLE_MS : BROKEN_MS
    this.#failures.set(id, { error, untilMs: this.#ports.clock.now() + forMs })
  }
}

/** One presentation for each state of an asset's files: what is read by its id is never of other files. */
function presentationId({ assetId, digest }: FileSet): string {
  return `${assetId}.${digest}`
}

/** What the file is to blame for is told as that. */
async function playable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof AppError) || !UNPLAYABLE.includes(cause.code)) throw cause
    throw new AppError('FILE_UNPLAYABLE', `This can't be played: ${cause.message}`, { cause })
  }
}

function busy(what: string): AppError {
  return new AppError('ORIGIN_BUSY', `Too many files are being ${what}: try again.`)
}
