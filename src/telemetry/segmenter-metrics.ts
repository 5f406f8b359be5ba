import type { Clock } from '../lib/clock.ts'
import type { Families } from './families.ts'
import { LabelLimit } from './label-limit.ts'

/** Why the timeline broke; the same list as the log's discontinuity records. */
export type DiscontinuityReason =
  | 'clock-jump'
  | 'codec-change'
  | 'input-returned'
  | 'input-switched'
  | 'restart'
  | 'resumed'
  | 'transcoder-restart'

const RENDITIONS_PER_CHANNEL = 32
const SEGMENT_SECONDS = [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20]

/** What the segmenter cuts, and how old the newest of it is. */
export class SegmenterMetrics {
  readonly #renditions = new LabelLimit(RENDITIONS_PER_CHANNEL)
  readonly #newestWallMs = new Map<string, number>()
  readonly #segments
  readonly #fragments
  readonly #gaps
  readonly #discontinuities
  readonly #nonIndependent
  readonly #duration

  constructor(families: Families, clock: Clock) {
    const perRendition = ['channel', 'rendition'] as const
    this.#segments = families.counter({
      name: 'segmenter_segments_total',
      help: 'Segments closed, counted once for all renditions.',
      labels: ['channel'],
    })
    this.#fragments = families.counter({
      name: 'segmenter_fragments_total',
      help: 'CMAF fragments (parts, or whole segments where there are no parts) appended in each rendition.',
      labels: perRendition,
    })
    this.#gaps = families.counter({
      name: 'segmenter_gaps_total',
      help: 'Segments listed as gaps because the input was away.',
      labels: ['channel'],
    })
    this.#discontinuities = families.counter({
      name: 'segmenter_discontinuities_total',
      help: 'Breaks of the timeline, by reason.',
      labels: ['channel', 'reason'],
    })
    this.#nonIndependent = families.counter({
      name: 'segmenter_non_independent_cuts_total',
      help: 'Segments that had to begin without a key frame because the next one was too far away.',
      labels: ['channel'],
    })
    this.#duration = families.histogram(
      {
        name: 'segmenter_segment_duration_seconds',
        help: 'Media duration of closed segments, counted once for all renditions; gaps are left out.',
        labels: ['channel'],
      },
      SEGMENT_SECONDS,
    )
    families.gauge(
      {
        name: 'newest_fragment_age_seconds',
        help: 'Wall clock now minus the capture time of the newest fragment that a player can get: the latency that Headend itself adds, and the first figure to watch.',
        labels: ['channel'],
      },
      (gauge) => {
        for (const [channel, wallMs] of this.#newestWallMs)
          gauge.set({ channel }, Math.max(0, clock.now() - wallMs) / 1000)
      },
    )
  }

  /** `wallMs` is where the fragment's media ends on the timeline, in milliseconds since the Unix epoch. */
  fragmentAppended(channel: string, rendition: string, wallMs: number): void {
    this.#fragments.inc({ channel, rendition: this.#renditions.admit(channel, rendition) })
    const newest = this.#newestWallMs.get(channel)
    if (newest === undefined || wallMs > newest) this.#newestWallMs.set(channel, wallMs)
  }

  /** Once for each segment of the presentation, whatever the number of renditions. */
  segmentClosed(channel: string, durationSeconds: number): void {
    this.#segments.inc({ channel })
    this.#duration.observe({ channel }, durationSeconds)
  }

  /** A segment had to begin without a key frame. */
  cutForced(channel: string): void {
    this.#nonIndependent.inc({ channel })
  }

  gap(channel: string): void {
    this.#gaps.inc({ channel })
  }

  discontinuity(channel: string, reason: DiscontinuityReason): void {
    this.#discontinuities.inc({ channel, reason })
  }

  forgetChannel(channel: string): void {
    this.#renditions.forget(channel)
    this.#newestWallMs.delete(channel)
  }
}
