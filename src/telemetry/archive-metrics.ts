import type { Families } from './families.ts'

/** What a recording has on this node's disk and waits for it. */
export type SpoolReport = { readonly spooledBytes: number; readonly queuedBytes: number }

/** Recordings: their journals on this node's disk, and their way to storage. */
export class ArchiveMetrics {
  readonly #spooled
  readonly #queued
  readonly #degraded
  readonly #lost
  readonly #committedBytes
  readonly #commitSeconds
  readonly #commitFailures
  readonly #discarded

  constructor(families: Families) {
    this.#spooled = families.gauge({
      name: 'archive_spooled_bytes',
      help: 'Recorded media on the disk of this node that is not in storage yet.',
    })
    this.#queued = families.gauge({
      name: 'archive_queued_bytes',
      help: 'Recorded media in memory that waits for the disk of this node.',
    })
    this.#degraded = families.gauge({
      name: 'archive_degraded_recordings',
      help: 'Recordings whose disk does not keep up: live goes on from memory, and what does not fit is lost.',
    })
    this.#lost = families.counter({
      name: 'archive_lost_segments_total',
      help: 'Segments that could not be recorded, or whose bytes were damaged.',
    })
    this.#committedBytes = families.counter({
      name: 'archive_committed_bytes_total',
      help: 'Recorded media that has come to storage.',
    })
    this.#commitSeconds = families.histogram(
      {
        name: 'archive_commit_seconds',
        help: 'Time that a span took to come to storage.',
      },
      [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    )
    this.#commitFailures = families.counter({
      name: 'archive_commit_failures_total',
      help: 'Times that storage did not take a span; it is tried again.',
    })
    this.#discarded = families.counter({
      name: 'archive_discarded_spans_total',
      help: 'Spans that were discarded because they were older than the archive window.',
    })
  }

  report({ spooledBytes, queuedBytes }: SpoolReport): void {
    this.#spooled.set(spooledBytes)
    this.#queued.set(queuedBytes)
  }

  degraded(change: 1 | -1): void {
    this.#degraded.inc(change)
  }

  lost(segments: number): void {
    this.#lost.inc(segments)
  }

  committed(sizeBytes: number, seconds: number): void {
    this.#committedBytes.inc(sizeBytes)
    this.#commitSeconds.observe(seconds)
  }

  commitFailed(): void {
    this.#commitFailures.inc()
  }

  discarded(spans: number): void {
    this.#discarded.inc(spans)
  }
}
