import type { Families } from './families.ts'

/** Why a transcoding child was replaced. */
export type TranscoderRestartReason =
  | 'audio-arrived'
  | 'audio-lost'
  | 'config-changed'
  | 'crashed'
  | 'fell-behind'
  | 'output-invalid'
  | 'spawn-failed'
  | 'stalled'
  | 'video-arrived'

/** The momentary figures of a channel's transcoding child. */
export type TranscoderReport = {
  /** Frames leaving the encoder of the first rendition. */
  readonly framesPerSecond: number
  /** Media seconds made per second of wall clock: 1 is just fast enough. */
  readonly speedRatio: number
  /** Waiting to be written to the child. */
  readonly queuedBytes: number
  /** Processor time used since the last report. */
  readonly cpuSeconds: number
}

/** The live ladder: one ffmpeg child for each channel that has one. */
export class TranscoderMetrics {
  readonly #running
  readonly #frameRate
  readonly #speed
  readonly #restarts
  readonly #cpu
  readonly #queue
  readonly #dropped

  constructor(families: Families) {
    const labels = ['channel'] as const
    this.#running = families.gauge({
      name: 'transcoder_running',
      help: '1 while the channel has a transcoding child, 0 while it waits for one.',
      labels,
    })
    this.#frameRate = families.gauge({
      name: 'transcoder_frames_per_second',
      help: 'Frames per second of wall clock that leave the encoder of the first rendition.',
      labels,
    })
    this.#speed = families.gauge({
      name: 'transcoder_speed_ratio',
      help: 'Media seconds encoded per second of wall clock; below 1 for long means that the machine is too slow for the ladder.',
      labels,
    })
    this.#restarts = families.counter({
      name: 'transcoder_restarts_total',
      help: 'Transcoding children that were replaced, by reason. Each is a discontinuity for the viewer.',
      labels: [...labels, 'reason'],
    })
    this.#cpu = families.counter({
      name: 'transcoder_cpu_seconds_total',
      help: 'Processor time used by the transcoding children of the channel, user and system together.',
      labels,
    })
    this.#queue = families.gauge({
      name: 'transcoder_queue_bytes',
      help: 'Contribution bytes that wait to be written to the transcoding child.',
      labels,
    })
    this.#dropped = families.counter({
      name: 'transcoder_dropped_frames_total',
      help: 'Frames that were not given to the transcoding child because its queue was full or it was away.',
      labels,
    })
  }

  started(channel: string): void {
    this.#running.set({ channel }, 1)
  }

  stopped(channel: string): void {
    this.#running.set({ channel }, 0)
    for (const gauge of [this.#frameRate, this.#speed, this.#queue]) gauge.set({ channel }, 0)
  }

  restarted(channel: string, reason: TranscoderRestartReason): void {
    this.#restarts.inc({ channel, reason })
  }

  report(channel: string, report: TranscoderReport): void {
    this.#frameRate.set({ channel }, report.framesPerSecond)
    this.#speed.set({ channel }, report.speedRatio)
    this.#queue.set({ channel }, report.queuedBytes)
    this.#cpu.inc({ channel }, report.cpuSeconds)
  }

  framesDropped(channel: string, count: number): void {
    this.#dropped.inc({ channel }, count)
  }
}
