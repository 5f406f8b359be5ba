import { createHash } from 'node:crypto'
import { spanBlob } from '../../../src/archive/blob-names.ts'
import type { RecordingObserver } from '../../../src/archive/ports.ts'
import { Recording } from '../../../src/archive/recording.ts'
import { writeOwner } from '../../../src/archive/recording-file.ts'
import type { EarlierRun, RecordingOptions } from '../../../src/archive/recording-ports.ts'
import { type RecoveredRecording, recoverRecording } from '../../../src/archive/recover-recording.ts'
import { trackSpans } from '../../../src/archive/span-place.ts'
import type { Id } from '../../../src/domain/kinds.ts'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Turns } from '../../../src/lib/turns.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { PresentationLog } from '../../../src/log/presentation-log.ts'
import type { PresentationHeader, PresentationTerms, Track } from '../../../src/presentation/records.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { audioTrack, videoTrack } from '../presentation/sample-log.ts'
import { MemoryDisk } from './memory-disk.ts'
import { MemoryStorage } from './memory-storage.ts'

export const FOLDER = 'as_one'
export const OWNER = {
  accountId: 'ac_one' as Id<'account'>,
  channelId: 'ch_one',
  programId: 'pr_one',
  assetId: 'as_one',
  manifestName: 'manifest',
}
export const START_MS = 1_763_702_400_000
const SEGMENT_TICKS = 180_000

export const header: PresentationHeader = { id: 'as_one', epoch: 'e1', targetDurationMs: 2_000 }
export const terms = { targetDurationMs: 2_000 }

export type BenchOptions = {
  readonly header?: Partial<PresentationHeader>
  readonly recording?: Partial<RecordingOptions>
  readonly assetKey?: Uint8Array
}

/** What happened to a recording. */
export class Observations implements RecordingObserver {
  readonly told: string[] = []
  lostCount = 0
  degraded(): void {
    this.told.push('degraded')
  }
  recovered(): void {
    this.told.push('recovered')
  }
  lost(count: number): void {
    this.lostCount += count
  }
  storageFailed(problem: string): void {
    this.told.push(`storage: ${problem}`)
  }
  committed(): void {
    this.told.push('committed')
  }
  discarded(spans: number): void {
    this.told.push(`discarded ${spans}`)
  }
}

/** Everything that was promised gets its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A recording on virtual time, over a disk and a storage in memory, that can be killed and come back. */
export class RecordingBench {
  readonly clock: VirtualClock
  readonly options: BenchOptions
  readonly storage: MemoryStorage
  disk: MemoryDisk
  memory = new FragmentMemory({ regionBytes: 1 << 20 })
  observer = new Observations()
  log: PresentationLog
  recording: Recording
  recovered: RecoveredRecording | undefined
  #random = 0
  #endTicks: number
  readonly #tracks: Track[] = []

  private constructor(options: BenchOptions, clock: VirtualClock, disk: MemoryDisk, storage: MemoryStorage) {
    this.options = options
    this.clock = clock
    this.disk = disk
    this.storage = storage
    this.#endTicks = START_MS * 90
    this.log = this.#newLog({ ...header, ...options.header })
    this.recording = this.#record({ files: [], tracks: [], end: undefined, hasOpen: false })
  }

  static async start(options: BenchOptions = {}): Promise<RecordingBench> {
    const disk = new MemoryDisk()
    await writeOwner(disk, OWNER)
    const bench = new RecordingBench(options, new VirtualClock(START_MS), disk, new MemoryStorage())
    bench.addTrack(videoTrack(1, 'video-1'))
    bench.addTrack(audioTrack(2, 'audio-1', { timescale: 90_000 }))
    return bench
  }

  get view(): PresentationView {
    return this.log.view
  }

  addTrack(track: Track): void {
    const at = this.#tracks.findIndex(({ rendition }) => rendition === track.rendition)
    this.#tracks.splice(at === -1 ? this.#tracks.length : at, 1, track)
    this.recording.append({ type: 'track-added', track })
  }

