import type { BlobStorage } from '../domain/blob-storage.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import { chunkBlob, chunkSequence, spanBlob } from './blob-names.ts'
import { decodeMark, encodeMark } from './mark.ts'
import type { PresentationLog, RecordingObserver } from './ports.ts'
import { trackSpans } from './span-place.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'

/** What the window is kept with. */
export type ArchiveWindowPorts = {
  readonly log: PresentationLog
  readonly folder: SpoolFolder
  readonly storage: () => Promise<BlobStorage>
  readonly assetFolder: string
  readonly observer: RecordingObserver
  readonly clock: Clock
  readonly logger: Logger
}

/** The name of the file in a recording's folder that says how far it was discarded. */
const MARK_FILE = 'window.mark'

type Discarded = { readonly firstSequence: number; readonly blobs: readonly string[] }

/** What has just left a playlist can still be fetched for so many target durations. */
const TARGETS_AFTER_WINDOW = 3
const RETRY_MS = 10_000
/** More than so many spans are not remembered for deletion: storage has been away for a day, and keeps what it has. */
const MAX_DISCARDED = 5_000

/**
 * Discards whole spans that are older than the archive window: from the log at once, from storage as soon as that answers. How far is
 * set down before anything is deleted: the terms of the recording, or its end, may keep more when the next run looks.
 */
export class ArchiveWindow {
  readonly #ports: ArchiveWindowPorts
  readonly #stopping = new AbortController()
  /** An earlier run discarded what lies before this one. */
  readonly #discardedBefore: number
  /** What lies before this one is set down as discarded. */
  #marked: number
  #discarded: Discarded[] = []
  #marking: Promise<void> | undefined
  #markAgain: Timer | undefined
  #deleting: Promise<void> | undefined

  /** `discardedBefore`: as `readDiscardedBefore`. */
  constructor(ports: ArchiveWindowPorts, discardedBefore: number) {
    this.#ports = ports
    this.#discardedBefore = discardedBefore
    this.#marked = Math.max(discardedBefore, ports.log.view.firstSequence)
  }

  /** Discards what has grown too old, if anything. */
  apply(): void {
    const { log, observer } = this.#ports
    // The newest one is kept whatever the mark says: it tells where the numbers are.
    const discardedBefore = Math.min(this.#discardedBefore, log.view.endSequence - 1)
    const first = Math.max(firstKept(log.view), discardedBefore)
    if (first <= log.view.firstSequence) return
    const gone: Discarded[] = []
    for (let sequence = log.view.firstSequence; sequence < first; ) {
      const span = log.view.span(sequence)
      if (span) gone.push(this.#blobsOf(span.firstSequence, span.endSequence))
      sequence = span?.endSequence ?? sequence + 1
    }
    log.append({ type: 'evicted', firstSequence: first })
    observer.discarded(gone.length)
    this.#discarded = [...this.#discarded, ...gone].slice(-MAX_DISCARDED)
    // One that had nothing to do would be over before it is remembered, and bar the next.
    if (this.#marked < first) this.#marking ??= this.#mark()
    if (this.#discarded.length > 0) this.#deleting ??= this.#delete()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#markAgain?.cancel()
    await this.#marking
    await this.#deleting
  }

  #blobsOf(firstSequence: number, endSequence: number): Discarded {
    const { log, assetFolder } = this.#ports
    const media = trackSpans(log.view, firstSequence, endSequence).map(({ track, spanTicks }) =>
      spanBlob(assetFolder, track, spanTicks),
    )
    return { firstSequence, blobs: [chunkBlob(assetFolder, firstSequence), ...media] }
  }

  /** A chunk of this node's may be of many spans: it goes when the one behind it is the oldest that is kept, or gone as well. */
  async #forgetChunks(firstSequence: number): Promise<void> {
    const { folder } = this.#ports
    const chunks = (await folder.list()).filter((name) => chunkSequence(name) !== undefined)
    for (const [index, name] of chunks.entries()) {
      const next = chunkSequence(chunks[index + 1] ?? '')
      const isGone = (chunkSequence(name) ?? 0) <= firstSequence && next !== undefined
      if (isGone && next <= this.#ports.log.view.firstSequence) await folder.remove(name)
    }
  }

  /** A disk that does not take it is tried again, and does not keep what lies in storage: that may be the disk that is full. */
  async #mark(): Promise<void> {
    const { log, folder, clock, logger } = this.#ports
    const { signal } = this.#stopping
    this.#markAgain?.cancel()
    try {
      while (this.#marked < log.view.firstSequence) {
        const { firstSequence } = log.view
        await abortable(folder.put(MARK_FILE, encodeMark(firstSequence)), signal)
        this.#marked = firstSequence
      }
    } catch (error) {
      if (!signal.aborted) {
        logger.warn(
          { error: messageOf(error) },
          'what is discarded can not be set down as such for now; it is tried again',
        )
        this.#markAgain = clock.after(RETRY_MS, () => {
          this.#marking ??= this.#mark()
        })
      }
    }
    this.#marking = undefined
  }

  /**
   * The chunk goes first: what has no chunk is not part of the recording. That on this node's disk goes last: a run that comes
   * after a crash finds there what it has to discard.
   */
  async #delete(): Promise<void> {
    const { storage, clock, logger } = this.#ports
    const { signal } = this.#stopping
    for (let next = this.#discarded[0]; next && !signal.aborted; next = this.#discarded[0]) {
      const { blobs } = next
      await this.#marking
      try {
        const remove = async () => {
          const stored = await storage()
          for (const name of blobs) await stored.delete(name, { signal })
        }
        // A storage that never answers does not listen to signals either.
        await abortable(remove(), signal)
        await this.#forgetChunks(next.firstSequence)
        this.#discarded = this.#discarded.filter((other) => other !== next)
      } catch (error) {
        if (signal.aborted) break
        logger.warn({ error: messageOf(error) }, 'discarded spans can not be deleted for now; it is tried again')
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
    this.#deleting = undefined
  }
}

/** How far earlier runs discarded the recording of this folder: before which segment; 0: nothing tells. @throws what the disk throws */
export async function readDiscardedBefore(folder: SpoolFolder): Promise<number> {
  const names = await folder.list()
  return names.includes(MARK_FILE) ? decodeMark(await folder.get(MARK_FILE)) : 0
}

/** The first segment that is kept: spans go as a whole, and never one that reaches into the window. */
export function firstKept(view: PresentationView): number {
  const { archiveWindowMs, targetDurationMs } = view.header
  const newest = view.segment(view.endSequence - 1)
  if (archiveWindowMs === undefined || !newest || view.ended) return view.firstSequence
  const keptMs = archiveWindowMs + TARGETS_AFTER_WINDOW * targetDurationMs
  const oldestTicks = newest.startTicks + newest.durationTicks - (keptMs / 1_000) * PRESENTATION_TIMESCALE
  let first = view.firstSequence
  for (let sequence = first; sequence < view.endSequence; ) {
    const end = view.span(sequence)?.endSequence ?? sequence + 1
    const last = view.segment(end - 1)
    if (!last || last.startTicks + last.durationTicks > oldestTicks) break
    first = end
    sequence = end
  }
  return first
}
