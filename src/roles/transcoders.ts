import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Transcoder, TranscoderOutput } from '../channel/ports.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { TranscoderMetrics } from '../telemetry/transcoder-metrics.ts'
import { checkEncoders, type FfmpegBinary } from '../transcode/ffmpeg-probe.ts'
import { type Ladder, loadLadder } from '../transcode/ladder.ts'
import { LadderTranscoder } from '../transcode/ladder-transcoder.ts'
import { rungsForCores } from '../transcode/rungs.ts'
import type { TranscodeSink } from '../transcode/transcode-sink.ts'
import { defaultTranscoderTimes } from '../transcode/transcoder-options.ts'

const LADDERS = fileURLToPath(new URL('../../config/ladders', import.meta.url))
/** Key frames stand no further apart than this, and a whole number of times in a segment. */
const LONGEST_GRID_MS = 2_000

/**
 * A ladder by its name, of the operator's folder before ours, checked against what this ffmpeg can encode. `isSized`: cut to what
 * the machine's cores carry.
 */
export async function channelLadder(
  preset: string,
  ownFolder: string | undefined,
  ffmpeg: FfmpegBinary,
  isSized: boolean,
): Promise<Ladder> {
  const ladder = await loadLadder(preset, ownFolder === undefined ? [LADDERS] : [ownFolder, LADDERS])
  checkEncoders(ladder, ffmpeg)
  return isSized ? rungsForCores(ladder, availableParallelism()) : ladder
}

/** The distance of forced key frames: a segment, or an equal part of one that is not longer than two seconds. */
export function keyFrameGridSeconds(segmentDurationMs: number): number {
  return segmentDurationMs / Math.ceil(segmentDurationMs / LONGEST_GRID_MS) / 1_000
}

type Deps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TranscoderMetrics
  readonly ffmpeg: FfmpegBinary
  readonly config: Config['transcode']
}

/** The channel that a transcoder works for. */
export type TranscodedChannel = {
  /** Its label in metrics, which may change. */
  label(): string
  readonly segmentDurationMs: number
  /** A child was replaced. */
  restarted(reason: string): void
}

/** Makes a channel's live transcoder, and tells metrics and log what it reports. */
export function transcoderFactory(
  channel: TranscodedChannel,
  ladder: Ladder,
  deps: Deps,
): (output: TranscoderOutput) => Transcoder {
  const { clock, logger, metrics, ffmpeg, config } = deps
  return (output) =>
    new LadderTranscoder(
      {
        ladder,
        ffmpegPath: ffmpeg.path,
        segmentGridSeconds: keyFrameGridSeconds(channel.segmentDurationMs),
        ...defaultTranscoderTimes,
        stallMs: config.stallTimeout,
        lagBudgetMs: config.lagBudget,
        maxQueuedBytes: config.maxQueuedBytes,
      },
      { clock, logger },
      transcodeSink(channel, output, metrics, logger),
    )
}

function transcodeSink(
  channel: TranscodedChannel,
  output: TranscoderOutput,
  metrics: TranscoderMetrics,
  logger: Logger,
): TranscodeSink {
  let countedCpuSeconds = 0
  return {
    renditions(list) {
      logger.info({ renditions: list.map(({ name, config }) => `${name} ${config.codecString}`) }, 'transcoder started')
      output.renditions(list)
    },
    sample: (rendition, sample, durationTicks) => output.sample(rendition, sample, durationTicks),
    restarted(report) {
      metrics.restarted(channel.label(), report.reason)
      channel.restarted(report.reason)
      logger.warn({ ...report }, 'transcoder replaced')
      output.restarted()
    },
    failing: (report) => logger.error({ ...report }, 'transcoder keeps dying; waiting before the next try'),
    dropped(frames, reason) {
      metrics.framesDropped(channel.label(), frames)
      logger.warn({ frames, reason }, 'frames not encoded')
    },
    stats({ pid, fps, speed, queuedBytes, cpuSeconds }) {
      const label = channel.label()
      if (pid === undefined) metrics.stopped(label)
      else metrics.started(label)
      const usedCpuSeconds = Math.max(0, cpuSeconds - countedCpuSeconds)
      countedCpuSeconds = Math.max(countedCpuSeconds, cpuSeconds)
      metrics.report(label, {
        framesPerSecond: fps ?? 0,
        speedRatio: speed ?? 0,
        queuedBytes,
        cpuSeconds: usedCpuSeconds,
      })
    },
  }
}