  /** Where the next row's numbers come from: what was appended. */
  get nextSequence(): number {
    return this.recording.rowsEnd?.nextSequence ?? 0
  }

  /** Where the segment begins that is being made, 90 kHz. */
  get startTicks(): number {
    return this.#endTicks
  }

  get discontinuitySequence(): number {
    return this.recording.rowsEnd?.discontinuitySequence ?? 0
  }

  /** The beginning of a segment, in so many fragments of each track. */
  begin(parts = 1, fragmentBytes = 64): number {
    const sequence = this.nextSequence
    const startTicks = Math.max(this.#endTicks, this.recording.rowsEnd?.endTicks ?? 0)
    this.#endTicks = startTicks
    const { discontinuitySequence } = this
    const wallMs = startTicks / 90
    this.recording.append({ type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs })
    for (let part = 0; part < parts; part++) {
      for (const { track } of this.#tracks) this.#fragment(sequence, track, startTicks, part, parts, fragmentBytes)
    }
    return sequence
  }

  close(sequence: number): void {
    this.recording.append({ type: 'segment-closed', sequence, durationTicks: SEGMENT_TICKS })
    this.#endTicks += SEGMENT_TICKS
  }

  /** A segment of two seconds, and the time that it takes. */
  async segment(parts = 1, fragmentBytes = 64): Promise<void> {
    const sequence = this.begin(parts, fragmentBytes)
    await this.advance(2_000)
    this.close(sequence)
    await settle()
  }

  async segments(count: number, parts = 1, fragmentBytes = 64): Promise<void> {
    for (let made = 0; made < count; made++) await this.segment(parts, fragmentBytes)
  }

  async gap(): Promise<void> {
    const startTicks = Math.max(this.#endTicks, this.recording.rowsEnd?.endTicks ?? 0)
    const row = { startTicks, durationTicks: SEGMENT_TICKS, wallMs: startTicks / 90 }
    const { nextSequence: sequence, discontinuitySequence } = this
    this.recording.append({ type: 'gap', sequence, discontinuitySequence, ...row })
    this.#endTicks = startTicks + SEGMENT_TICKS
    await this.advance(2_000)
  }

  discontinuity(): void {
    const discontinuitySequence = this.discontinuitySequence + 1
    if (this.recording.rowsEnd === undefined) return
    this.recording.append({ type: 'discontinuity', discontinuitySequence, reason: 'input-returned' })
    this.#endTicks += 9_000
  }

  async advance(ms: number): Promise<void> {
    await settle()
    for (let at = 0; at < ms; at += 500) {
      await this.clock.advance(Math.min(500, ms - at))
      await settle()
    }
  }

  /** The process is gone; what the disk kept is found by the next one. `kept`: as `MemoryDisk.afterCrash`. */
  async crash(kept = 1, returns = false): Promise<void> {
    // Nothing of the old one reaches the disk or the storage any more.
    const old = this.disk
    this.disk = old.afterCrash(kept, returns)
    old.fault = () => new Promise(() => undefined)
    this.log.stop()
    void this.recording.stop()
    await this.recover()
  }

  /** What a new process does with the disk as it is. */
  async recover(): Promise<void> {
    this.memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const found = await recoverRecording(this.disk, this.options.assetKey, silentLogger)
    this.recovered = found
    const earlier = found ?? { files: [], tracks: [], end: undefined, open: undefined }
    this.log = this.#newLog(found?.header ?? { ...header, ...this.options.header })
    if (found) this.log.restore(found.records)
    if (found?.hasEnded) this.log.append({ type: 'ended' })
    this.observer = new Observations()
    this.recording = this.#record({ ...earlier, hasOpen: earlier.open !== undefined })
    await settle()
  }

  /** The channel is there again, under the same terms but for what is `changed`. */
  async resume(discontinuity = true, changed: Partial<PresentationTerms> = {}): Promise<void> {
    const { archiveWindowMs } = this.options.header ?? {}
    this.recording.resume({ ...terms, ...(archiveWindowMs !== undefined && { archiveWindowMs }), ...changed }, 2_000)
    for (const track of this.#tracks) this.recording.append({ type: 'track-added', track })
    this.#endTicks = Math.max(this.#endTicks, this.clock.now() * 90)
    if (discontinuity && this.nextSequence > 0) {
      const discontinuitySequence = this.discontinuitySequence + 1
      this.recording.append({ type: 'discontinuity', discontinuitySequence, reason: 'resumed' })
    }
    await settle()
  }

  async stop(): Promise<void> {
    await this.recording.stop()
    this.log.stop()
  }

  /** The bytes of a segment of a rendition, wherever they are now. */
  async read(rendition: number, sequence: number): Promise<Uint8Array | undefined> {
    const cell = this.view.renditionSegment(rendition, sequence)
    if (!cell) return undefined
    const hot = this.log.fragments(sequence, cell.track)
    if (hot) return Buffer.from(concatBytes(hot))
    const spooled = await this.recording.readSpooled(sequence, cell.track)
    if (spooled) return Buffer.from(concatBytes(spooled))
    return this.stored(rendition, sequence)
  }

  /** From storage, where the index says. */
  stored(rendition: number, sequence: number): Uint8Array | undefined {
    const cell = this.view.renditionSegment(rendition, sequence)
    const span = this.view.span(sequence)
    if (!cell || !span) return undefined
    const run = trackSpans(this.view, span.firstSequence, span.endSequence).find(({ track }) => track === cell.track)!
    const blob = this.storage.blobs.get(spanBlob(FOLDER, cell.track, run.spanTicks))
    let offset = 0
    for (const earlier of run.sequences) {
      if (earlier === sequence) return blob?.subarray(offset, offset + cell.sizeBytes)
      offset += this.view.renditionSegment(rendition, earlier)?.sizeBytes ?? 0
    }
    return undefined
  }

  /** What a segment of a track has, as it was made. */
  expected(track: number, startTicks: number, parts: number, fragmentBytes = 64): Uint8Array {
    const pieces = Array.from({ length: parts }, (_, part) => content(track, startTicks, part, fragmentBytes))
    return Buffer.concat(pieces)
  }

  #fragment(sequence: number, track: number, rowTicks: number, part: number, parts: number, sizeBytes: number): void {
    const bytes = this.memory.allocate(sizeBytes)
    bytes.set(content(track, rowTicks, part, sizeBytes))
    const durationTicks = SEGMENT_TICKS / parts
    const startTicks = rowTicks + part * durationTicks
    const media = { startTicks, durationTicks, sizeBytes, leadingBytes: 8, independent: part === 0 }
    this.recording.append({ type: 'fragment', sequence, track, ...media, wallMs: startTicks / 90 }, bytes)
    this.memory.disown(bytes)
  }

  #newLog(about: PresentationHeader): PresentationLog {
    const forever = { budgetBytes: Number.POSITIVE_INFINITY, retainMs: Number.POSITIVE_INFINITY }
    return new PresentationLog(about, { memory: this.memory, ...forever })
  }

  #record(earlier: EarlierRun): Recording {
    const options = { spanMs: 20_000, spanBytes: 1 << 20, queueBytes: 1 << 20, syncDeadlineMs: 500, hotBytes: 1 << 20 }
    return new Recording(
      { ...options, ...this.options.recording },
      {
        log: this.log,
        folder: this.disk,
        storage: async () => this.storage,
        assetFolder: FOLDER,
        assetKey: this.options.assetKey,
        holds: this.memory,
        turns: new Turns(4),
        random: (sizeBytes) =>
          createHash('shake256', { outputLength: sizeBytes })
            .update(`${this.#random++}/${this.clock.now()}`)
            .digest(),
        observer: this.observer,
        clock: this.clock,
        logger: silentLogger,
      },
      earlier,
    )
  }
}

/** Says of itself what it is: no other fragment has these bytes. */
function content(track: number, rowTicks: number, part: number, sizeBytes: number): Uint8Array {
  return createHash('shake256', { outputLength: sizeBytes }).update(`${track}/${rowTicks}/${part}`).digest()
}
