import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Spool } from '../../../src/archive/spool/spool-folder.ts'
import type { Id } from '../../../src/domain/kinds.ts'
import type { Repository } from '../../../src/domain/repository.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import type { PresentationHeader } from '../../../src/presentation/records.ts'
import { Archive } from '../../../src/roles/archive.ts'
import type { AssetStorages } from '../../../src/roles/asset-storage.ts'
import { PresentationShelf } from '../../../src/roles/presentation-shelf.ts'
import { testTrack } from '../../contract/log-fixture.ts'
import { MemoryStorage } from '../archive/memory-storage.ts'
import { Observations } from '../archive/recording-bench.ts'

const SPAN_MS = 6_000

/** A shelf over a real spool and storage in memory, whose assets are all there. */
export class ShelfBench {
  readonly clock = new VirtualClock(1_763_702_400_000)
  readonly memory = new FragmentMemory({ regionBytes: 1 << 20 })
  readonly directory: LogDirectory
  readonly folder: string
  readonly storage: MemoryStorage
  /** Assets that are deleted. */
  readonly deleted = new Set<string>()
  readonly archive: Archive
  readonly shelf: PresentationShelf
  readonly heard: string[] = []

  /** `before`: the one of the process that went before. */
  constructor(before?: ShelfBench, indexBytes = 1 << 26) {
    this.folder = before?.folder ?? mkdtempSync(join(tmpdir(), 'headend-shelf-'))
    this.storage = before?.storage ?? new MemoryStorage()
    const { memory, clock, storage } = this
    this.directory = new LogDirectory({ memory, clock })
    const find = async (_kind: string, id: string) => (this.deleted.has(id) ? undefined : { id })
    const sizes = { spanMs: SPAN_MS, spanBytes: 1 << 28, queueBytes: 1 << 26, syncDeadlineMs: 500, hotBytes: 1 << 26 }
    this.archive = new Archive(sizes, {
      repository: { findAnywhere: find } as unknown as Pick<Repository, 'findAnywhere'>,
      storages: { placeOf: async () => ({ place: {}, key: undefined }) } as unknown as Pick<AssetStorages, 'placeOf'>,
      media: { of: () => storage },
      spool: new Spool(join(this.folder, 'spool'), 0),
      memory,
      clock,
      logger: silentLogger,
      random: randomBytes,
      observer: () => new Observations(),
    })
    const { archive, directory } = this
    this.shelf = new PresentationShelf({ archive, directory, logger: silentLogger, indexBytes })
    this.shelf.subscribe({
      opened: (id, { state }) => void this.heard.push(`+${id} ${state}`),
      closed: (id) => void this.heard.push(`-${id}`),
    })
  }

  owner(assetId: string, channelId = 'ch') {
    const accountId = 'ac_one' as Id<'account'>
    return { accountId, channelId, programId: `pr_${assetId}`, assetId, manifestName: 'manifest' }
  }

  begin(assetId: string, more: Partial<PresentationHeader> = {}, channelId?: string) {
    const header = { id: assetId, epoch: `e${randomBytes(4).toString('hex')}`, targetDurationMs: 2_000, ...more }
    return this.shelf.begin(this.owner(assetId, channelId), header, 2_000)
  }

  /** Segments of two seconds, one after the other, and the time that they take. */
  async fill(assetId: string, count: number, isLastClosed = true): Promise<void> {
    const recording = this.shelf.find(assetId)?.recording
    if (!recording) throw new Error(`nothing records into ${assetId}`)
    recording.append({ type: 'track-added', track: testTrack(1, 'video-1', 'video') })
    for (let made = 1; made <= count; made++) {
      const { nextSequence: sequence = 0, endTicks = this.clock.now() * 90 } = recording.rowsEnd ?? {}
      const { discontinuitySequence = 0 } = recording.rowsEnd ?? {}
      const startTicks = endTicks
      recording.append({ type: 'segment-opened', sequence, discontinuitySequence, startTicks, wallMs: startTicks / 90 })
      const media = { durationTicks: 180_000, sizeBytes: 100, leadingBytes: 1, independent: true, wallMs: 0 }
      const bytes = this.memory.allocate(100).fill(made)
      recording.append({ type: 'fragment', sequence, track: 1, startTicks, ...media }, bytes)
      this.memory.disown(bytes)
      await this.clock.advance(2_000)
      if (made < count || isLastClosed) recording.append({ type: 'segment-closed', sequence, durationTicks: 180_000 })
      await recording.settled()
    }
  }

  /** Until what has ended is archived. */
  async archived(assetId: string): Promise<void> {
    const archived = this.shelf.find(assetId)?.recording?.archived
    await this.clock.advance(6_000)
    await archived
  }

  async stop(): Promise<void> {
    await this.shelf.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
