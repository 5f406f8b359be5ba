import type { BlobStorage } from '../domain/blob-storage.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Turns } from '../lib/turns.ts'
import type { Span } from '../presentation/span-table.ts'
import { chunkBlob, chunkName, spanBlob } from './blob-names.ts'
import type { PresentationLog } from './ports.ts'
import { commitSpan, DamagedSegment } from './span-commit.ts'
import { trackSpans } from './span-place.ts'
import type { JournalFile } from './spool/journal-file.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'

/** What spans are committed with. */
export type SpanCommitterPorts = {
  readonly log: PresentationLog
  readonly folder: SpoolFolder
  /** The storage of the asset; it may be down, or not be known for now. */
  readonly storage: () => Promise<BlobStorage>
  readonly assetFolder: string
  readonly clock: Clock
  readonly logger: Logger
  /** How many spans of this node are under way at once. */
  readonly turns: Turns
}

/** Hears how it goes; must not throw. */
export type SpanCommitterListener = {
  /** The span lies in storage, and the log says so. */
  committed(sizeBytes: number, durationMs: number): void
  /** Storage does not take it; it is tried again. */
  failed(problem: string): void
  /** A segment's bytes are damaged: it is to become a gap. */
  damaged(sequence: number): void
}

const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000
/** A call of storage that takes longer is given up, and made again. */
const COMMIT_LIMIT_MS = 120_000

/** Brings the complete files of a recording's journal to storage, in order, for as long as it takes. */
export class SpanCommitter {
  readonly #ports: SpanCommitterPorts
  readonly #listener: SpanCommitterListener
  readonly #knownInits = new Set<number>()
  readonly #stopping = new AbortController()
  #files: JournalFile[] = []
  #working: Promise<void> | undefined
  #isHeld = false

  constructor(ports: SpanCommitterPorts, listener: SpanCommitterListener) {
    this.#ports = ports
    this.#listener = listener
  }

  /** Files that are not in storage, the oldest first. */
  get files(): readonly JournalFile[] {
    return this.#files
  }

  /** Bytes that wait for storage. */
  get pendingBytes(): number {
    return this.#files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** A file is complete, and the log has all its rows or will have them. */
  add(file: JournalFile): void {
    this.#files.push(file)
    this.resume()
  }

  /** Nothing is committed, and no file removed, until it is released. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.resume()
  }

  /** What is under way is given up; nothing is begun any more. */
  interrupt(): void {
    this.#stopping.abort(new AppError('STOPPED', 'The recording is stopped.'))
  }

  /** The log has moved on: what waited for that can be done. */
  resume(): void {
    if (!this.#stopping.signal.aborted) this.#working ??= this.#work()
  }

  /** Resolves when nothing is left that can be committed, or it has stopped. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  /** Ends what is under way, and closes the files: an interrupted span is committed by the next run. */
  async stop(): Promise<void> {
    this.interrupt()
    await this.#working
    for (const file of this.#files) await file.close()
  }

  async #work(): Promise<void> {
    // What is added in this turn is seen.
    await Promise.resolve()
    let retryMs = FIRST_RETRY_MS
    for (let file = this.#next(); file; file = this.#next()) {
      try {
        await this.#commit(file)
        retryMs = FIRST_RETRY_MS
      } catch (error) {
        if (this.#stopping.signal.aborted) break
        if (error instanceof DamagedSegment) {
          this.#listener.damaged(error.sequence)
          continue
        }
        this.#listener.failed(messageOf(error))
        await this.#ports.clock.sleep(retryMs, this.#stopping.signal).catch(() => undefined)
        if (this.#stopping.signal.aborted) break
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
      }
    }
    this.#working = undefined
  }

  /** The oldest one whose rows the log has. One without any, or whose rows are discarded, has nothing to commit. */
  #next(): JournalFile | undefined {
    const [file] = this.#files
    if (this.#isHeld) return undefined
    const end = file?.span?.endSequence ?? 0
    return end <= this.#ports.log.view.endSequence ? file : undefined
  }

  async #commit(file: JournalFile): Promise<void> {
    for (let left = this.#left(file); left; left = this.#left(file)) await this.#store(file, left)
    this.#files = this.#files.filter((other) => other !== file)
    await file.remove().catch((error: unknown) => {
      this.#ports.logger.warn({ error: messageOf(error), file: file.name }, 'a journal file is left behind')
    })
  }

  /** What of a file is to be committed: not what was discarded, nor what a run before this one committed. */
  #left({ span }: JournalFile): Span | undefined {
    const { view } = this.#ports.log
    if (!span) return undefined
    let firstSequence = Math.max(span.firstSequence, view.firstSequence)
    for (let known = view.span(firstSequence); known; known = view.span(firstSequence)) {
      firstSequence = known.endSequence
    }
    return firstSequence < span.endSequence ? { firstSequence, endSequence: span.endSequence } : undefined
  }

  async #store(file: JournalFile, listed: Span): Promise<void> {
    const { log, folder, clock, turns } = this.#ports
    const { signal } = this.#stopping
    const startedMs = clock.monotonicMs()
    const names = this.#namesOf(listed)
    try {
      const chunk = await turns.run(() => this.#put(file, listed), { signal })
      await folder.put(chunkName(listed.firstSequence), chunk)
    } catch (error) {
      await this.#clearDiscarded(listed, names)
      throw error
    }
    signal.throwIfAborted()
    // It may have been discarded meanwhile, as a whole or in part: what is left of it is committed anew.
    if (await this.#clearDiscarded(listed, names)) return
    log.append({ type: 'span', ...listed })
    this.#listener.committed(file.sizeBytes, clock.monotonicMs() - startedMs)
  }

  #namesOf({ firstSequence, endSequence }: Span): string[] {
    const { log, assetFolder } = this.#ports
    const tracks = trackSpans(log.view, firstSequence, endSequence)
    const media = tracks.map(({ track, spanTicks }) => spanBlob(assetFolder, track, spanTicks))
    return [chunkBlob(assetFolder, firstSequence), ...media]
  }

  /** Whether the span lost its first segments to the archive window while it was being written: nobody would look for it there. */
  async #clearDiscarded({ firstSequence }: Span, names: readonly string[]): Promise<boolean> {
    const { log, folder, storage, logger } = this.#ports
    if (log.view.firstSequence <= firstSequence || this.#stopping.signal.aborted) return false
    try {
      await folder.remove(chunkName(firstSequence))
      const blobs = await storage()
      for (const name of names) await blobs.delete(name, { signal: this.#stopping.signal })
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'what was written of a discarded span is left behind')
    }
    return true
  }

  async #put(file: JournalFile, span: Span): Promise<Uint8Array> {
    const { log, assetFolder, clock } = this.#ports
    const late = new AbortController()
    const timer = clock.after(COMMIT_LIMIT_MS, () => {
      late.abort(new AppError('STORAGE_DOWN', 'Storage did not take a span in time.'))
    })
    const signal = AbortSignal.any([late.signal, this.#stopping.signal])
    try {
      const put = async () =>
        commitSpan({
          span,
          view: log.view,
          records: () => log.spanRecords(span.firstSequence, span.endSequence),
          file,
          inMemory: (rendition, sequence, written) => log.read(rendition, sequence, written),
          storage: await this.#ports.storage(),
          assetFolder,
          knownInits: this.#knownInits,
          signal,
        })
      // A storage that never answers does not listen to signals either.
      return await abortable(put(), signal)
    } finally {
      timer.cancel()
    }
  }
}
