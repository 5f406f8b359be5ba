import type { Clock, Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { type LogRecord, PRESENTATION_TIMESCALE } from '../../presentation/records.ts'
import { JournalFile, SALT_BYTES } from './journal-file.ts'
import type { JournalHead } from './journal-head.ts'
import type { SpoolFolder } from './spool-folder.ts'
import { type FragmentHolds, type Queued, SpoolQueue } from './spool-queue.ts'

/** When a file is full, how much may wait for the disk, and how long for it. */
export type SpoolOptions = {
  /** A span is as long as this, and ends with a segment. */
  readonly spanMs: number
  readonly spanBytes: number
  readonly queueBytes: number
  /** How long what is to be on the disk before it is seen may wait for that. */
  readonly syncDeadlineMs: number
}

/** What the writer works with. */
export type SpoolWriterPorts = {
  readonly folder: SpoolFolder
  readonly holds: FragmentHolds
  readonly clock: Clock
  readonly logger: Logger
  /** The asset's, where it is encrypted. */
  readonly assetKey: Uint8Array | undefined
  readonly random: (sizeBytes: number) => Uint8Array
  /** What a file begins with whose first segment has this number. */
  readonly head: (nextSequence: number) => JournalHead
}

/** Hears how it goes; called in the writer's turn, and must not throw. */
export type SpoolListener = {
  /** More is on the disk, or what is not need not be waited for any more. */
  moved(): void
  /** The media of these segments will not be written. */
  lost(sequences: readonly number[]): void
  /** A file has all of its span. */
  completed(file: JournalFile): void
  /** The disk does not keep up (`true`), or does so again. */
  degraded(isDegraded: boolean, problem: string | undefined): void
}

const BATCH_BYTES = 8_388_608
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 5_000
const STOP_LIMIT_MS = 10_000

/** What must be on the disk before anybody sees it: a number, or a marker, that was seen never stands for something else. */
export function isBarrier({ type }: LogRecord): boolean {
  return (
    type === 'segment-opened' || type === 'segment-closed' || type === 'gap' || type === 'ended' || type === 'marker'
  )
}

/**
 * Writes a recording's journal: what comes while the disk is busy goes with the next write, and is synced with it. A disk
 * that fails is tried again for as long as it takes; what does not fit into the queue meanwhile is lost, and said to be.
 */
export class SpoolWriter {
  readonly #options: SpoolOptions
  readonly #ports: SpoolWriterPorts
  readonly #listener: SpoolListener
  readonly #queue: SpoolQueue
  #file: JournalFile | undefined
  #serial = 0
  #writtenSerial = 0
  #writing: Promise<void> | undefined
  #retry: { readonly timer: Timer; readonly go: () => void } | undefined
  #retryMs = FIRST_RETRY_MS
  #late: Timer | undefined
  #isDegraded = false
  #isStopping = false
  #isInSegment = false
  #nextSequence: number
  /** Where the newest row ends, 90 kHz. */
  #endTicks = 0
  #retryWaiters: (() => void)[] = []
  /** Of the span that is being written: where it began, 90 kHz, and its bytes. */
  #span: { startTicks: number; sizeBytes: number } | undefined

  /** `nextSequence`: of the next segment, as far as is known. */
  constructor(options: SpoolOptions, ports: SpoolWriterPorts, listener: SpoolListener, nextSequence: number) {
    this.#nextSequence = nextSequence
    this.#options = options
    this.#ports = ports
    this.#listener = listener
    this.#queue = new SpoolQueue(options.queueBytes, ports.holds)
  }

  /** Nobody waits for the disk: it does not keep up. */
  get isDegraded(): boolean {
    return this.#isDegraded
  }

  /** The serial of the newest record that is on the disk, with all before it. */
  get writtenSerial(): number {
    return this.#writtenSerial
  }

  /** The serial of the newest record. */
  get serial(): number {
    return this.#serial
  }

  /** The file that is being written. */
  get file(): JournalFile | undefined {
    return this.#file
  }

  get queuedBytes(): number {
    return this.#queue.sizeBytes
  }

  /** Takes a record to the disk; gives its serial. The bytes are held until they are written. */
  append(record: LogRecord, data?: Uint8Array): number {
    const serial = ++this.#serial
    const beginsFile = this.#beginsFile(record)
    this.#follow(record, beginsFile)
    const barrier = isBarrier(record)
    const head = beginsFile ? this.#ports.head(firstOf(record) ?? this.#nextSequence) : undefined
    const lost = this.#queue.push({ record, data, serial, isBarrier: barrier, head })
    if (lost.length > 0) {
      // Whoever waits for what is not written any more would wait for the end of its segment.
      this.#degrade('the disk does not keep up')
      this.#listener.lost(lost)
    }
    if (barrier) this.#late ??= this.#ports.clock.after(this.#options.syncDeadlineMs, () => this.#degrade(undefined))
    this.#writing ??= this.#write()
    return serial
  }

  /** Resolves when all is on the disk, or the disk does not take it. */
  async settled(): Promise<void> {
    while (this.#writing && !this.#retry) await Promise.race([this.#writing, this.#untilRetry()])
  }

  /**
   * Writes what waits, as far as the disk takes it, and completes the file. What is read from it stays readable. A disk that
   * does not answer is not waited for any longer.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#retry?.go()
    const isDone = await this.#drained()
    this.#late?.cancel()
    if (!isDone) return
    this.#queue.clear()
    this.#complete()
  }

  async #drained(): Promise<boolean> {
    if (!this.#writing) return true
    const limit = Promise.withResolvers<false>()
    const timer = this.#ports.clock.after(STOP_LIMIT_MS, () => limit.resolve(false))
    const isDone = await Promise.race([this.#writing.then(() => true), limit.promise])
    timer.cancel()
    return isDone
  }

  #untilRetry(): Promise<void> {
    return new Promise((resolve) => this.#retryWaiters.push(resolve))
  }

  #beginsFile(record: LogRecord): boolean {
    if (this.#span === undefined) return true
    if (this.#isInSegment || !('startTicks' in record || record.type === 'discontinuity')) return false
    if (record.type === 'marker' || record.type === 'fragment') return false
    const { spanMs, spanBytes } = this.#options
    if (this.#span.sizeBytes >= spanBytes) return true
    const nowTicks = 'startTicks' in record ? record.startTicks : this.#endTicks
    return nowTicks - this.#span.startTicks >= ((spanMs - 1) / 1_000) * PRESENTATION_TIMESCALE
  }

  #follow(record: LogRecord, beginsFile: boolean): void {
    if (beginsFile) this.#span = { startTicks: Number.POSITIVE_INFINITY, sizeBytes: 0 }
    const span = this.#span
    if (record.type === 'segment-opened' || record.type === 'gap') {
      if (span) span.startTicks = Math.min(span.startTicks, record.startTicks)
      this.#endTicks = record.startTicks
    }
    this.#nextSequence = (firstOf(record) ?? this.#nextSequence - 1) + 1
    if (record.type === 'gap') this.#endTicks = record.startTicks + record.durationTicks
    if (record.type === 'segment-closed') this.#endTicks += record.durationTicks
    if (record.type === 'fragment' && span) span.sizeBytes += record.sizeBytes
    if (record.type === 'segment-opened') this.#isInSegment = true
    if (record.type === 'segment-closed' || record.type === 'gap') this.#isInSegment = false
    // What comes behind the end begins with a file of its own.
    if (record.type === 'ended') this.#span = undefined
  }

  async #write(): Promise<void> {
    // What comes in this turn goes together.
    await Promise.resolve()
    while (!this.#queue.isEmpty) {
      const batch = this.#queue.take(BATCH_BYTES)
      try {
        await this.#writeBatch(batch)
        this.#queue.done()
        this.#written(batch)
      } catch (error) {
        this.#queue.putBack()
        this.#degrade(messageOf(error))
        if (this.#isStopping) break
        await this.#waitToRetry()
      }
    }
    this.#writing = undefined
  }

  async #writeBatch(batch: readonly Queued[]): Promise<void> {
    const first = batch[0]
    if (first?.head || !this.#file) {
      this.#complete()
      this.#file = await this.#openFile(first?.head ?? this.#ports.head(this.#nextSequence))
    }
    await this.#file.append(
      batch,
      batch.some((queued) => queued.isBarrier),
    )
  }

  async #openFile(about: JournalHead): Promise<JournalFile> {
    const { folder, assetKey, random } = this.#ports
    const suffix = Buffer.from(random(4)).toString('hex')
    const name = `${String(about.nextSequence).padStart(10, '0')}-${suffix}.jrn`
    const file = await JournalFile.create(folder, name, assetKey, random(SALT_BYTES))
    try {
      await file.append([{ record: about }], false)
      return file
    } catch (error) {
      await file.remove().catch(() => undefined)
      throw error
    }
  }

  #complete(): void {
    const file = this.#file
    this.#file = undefined
    if (file) this.#listener.completed(file)
  }

  #written(batch: readonly Queued[]): void {
    this.#writtenSerial = batch.at(-1)?.serial ?? this.#writtenSerial
    this.#retryMs = FIRST_RETRY_MS
    if (batch.at(-1)?.record.type === 'ended') this.#complete()
    if (this.#queue.isEmpty) {
      this.#late?.cancel()
      this.#late = undefined
      this.#recover()
    } else if (!this.#isDegraded) {
      this.#late?.cancel()
      this.#late = this.#ports.clock.after(this.#options.syncDeadlineMs, () => this.#degrade(undefined))
    }
    this.#listener.moved()
  }

  #degrade(problem: string | undefined): void {
    this.#late?.cancel()
    this.#late = undefined
    if (this.#isDegraded) return
    this.#isDegraded = true
    this.#listener.degraded(true, problem ?? 'the disk is slow')
    this.#listener.moved()
  }

  #recover(): void {
    if (!this.#isDegraded) return
    this.#isDegraded = false
    this.#listener.degraded(false, undefined)
  }

  #waitToRetry(): Promise<void> {
    const delayMs = this.#retryMs
    this.#retryMs = Math.min(delayMs * 2, LAST_RETRY_MS)
    return new Promise((resolve) => {
      const go = () => {
        this.#retry?.timer.cancel()
        this.#retry = undefined
        resolve()
      }
      this.#retry = { timer: this.#ports.clock.after(delayMs, go), go }
      for (const wake of this.#retryWaiters.splice(0)) wake()
    })
  }
}

function firstOf(record: LogRecord): number | undefined {
  return record.type === 'segment-opened' || record.type === 'gap' ? record.sequence : undefined
}
