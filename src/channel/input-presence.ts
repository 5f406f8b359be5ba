import type { Clock } from '../lib/clock.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { ChannelTimeline } from './channel-timeline.ts'
import type { ChannelObserver } from './ports.ts'
import type { Segmenter } from './segmenter.ts'
import type { ChannelSlates, SlateTerms } from './slate/channel-slates.ts'

/** How the absence of an input is treated. */
export type PresenceOptions = {
  readonly segmentDurationMs: number
  /** How long the presentation is kept moving while the input is away. */
  readonly reconnectGraceMs: number
  readonly slate: SlateTerms | undefined
}

/** What is kept moving while the input is away, and who is told. */
export type InputPresencePorts = {
  readonly clock: Clock
  readonly observer: Pick<ChannelObserver, 'inputLost' | 'inputReturned'>
  readonly timeline: ChannelTimeline
  readonly segmenter: Pick<Segmenter, 'isIdle' | 'fillGap' | 'numbers'>
  readonly options: () => PresenceOptions
  /** Whether slates stand for all that was published: the presentation goes on then as if nothing had happened. */
  readonly isCovered: () => boolean
  /** Nothing comes any more: what came is written, and what comes next is a new stretch. */
  readonly interrupt: () => void
  readonly slates: ChannelSlates | undefined
  /** It goes on where it was before: as if the input had just gone. */
  readonly goesOn: boolean
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** Media is expected to arrive at least this often; after a segment's length more the input counts as away. */
const AWAY_MARGIN_MS = 2_000

/** Whether a channel has input; while it has not, gaps or a slate keep the presentation moving. */
export class InputPresence {
  readonly #ports: InputPresencePorts
  #lastMediaMs: number | undefined
  #isAway = true
  #isInterrupted = true
  #isStopped = false

  constructor(ports: InputPresencePorts) {
    this.#ports = ports
    if (ports.goesOn) this.#lastMediaMs = ports.clock.monotonicMs()
  }

  /** Something came of an encoder. */
  heard(): void {
    this.#lastMediaMs = this.#ports.clock.monotonicMs()
    if (!this.#isAway) return
    this.#isAway = false
    this.#isInterrupted = false
    this.#ports.slates?.returned()
    this.#ports.observer.inputReturned()
  }

  /** Nothing comes any more. */
  lost(reason: string): void {
    const { observer, slates, options } = this.#ports
    const isNews = !this.#isAway
    this.#isAway = true
    if (isNews) observer.inputLost(reason)
    this.#interrupt()
    if (isNews && options().slate !== undefined && !this.#isStopped) slates?.lost()
  }

  /** Notices an input that fell silent, and keeps the presentation moving while it is away. Every few hundred milliseconds. */
  tick(nowTicks: number): void {
    const { clock, options, slates, segmenter, timeline } = this.#ports
    const { segmentDurationMs, reconnectGraceMs, slate } = options()
    const awayMs = this.#lastMediaMs === undefined ? 0 : clock.monotonicMs() - this.#lastMediaMs
    if (!this.#isAway && awayMs > segmentDurationMs + AWAY_MARGIN_MS) this.lost('silent')
    slates?.tick({ awayMs, isAway: this.#isAway, nowTicks }, slate)
    if (!this.#isAway || this.#lastMediaMs === undefined) return
    this.#interrupt()
    if (awayMs > reconnectGraceMs) {
      slates?.giveUp()
      return
    }
    if (!segmenter.isIdle) return
    segmenter.fillGap(timeline.nowMs() * TICKS_PER_MS)
    timeline.fill(segmenter.numbers.endTicks / TICKS_PER_MS)
  }

  /** The channel stops: nothing fills an absence any more. Resolves when no slate is being made. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ports.slates?.stop()
  }

  /** Once for each absence; where the slate of a break stands for the input, when that is over. */
  #interrupt(): void {
    if (this.#isInterrupted || this.#ports.isCovered()) return
    this.#isInterrupted = true
    this.#ports.interrupt()
  }
}
