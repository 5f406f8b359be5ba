import type { Ladder } from './ladder.ts'
import type { RestartPolicyOptions } from './restart-policy.ts'

/** How one ladder is encoded, and what bounds it. */
export type LadderTranscoderOptions = {
  readonly ladder: Ladder
  readonly ffmpegPath: string
  /** Distance of the epoch grid that key frames are forced on, in every rendition and by every child. */
  readonly segmentGridSeconds: number
  /** No output for this long while input is written: the child is killed. */
  readonly stallMs: number
  /** How far the output may be behind the input, and how long a writer is held up, before something gives. */
  readonly lagBudgetMs: number
  /** How long the first picture waits for a sound before silence is made. */
  readonly startAudioWaitMs: number
  /** Input that may wait for the child, and what is held before a child begins. */
  readonly maxQueuedBytes: number
  /** How long a child may take to give what it holds once its input is closed. */
  readonly stopGraceMs: number
  readonly restart: RestartPolicyOptions
  /** Threads of each software encoder; ffmpeg's own choice where it is left out. */
  readonly encoderThreads?: number
}

/** What suits a live channel where nobody asks for anything else. `stopGraceMs` twice over stays under a server's ten seconds. */
export const defaultTranscoderTimes = {
  stallMs: 10_000,
  lagBudgetMs: 5000,
  startAudioWaitMs: 1000,
  maxQueuedBytes: 16 * 1024 * 1024,
  stopGraceMs: 3000,
  restart: { promptRestarts: 3, backoffMs: 1000, maxBackoffMs: 30_000, windowMs: 60_000 },
} as const satisfies Partial<LadderTranscoderOptions>
