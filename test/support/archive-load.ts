import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { RecordingObserver } from '../../src/archive/ports.ts'
import { Recording } from '../../src/archive/recording.ts'
import type { SpoolFile, SpoolFolder } from '../../src/archive/spool/spool-folder.ts'
import type { BlobStorage } from '../../src/domain/blob-storage.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { Turns } from '../../src/lib/turns.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { PresentationLog } from '../../src/log/presentation-log.ts'
import { audioTrack, videoTrack } from '../unit/presentation/sample-log.ts'

const TRACKS = 7
const SEGMENT_MS = 2_000
const SEGMENT_TICKS = SEGMENT_MS * 90
const FRAGMENT_BYTES = 32

/** Journal files while they are there, names of the rest: what a disk holds is no memory. */
class NamesOnly implements SpoolFolder {
  readonly names = new Set<string>()

  async create(name: string): Promise<SpoolFile> {
    this.names.add(name)
    const writes: { readonly offset: number; readonly bytes: Uint8Array }[] = []
    return {
      write: async (pieces, offset) => void writes.push({ offset, bytes: Buffer.concat(pieces) }),
      sync: async () => undefined,
      read: async (offset, sizeBytes) => {
        const found = writes.findLast((write) => write.offset <= offset)
        const at = offset - (found?.offset ?? 0)
        return found?.bytes.subarray(at, at + sizeBytes) ?? new Uint8Array(0)
      },
      truncate: async () => undefined,
      size: async () => 0,
      close: async () => undefined,
    }
  }

  async put(name: string): Promise<void> {
    this.names.add(name)
  }

  async remove(name: string): Promise<void> {
    this.names.delete(name)
  }

  async list(): Promise<string[]> {
    return [...this.names].toSorted()
  }

  open(): Promise<never> {
    throw new Error('nothing is opened again')
  }

  get(): Promise<never> {
    throw new Error('nothing is read again')
  }

  async destroy(): Promise<void> {
    this.names.clear()
  }
}

/** Counts what is put and deleted, and keeps only that. */
class CountingStorage {
  readonly blobs = new Set<string>()

  async put(name: string, source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
    let sizeBytes = 0
    for await (const piece of source) sizeBytes += piece.byteLength
    this.blobs.add(name)
    return { sizeBytes }
  }

  async delete(name: string): Promise<void> {
    this.blobs.delete(name)
  }
}

const QUIET: RecordingObserver = {
  degraded: () => undefined,
  recovered: () => undefined,
  lost: () => undefined,
  storageFailed: () => undefined,
  committed: () => undefined,
  discarded: () => undefined,
}

type Program = { readonly log: PresentationLog; readonly recording: Recording; readonly folder: NamesOnly }

/** Programs of seven tracks that record at once, on virtual time. */
export class ArchiveLoad {
  readonly clock = new VirtualClock(1_763_702_400_000)
  readonly memory = new FragmentMemory()
  readonly storage = new CountingStorage()
  readonly programs: readonly Program[]
  #sequence = 0

  constructor(programs: number, archiveWindowMs: number) {
    this.programs = Array.from({ length: programs }, (_, index) => this.#program(`as_${index}`, archiveWindowMs))
  }

  /** Bytes of the index of each program. */
  get indexBytes(): number {
    return Math.max(...this.programs.map(({ log }) => log.indexBytes))
  }

  /** What the process holds but for the fragments, and for the names that stand for what is on disks. */
  async heldBytes(): Promise<number> {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    for (let turn = 0; turn < 4; turn++) {
      gc()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const names = this.storage.blobs.size + this.programs.reduce((sum, { folder }) => sum + folder.names.size, 0)
    return heapUsed + arrayBuffers - names * 100
  }

  async play(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += SEGMENT_MS) {
      for (const program of this.programs) this.#segment(program)
      this.#sequence++
      await this.clock.advance(SEGMENT_MS)
      await new Promise((resolve) => setImmediate(resolve))
      if (at % 60_000 === 0) for (const { recording } of this.programs) await recording.committed()
    }
    for (const { recording } of this.programs) await recording.committed()
  }

  async stop(): Promise<void> {
    for (const { recording, log } of this.programs) {
      await recording.stop()
      log.stop()
    }
  }

  #segment({ recording }: Program): void {
    const sequence = this.#sequence
    const startTicks = this.clock.now() * 90
    const wallMs = this.clock.now()
    recording.append({ type: 'segment-opened', sequence, discontinuitySequence: 0, startTicks, wallMs })
    for (let track = 1; track <= TRACKS; track++) {
      const bytes = this.memory.allocate(FRAGMENT_BYTES)
      const media = { startTicks, durationTicks: SEGMENT_TICKS, leadingBytes: 8, independent: true, wallMs }
      recording.append({ type: 'fragment', sequence, track, sizeBytes: FRAGMENT_BYTES, ...media }, bytes)
      this.memory.disown(bytes)
    }
    recording.append({ type: 'segment-closed', sequence, durationTicks: SEGMENT_TICKS })
  }

  #program(id: string, archiveWindowMs: number): Program {
    const header = { id, epoch: 'e1', targetDurationMs: SEGMENT_MS, archiveWindowMs }
    const { clock, memory } = this
    const forever = { budgetBytes: Number.POSITIVE_INFINITY, retainMs: Number.POSITIVE_INFINITY }
    const log = new PresentationLog(header, { memory, ...forever })
    const folder = new NamesOnly()
    const recording = new Recording(
      { spanMs: 60_000, spanBytes: 1 << 28, queueBytes: 1 << 26, syncDeadlineMs: 500, hotBytes: 1 << 16 },
      {
        log,
        folder,
        storage: async () => this.storage as unknown as BlobStorage,
        assetFolder: id,
        assetKey: undefined,
        holds: memory,
        turns: new Turns(4),
        random: (sizeBytes) => Buffer.from(String(this.#sequence).padStart(sizeBytes, '0')).subarray(-sizeBytes),
        observer: QUIET,
        clock,
        logger: silentLogger,
      },
      { files: [], tracks: [], end: undefined, hasOpen: false },
    )
    for (let track = 1; track <= TRACKS; track++) {
      const make = track < TRACKS ? videoTrack : audioTrack
      const rendition = track < TRACKS ? `video-${track}` : 'audio-1'
      recording.append({ type: 'track-added', track: make(track, rendition, { timescale: 90_000 }) })
    }
    return { log, recording, folder }
  }
}
