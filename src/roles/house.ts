import type { Config } from '../config/schema.ts'
import type { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { FfmpegBinary } from '../transcode/ffmpeg-probe.ts'
import type { DataDir } from './data-dir.ts'
import type { TlsFiles } from './tls-files.ts'

/** What all parts of a node share. */
export type House = {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly memory: FragmentMemory
  readonly pool: BufferPool
  readonly directory: LogDirectory
  readonly dataDir: DataDir
  readonly tls: TlsFiles | undefined
  readonly ffmpeg: FfmpegBinary
  readonly version: string
}
