import { Child } from './child.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { longMovie } from './media-source.ts'
import type { OpeningOrder, OpeningReply } from './opening-orders.ts'
import { median } from './statistics.ts'
import { figure } from './table.ts'

const HOURS = 3
const QUICK_HOURS = 0.5
const BUDGET = { coldMs: 150, warmMs: 2, turnMs: 15, growthMb: 40 }

type Opened = Extract<OpeningReply, { readonly kind: 'opened' }>

/** How long it takes until the manifest of a long movie that nobody has touched is there, and what it costs. */
export async function runOpening({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const hours = options.isQuick ? QUICK_HOURS : HOURS
  const file = await longMovie(hours)
  const samples: Opened[] = []
  for (let round = 0; round < options.rounds; round++) {
    const processes = scope()
    try {
      const script = new URL('./opening-process.ts', import.meta.url)
      const opener = processes.own('opener', new Child<OpeningOrder, OpeningReply>(script))
      samples.push(await opener.ask({ kind: 'open', file }, 'opened'))
      progress(`round ${round + 1}: ${figure(samples.at(-1)?.coldMs ?? Number.NaN)} ms`)
    } finally {
      await processes.stop()
    }
  }
  return report(samples, hours, options.isQuick)
}

function report(samples: readonly Opened[], hours: number, isQuick: boolean): LoadReport {
  const of = (figureOf: (sample: Opened) => number) => median(samples.map(figureOf))
  const coldMs = of((sample) => sample.coldMs)
  const warmMs = of((sample) => sample.warmMs)
  const turnMs = of(({ longestTurnMs }) => longestTurnMs)
  const growthMb = of(({ growthBytes }) => growthBytes) / 1e6
  const verdicts = [
    { what: 'manifest, cold', measured: coldMs, limit: BUDGET.coldMs, unit: 'ms' },
    { what: 'manifest, warm', measured: warmMs, limit: BUDGET.warmMs, unit: 'ms' },
    { what: 'longest turn', measured: turnMs, limit: BUDGET.turnMs, unit: 'ms of CPU' },
    { what: 'memory', measured: growthMb, limit: BUDGET.growthMb, unit: 'MB of RSS' },
  ]
  return {
    title: `Opening an MP4 of ${hours} h at 60 frames a second, with B-frames and sound`,
    header: ['', 'cold, ms', 'warm, ms', 'longest turn, CPU ms', 'RSS, MB'],
    rows: [['manifest', figure(coldMs), figure(warmMs), figure(turnMs), figure(growthMb)]],
    notes: [`A process of its own for each of ${samples.length} openings; medians. The file lies in the page cache.`],
    verdicts: isQuick ? [] : verdicts,
    samples,
  }
}
