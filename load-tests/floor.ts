import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadContext, LoadReport } from './load-report.ts'
import { longFile, plainFile } from './media-source.ts'
import { CLIENT_CORE, OriginBench, type Sample, SERVER_CORE, type Side } from './origin-bench.ts'
import { interleave, median } from './statistics.ts'
import { figure, type Verdict } from './table.ts'

const RECORDED_SECONDS = 48
const CONNECTIONS = [1, 8]

/** What was measured of some sides. */
export type Measured = { readonly sides: readonly Side[]; readonly samples: readonly Sample[] }

/** Starts the servers, asks each side in turn in every round, and ends the servers. `bareScript`: what the bare server runs. */
export async function measureSides(
  { options, progress, scope }: LoadContext,
  bareScript: string,
  sidesOf: (bench: OriginBench) => Promise<readonly Side[]>,
): Promise<Measured> {
  const processes = scope()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'headend-load-origin-'))
    processes.add('files', () => rmSync(folder, { recursive: true, force: true }))
    const file = await longFile(RECORDED_SECONDS)
    const media = { file, mp4: await plainFile(file), folder }
    const bench = await OriginBench.start(media, bareScript, processes)
    const sides = await sidesOf(bench)
    const samples: Sample[] = []
    for (const { round, side } of interleave(sides, options.rounds)) {
      for (const connections of CONNECTIONS)
        samples.push(await bench.measure(side, connections, round, options.seconds))
      progress(`${side.name}, round ${round + 1}: ${figure(samples.at(-1)?.micros ?? Number.NaN)} µs per ${side.unit}`)
    }
    return { sides, samples }
  } finally {
    await processes.stop()
  }
}

/** The median of a side's measurements. */
export function medianOf(
  { samples }: Measured,
  name: string,
  connections: number,
  value: (sample: Sample) => number,
): number {
  return median(samples.filter((one) => one.side === name && one.connections === connections).map(value))
}

/** What each side costs beside its floor; `more` are verdicts beside those on CPU. A quick run judges nothing. */
export function floorReport(
  title: string,
  measured: Measured,
  isQuick: boolean,
  more: readonly Verdict[] = [],
): LoadReport {
  const { sides, samples } = measured
  const cost = (name: string, connections: number) => medianOf(measured, name, connections, ({ micros }) => micros)
  const rows = sides.flatMap(({ name, unit, floor, budget }) =>
    CONNECTIONS.map((connections) => [
      ...[name, String(connections), `${figure(cost(name, connections))} / ${unit}`],
      floor === undefined ? '' : figure(cost(name, connections) / cost(floor, connections)),
      budget === undefined ? '' : `≤ ${budget}`,
      figure(medianOf(measured, name, connections, ({ ttfbP50 }) => ttfbP50)),
      figure(medianOf(measured, name, connections, ({ ttfbP99 }) => ttfbP99)),
    ]),
  )
  const judged = sides.flatMap(({ name, floor, budget }): Verdict[] => {
    if (floor === undefined || budget === undefined) return []
    return CONNECTIONS.map((connections) => ({
      what: `${name}, ${connections} connections`,
      measured: cost(name, connections) / cost(floor, connections),
      ...{ limit: budget, unit: 'times its floor' },
    }))
  })
  return {
    title: `${title}; the server has core ${SERVER_CORE}, the client core ${CLIENT_CORE}; medians`,
    header: ['what', 'connections', 'CPU µs', 'of the floor', 'budget', 'TTFB p50 ms', 'p99 ms'],
    rows,
    notes: [],
    verdicts: isQuick ? [] : [...judged, ...more],
    samples,
  }
}
