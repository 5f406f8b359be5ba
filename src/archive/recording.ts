import { messageOf } from '../lib/errors.ts'
import type { LogRecord, PresentationHeader, PresentationTerms, RecordOf, Track } from '../presentation/records.ts'
import { ArchiveFinish } from './archive-finish.ts'
import { ArchiveWindow } from './archive-window.ts'
import { coolTail } from './hot-tail.ts'
import type { PresentationLog } from './ports.ts'
import { RecordGate } from './record-gate.ts'
import { headerAfter, isUnder, journalHead } from './recording-header.ts'
import type { EarlierRun, RecordingOptions, RecordingPorts } from './recording-ports.ts'
import { beforeOpen, lostOpen, missingRows, type RowsEnd, rowsEndAfter } from './rows-end.ts'
import { SpanCommitter } from './span-committer.ts'
import { SpoolWriter } from './spool/spool-writer.ts'

/**
 * A presentation that is being recorded: what is appended goes to the journal and to the log, where it is seen when the journal
 * has it; complete spans go to storage; memory keeps the hot tail; what is older than the archive window is discarded.
 */
export class Recording {
  readonly #options: RecordingOptions
  readonly #ports: RecordingPorts
  readonly #spool: SpoolWriter
  readonly #committer: SpanCommitter
  readonly #window: ArchiveWindow
  readonly #finish: ArchiveFinish
  readonly #tracks = new Map<number, Track>()
  readonly #gate: RecordGate
  /** Segments that were lost before the log had them. */
  readonly #lost = new Set<number>()
  /** Where the rows end, as appended; the log shows them later. */
  #rowsEnd: RowsEnd | undefined
  /** What stands over it, as appended. */
  #header: PresentationHeader
  /** The segment that is being written, as appended. */
  #open: RecordOf<'segment-opened'> | undefined
  /** With this record the journal has what earlier files tell of an open segment. */
  #releaseAt: number | undefined
  #isEnded: boolean
  #isRecovered: boolean
  #usedUntil: number
  #stopped: Promise<void> | undefined

