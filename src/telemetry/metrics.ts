import type { Clock } from '../lib/clock.ts'
import { ArchiveMetrics } from './archive-metrics.ts'
import { ControlMetrics } from './control-metrics.ts'
import { EventMetrics } from './event-metrics.ts'
import { Families } from './families.ts'
import { IngestMetrics } from './ingest-metrics.ts'
import { LogMetrics } from './log-metrics.ts'
import { OriginMetrics } from './origin-metrics.ts'
import { type BuildInfo, ProcessMetrics } from './process-metrics.ts'
import { SegmenterMetrics } from './segmenter-metrics.ts'
import { TranscoderMetrics } from './transcoder-metrics.ts'

/**
 * Everything that Prometheus can scrape, in one registry. Each room has its own recorder. Labels are bounded: channels are
 * those that run here, layers and renditions are limited in number, reasons and kinds come from closed lists.
 */
export class Metrics {
  readonly ingest: IngestMetrics
  readonly transcoder: TranscoderMetrics
  readonly segmenter: SegmenterMetrics
  readonly log: LogMetrics
  readonly archive: ArchiveMetrics
  readonly origin: OriginMetrics
  readonly events: EventMetrics
  readonly control: ControlMetrics
  readonly #families = new Families()
  readonly #process: ProcessMetrics

  constructor(options: { readonly clock: Clock; readonly build: BuildInfo }) {
    this.ingest = new IngestMetrics(this.#families)
    this.transcoder = new TranscoderMetrics(this.#families)
    this.segmenter = new SegmenterMetrics(this.#families, options.clock)
    this.log = new LogMetrics(this.#families)
    this.archive = new ArchiveMetrics(this.#families)
    this.origin = new OriginMetrics(this.#families)
    this.events = new EventMetrics(this.#families)
    this.control = new ControlMetrics(this.#families)
    this.#process = new ProcessMetrics(this.#families, options.build)
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.#families.registry.contentType
  }

  /** The exposition in Prometheus' text format 0.0.4. */
  text(): Promise<string> {
    return this.#families.registry.metrics()
  }

  /** Names of all families, with or without series. */
  names(): readonly string[] {
    return this.#families.registry.getMetricsAsArray().map((metric) => metric.name)
  }

  /** Removes the series of a channel that is gone for good. */
  async forgetChannel(channel: string): Promise<void> {
    this.ingest.forgetChannel(channel)
    this.segmenter.forgetChannel(channel)
    await this.#families.forgetChannel(channel)
  }

  stop(): Promise<void> {
    this.#process.stop()
    return Promise.resolve()
  }
}
