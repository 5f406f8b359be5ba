import type { ChannelObserver, DropReason, InputName, InputSwitched } from '../channel/ports.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { Metrics } from '../telemetry/metrics.ts'

const REPORT_MS = 1_000

type LayerTally = {
  receivedBytes: number
  videoFrames: number
  gopLengthMs?: number
  audioVideoDriftMs?: number
  clockDriftMs?: number
}

/** Turns what a channel tells of itself into metrics (once a second where it is frequent) and log lines (where it is rare). */
export class ChannelMetrics implements ChannelObserver, Stoppable {
  #channel: string
  readonly #metrics: Metrics
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #timer: Timer
  readonly #layers = new Map<string, LayerTally>()
  readonly #inputs = new Map<
    string,
    { readonly active: InputName | undefined; readonly standby: InputName | undefined }
  >()
  #reportedMs: number
  #hadInput = false
  #sessions = 0

  constructor(channel: string, metrics: Metrics, clock: Clock, logger: Logger) {
    this.#channel = channel
    this.#metrics = metrics
    this.#logger = logger
    this.#clock = clock
    this.#reportedMs = clock.monotonicMs()
    this.#timer = clock.every(REPORT_MS, () => this.#report())
  }

  /** What was counted so far goes; from here on it is counted under the new label. */
  rename(channel: string): void {
    const before = this.#channel
    if (before === channel) return
    this.#channel = channel
    for (const [layer, { active, standby }] of this.#inputs)
      this.#metrics.ingest.inputs(channel, layer, active, standby)
    for (let session = 0; session < this.#sessions; session++) this.#metrics.ingest.sessionStarted(channel, false)
    this.#metrics.forgetChannel(before).catch((error: unknown) => {
      this.#logger.warn({ err: error, before }, 'the metrics under the name before are left behind')
    })
  }

  sessionStarted(_layer: string, isStandby: boolean): void {
    this.#sessions++
    this.#metrics.ingest.sessionStarted(this.#channel, this.#hadInput && !isStandby)
  }

  sessionEnded(layer: string): void {
    this.#sessions--
    this.#layers.delete(layer)
    this.#metrics.ingest.sessionEnded(this.#channel, layer)
  }

  frameReceived(layer: string, kind: 'video' | 'audio', sizeBytes: number): void {
    const tally = this.#tally(layer)
    tally.receivedBytes += sizeBytes
    if (kind === 'video') tally.videoFrames++
  }

  frameDropped(layer: string, reason: DropReason): void {
    this.#metrics.ingest.framesDropped(this.#channel, layer, reason, 1)
  }

  gopEnded(layer: string, seconds: number): void {
    this.#tally(layer).gopLengthMs = seconds * 1_000
  }

  drift(layer: string, seconds: number): void {
    this.#tally(layer).clockDriftMs = seconds * 1_000
  }

  clockJumped(layer: string): void {
    this.#logger.warn({ layer }, "the encoder's clock jumped")
  }

  audioVideoOffset(layer: string, seconds: number): void {
    this.#tally(layer).audioVideoDriftMs = seconds * 1_000
  }

  recordWritten(record: LogRecord, rendition: string | undefined, endMs: number | undefined): void {
    const { segmenter } = this.#metrics
    if (record.type === 'fragment' && rendition !== undefined && endMs !== undefined) {
      segmenter.fragmentAppended(this.#channel, rendition, endMs)
    } else if (record.type === 'segment-closed') {
      segmenter.segmentClosed(this.#channel, record.durationTicks / 90_000)
    } else if (record.type === 'gap') {
      segmenter.gap(this.#channel)
    } else if (record.type === 'discontinuity') {
      segmenter.discontinuity(this.#channel, record.reason)
      this.#logger.warn({ reason: record.reason, discontinuity: record.discontinuitySequence }, 'discontinuity')
    }
  }

  cutForced(startMs: number): void {
    this.#metrics.segmenter.cutForced(this.#channel)
    this.#logger.warn(
      { at: new Date(startMs).toISOString() },
      'segment cut without a key frame: the encoder sends them too rarely',
    )
  }

  inputsChanged(layer: string, active: InputName | undefined, standby: InputName | undefined): void {
    this.#inputs.set(layer, { active, standby })
    if (!active) this.#inputs.delete(layer)
    this.#metrics.ingest.inputs(this.#channel, layer, active, standby)
  }

  inputSwitched({ layer, from, to, reason, isSeamless }: InputSwitched): void {
    this.#metrics.ingest.inputSwitched(this.#channel, reason, isSeamless)
    const level = reason === 'preferred' ? 'info' : 'warn'
    this.#logger[level]({ layer, from, to, reason, seamless: isSeamless }, 'the channel went over to its other input')
  }

  slateShown(): void {
    this.#logger.info('the slate is shown')
  }

  slateEnded(): void {
    this.#logger.info('the slate is shown no more')
  }

  slateFailed(error: unknown): void {
    this.#logger.error({ err: error }, 'there is no slate to show; gaps go on')
  }

  inputLost(reason: string): void {
    if (reason === 'unpublished') this.#logger.info('input ended; the presentation goes on with gaps')
    else if (reason !== 'stopped') this.#logger.warn({ reason }, 'input lost; the presentation goes on with gaps')
  }

  inputReturned(): void {
    this.#logger.info(this.#hadInput ? 'input returned' : 'input arrived')
    this.#hadInput = true
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
  }

  #tally(layer: string): LayerTally {
    let tally = this.#layers.get(layer)
    if (!tally) {
      tally = { receivedBytes: 0, videoFrames: 0 }
      this.#layers.set(layer, tally)
    }
    return tally
  }

  #report(): void {
    const nowMs = this.#clock.monotonicMs()
    const elapsedMs = nowMs - this.#reportedMs
    this.#reportedMs = nowMs
    for (const [layer, tally] of this.#layers) {
      this.#metrics.ingest.report(this.#channel, layer, { ...tally, elapsedMs })
      tally.receivedBytes = 0
      tally.videoFrames = 0
    }
  }
}