  /** `earlier`: what an earlier run wrote; the log has it already. */
  constructor(options: RecordingOptions, ports: RecordingPorts, earlier: EarlierRun) {
    this.#options = options
    this.#ports = ports
    const { log, folder, holds, clock, logger, assetKey, random, assetFolder, storage, turns, observer } = ports
    this.#rowsEnd = earlier.end
    this.#isRecovered = earlier.end !== undefined
    this.#usedUntil = earlier.usedUntil ?? 0
    this.#header = log.view.header
    for (const track of earlier.tracks) this.#tracks.set(track.track, track)
    const head = (next: number) => journalHead(this.#header, this.#tracks.values(), log.view, next)
    this.#spool = new SpoolWriter(
      options,
      { folder, holds, clock, logger, assetKey, random, head },
      {
        moved: () => this.#moved(),
        lost: (sequences) => this.#losing(sequences),
        completed: (file) => this.#committer.add(file),
        degraded: (is, problem) => this.#degraded(is, problem),
      },
      log.view.endSequence,
    )
    this.#gate = new RecordGate(this.#spool, holds, (record, bytes) => this.#show(record, bytes))
    this.#committer = new SpanCommitter(
      { log, folder, storage, assetFolder, clock, logger, turns },
      {
        committed: (sizeBytes, durationMs) => {
          observer.committed(sizeBytes, durationMs)
          this.#tidy()
        },
        failed: (problem) => observer.storageFailed(problem),
        damaged: (sequence) => this.#losing([sequence]),
      },
    )
    const windowPorts = { log, folder, storage, assetFolder, clock, logger, observer }
    this.#window = new ArchiveWindow(windowPorts, earlier.discardedBefore ?? 0)
    this.#finish = new ArchiveFinish(
      { log, folder, clock, logger },
      {
        committed: () => this.committed(),
        isCalledOff: () => this.#stopped !== undefined || !this.#isEnded,
        isPending: () =>
          this.#spool.queuedBytes > 0 || this.#spool.file !== undefined || this.#committer.files.length > 0,
        cool: () => this.#cool(),
      },
    )
    for (const file of earlier.files) this.#committer.add(file)
    this.#isEnded = log.view.ended
    if (earlier.hasOpen && earlier.end) this.#loseOpen(earlier.end)
    this.#tidy()
  }

  /** Its presentation's log. What is appended here shows there in its time. */
  get log(): PresentationLog {
    return this.#ports.log
  }

  /** Bytes that are on this node's disk and not in storage. */
  get spooledBytes(): number {
    return this.#committer.pendingBytes + (this.#spool.file?.sizeBytes ?? 0)
  }

  get queuedBytes(): number {
    return this.#spool.queuedBytes
  }

  /** All is in storage, and nobody plays the live window any more. */
  get archived(): Promise<void> {
    return this.#finish.done
  }

  /** Takes a record of the presentation, a fragment with its bytes. */
  append(record: LogRecord, bytes?: Uint8Array): void {
    if (this.#isEnded || this.#stopped) return
    // Whoever goes on announces all tracks again.
    if (record.type === 'track-added' && this.#tracks.has(record.track.track)) return
    this.#follow(record)
    const serial = this.#spool.append(record, bytes)
    this.#header = headerAfter(this.#header, record)
    this.#gate.take(record, bytes, serial)
  }

  /** Where the rows end that were appended; `undefined`: there are none. */
  get rowsEnd(): RowsEnd | undefined {
    return this.#rowsEnd
  }

  /**
   * Goes on after a pause: what is missing since is shown as gaps on the epoch grid of `segmentMs`, as far as that is worth a row, and
   * always where a segment was being written when the process ended. A presentation that has ended lives again.
   */
  resume(terms: PresentationTerms, segmentMs: number): void {
    this.#finish.callOff()
    const wasEnded = this.#isEnded
    this.#isEnded = false
    const open = this.#open
    const end = this.#rowsEnd && (open ? beforeOpen(this.#rowsEnd, open) : this.#rowsEnd)
    if (end && !wasEnded) {
      const used = { hasOpen: open !== undefined, isRecovered: this.#isRecovered, usedUntil: this.#usedUntil }
      for (const gap of missingRows(end, this.#ports.clock.now(), segmentMs, used)) this.append(gap)
    }
    this.#isRecovered = false
    this.#usedUntil = 0
    if (!wasEnded && isUnder(this.#header, terms)) return
    this.append({ type: 'resumed', terms })
  }

  /** How far back viewers may rewind from now on. */
  rewindTo(rewindWindowMs: number): void {
    if (rewindWindowMs === this.#header.rewindWindowMs) return
    this.append({ type: 'rewind-changed', rewindWindowMs })
  }

  /** Ends the presentation where it has not ended. */
  end(): void {
    if (this.#isEnded) return
    if (this.#open && this.#rowsEnd) this.append(this.#lostOpen(beforeOpen(this.#rowsEnd, this.#open)))
    this.append({ type: 'ended' })
  }

  /** Resolves when the log shows all that was appended. */
  async settled(): Promise<void> {
    while (!this.#gate.isEmpty) await this.#spool.settled()
  }

  /** Resolves when all that is complete is in storage. */
  async committed(): Promise<void> {
    await this.#spool.settled()
    await this.#committer.settled()
  }

  /** The fragments of a segment of a track that is on this node's disk and not in storage; `undefined`: not there (any more). */
  async readSpooled(sequence: number, track: number): Promise<Uint8Array[] | undefined> {
    const current = this.#spool.file
    const files = current ? [...this.#committer.files, current] : this.#committer.files
    for (const file of files) {
      const places = file.places(sequence)?.get(track)
      if (!places) continue
      const whole: Uint8Array[] = []
      for (const place of places) {
        // The file may have come to storage, and gone, meanwhile.
        const bytes = await file.read(place).catch(() => undefined)
        if (bytes === undefined) return undefined
        whole.push(bytes)
      }
      return whole
    }
    return undefined
  }

  /** Ends it in this process: what was appended is on the disk, for the next run to go on with. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Nothing of it is kept on this node. */
  async discard(): Promise<void> {
    await this.stop()
    await this.#ports.folder.destroy()
  }

  async #stop(): Promise<void> {
    this.#finish.callOff()
    this.#committer.interrupt()
    await this.#spool.stop()
    this.#gate.clear()
    await this.#committer.stop()
    await this.#window.stop()
    await this.#ports.mark?.close()
  }

  #follow(record: LogRecord): void {
    if (record.type === 'track-added') this.#tracks.set(record.track.track, record.track)
    if (record.type === 'segment-opened') this.#open = record
    if (record.type === 'segment-closed' || record.type === 'gap') this.#open = undefined
    if (record.type === 'ended') this.#isEnded = true
    this.#rowsEnd = rowsEndAfter(this.#rowsEnd, record)
    if (this.#spool.isDegraded && this.#rowsEnd) this.#ports.mark?.used(this.#rowsEnd.nextSequence)
  }

  #degraded(isDegraded: boolean, problem: string | undefined): void {
    const { observer, mark } = this.#ports
    if (isDegraded) {
      observer.degraded(problem ?? '')
      mark?.used(this.#rowsEnd?.nextSequence ?? 0)
    } else {
      observer.recovered()
      mark?.clear()
    }
  }

  /** The segment that was being written when the process ended: what tells of it stays until the journal says that it is a gap. */
  #loseOpen(end: RowsEnd): void {
    this.#committer.hold()
    this.append(this.#lostOpen(end))
    this.#releaseAt = this.#spool.serial
  }

  #lostOpen = (end: RowsEnd) => lostOpen(end, this.#ports.clock.now(), this.#header.targetDurationMs)

  #moved(): void {
    this.#gate.moved()
    this.#release()
    this.#committer.resume()
  }

  /** A disk that takes nothing is not to keep what it has for that. */
  #release(): void {
    if (this.#releaseAt === undefined) return
    if (this.#spool.writtenSerial < this.#releaseAt && !this.#spool.isDegraded) return
    this.#releaseAt = undefined
    this.#committer.release()
  }

  #show(record: LogRecord, bytes: Uint8Array | undefined): void {
    const { log, logger } = this.#ports
    if (this.#stopped) return
    try {
      log.append(record, bytes)
    } catch (error) {
      logger.error({ err: error, record: record.type }, `a record could not be taken: ${messageOf(error)}`)
      return
    }
    if (record.type !== 'segment-closed' && record.type !== 'gap' && record.type !== 'ended') return
    if ('sequence' in record && this.#lost.delete(record.sequence)) this.#lose(record.sequence)
    this.#tidy()
  }

  #losing(sequences: readonly number[]): void {
    this.#ports.observer.lost(sequences.length)
    for (const sequence of sequences) {
      if (sequence < this.#ports.log.view.endSequence) this.#lose(sequence)
      else this.#lost.add(sequence)
    }
  }

  #lose(sequence: number): void {
    const { log } = this.#ports
    if (this.#stopped || sequence < log.view.firstSequence || log.view.span(sequence)) return
    log.append({ type: 'lost', firstSequence: sequence, endSequence: sequence + 1 })
  }

  /** After each step: memory keeps the hot tail, storage what the archive window covers. */
  #tidy(): void {
    this.#cool()
    this.#window.apply()
    this.#finish.review()
  }

  #cool(): void {
    const { file } = this.#spool
    const files = file ? [...this.#committer.files, file] : this.#committer.files
    coolTail(this.#ports.log, this.#options.hotBytes, files)
  }
}
