import type { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock } from '../lib/clock.ts'
import type { ReadingTurns } from '../lib/reading-turns.ts'
import type { IngestLimits } from './ingest-limits.ts'
import type { IngestObserver, MediaDemuxer, PublishGate } from './ports.ts'

/** What all sessions of a listener share. */
export type SessionContext = {
  readonly clock: Clock
  readonly limits: IngestLimits
  readonly gate: PublishGate
  readonly observer: IngestObserver
  readonly createDemuxer: () => MediaDemuxer
  /** Where the memory of messages is taken from. */
  readonly pool: BufferPool
  /** When publishers are read; without, as their bytes come. */
  readonly turns: ReadingTurns | undefined
}
