import { Counter, Gauge, Histogram, type Metric, Registry } from 'prom-client'

/** The label whose values are the configured channels' ids. Families that carry it lose their series with the channel. */
const CHANNEL_LABEL = 'channel'

type Family = { readonly labelNames: readonly string[]; readonly metric: Counter | Gauge | Histogram }

type Described<L extends string> = {
  /** Without the `headend_` prefix. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly L[]
}

/**
 * A Prometheus registry that makes families under one prefix and can take away all series of one channel. It belongs to
 * whoever made it: nothing is registered globally, so that two servers can live in one process.
 */
export class Families {
  readonly registry = new Registry()
  readonly #families: Family[] = []

  /** `name` must end in `_total`. With `collect`, that function is called at each scrape and may add to the counter. */
  counter<L extends string = never>(
    { name, help, labels = [] }: Described<L>,
    collect?: (counter: Counter<L>) => void,
  ): Counter<L> {
    const metric: Counter<L> = new Counter({
      ...this.#identity(name, help),
      labelNames: labels,
      ...(collect && { collect: () => collect(metric) }),
    })
    this.#families.push({ labelNames: labels, metric })
    return metric
  }

  /** With `collect`, the gauge is set at each scrape by that function. */
  gauge<L extends string = never>(
    { name, help, labels = [] }: Described<L>,
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    const metric: Gauge<L> = new Gauge({
      ...this.#identity(name, help),
      labelNames: labels,
      ...(collect && { collect: () => collect(metric) }),
    })
    this.#families.push({ labelNames: labels, metric })
    return metric
  }

  histogram<L extends string = never>(
    { name, help, labels = [] }: Described<L>,
    buckets: readonly number[],
  ): Histogram<L> {
    const metric = new Histogram({ ...this.#identity(name, help), labelNames: labels, buckets: [...buckets] })
    this.#families.push({ labelNames: labels, metric })
    return metric
  }

  /** Registers a family that counts for itself; its name must carry the prefix. */
  custom(metric: Metric): void {
    this.registry.registerMetric(metric)
  }

  /** Removes every series of `channel`; families without a channel label are untouched. */
  async forgetChannel(channel: string): Promise<void> {
    const concerned = this.#families.filter(({ labelNames }) => labelNames.includes(CHANNEL_LABEL))
    await Promise.all(concerned.map((family) => forgetIn(family, channel)))
  }

  #identity(name: string, help: string) {
    return { name: `headend_${name}`, help, registers: [this.registry] }
  }
}

async function forgetIn({ labelNames, metric }: Family, channel: string): Promise<void> {
  for (const { labels } of (await metric.get()).values) {
    const series: Record<string, string | number | undefined> = labels
    if (series[CHANNEL_LABEL] === channel) metric.remove(...labelNames.map((name) => String(series[name])))
  }
}
