import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadContext, LoadReport } from './load-report.ts'
import { longFile, plainFile } from './media-source.ts'
import { CLIENT_CORE, OriginBench, type Sample, SERVER_CORE, type Side, sizeOf } from './origin-bench.ts'
import { segmentPaths } from './origin-paths.ts'
import { interleave, median } from './statistics.ts'
import { figure, type Verdict } from './table.ts'

const RECORDED_SECONDS = 48
const CONNECTIONS = [1, 8]
/** Of a segment of 6 s at 30 pictures a second. */
const SAMPLES = 180
const CLEAR = 'clear, from a span'
const MAX_TTFB_MS = 5
/** What is encrypted, at how many times the bare server that reads, does the bare pass of `node:crypto` over the same samples and sends. */
const FORMS = [
  { name: 'cenc', locator: 'cenc', format: 'cmaf', pass: 'cenc', budget: 1.3 },
  { name: 'cbcs', locator: 'cbcs', format: 'cmaf', pass: 'cbcs', budget: 1.3 },
  { name: 'AES-128 fMP4', locator: 'envelope', format: 'cmaf', pass: 'cbc', budget: 1.3 },
  { name: 'AES-128 TS', locator: 'envelope', format: 'ts', pass: 'cbc', budget: 2 },
] as const

/** What encryption at the moment of the request costs, through the whole origin and without its caches. */
export async function runProtection({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const processes = scope()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'headend-load-protection-'))
    processes.add('files', () => rmSync(folder, { recursive: true, force: true }))
    const file = await longFile(RECORDED_SECONDS)
    const media = { file, mp4: await plainFile(file), folder }
    const bench = await OriginBench.start(media, 'bare-protection-process', processes)
    const sides = await protectionSides(bench.port('uncached'))
    const samples: Sample[] = []
    for (const { round, side } of interleave(sides, options.rounds)) {
      for (const connections of CONNECTIONS)
        samples.push(await bench.measure(side, connections, round, options.seconds))
      progress(`${side.name}, round ${round + 1}: ${figure(samples.at(-1)?.micros ?? Number.NaN)} µs per ${side.unit}`)
    }
    return report(sides, samples, options.isQuick)
  } finally {
    await processes.stop()
  }
}

async function protectionSides(port: number): Promise<Side[]> {
  const clear = await segmentPaths(port, 'span', 'cmaf')
  const sizes = await Promise.all(clear.map((path) => sizeOf(port, path)))
  const bare = (pass: string) => sizes.map((size) => `/${pass}/${size}/${SAMPLES}`)
  const floors = new Set(['clear', ...FORMS.map(({ pass }) => pass)])
  const sides: Side[] = [...floors].map((pass) => ({
    ...{ name: `bare, ${pass}`, server: 'bare', paths: bare(pass), unit: 'MB' },
  }))
  sides.push({ name: CLEAR, server: 'uncached', paths: clear, unit: 'MB', floor: 'bare, clear' })
  for (const { name, locator, format, pass, budget } of FORMS) {
    const paths = await segmentPaths(port, locator, format)
    sides.push({ name, server: 'uncached', paths, unit: 'MB', floor: `bare, ${pass}`, budget })
  }
  return sides
}

function report(sides: readonly Side[], samples: readonly Sample[], isQuick: boolean): LoadReport {
  const of = (name: string, connections: number, value: (sample: Sample) => number) =>
    median(samples.filter((one) => one.side === name && one.connections === connections).map(value))
  const cost = (name: string, connections: number) => of(name, connections, ({ micros }) => micros)
  const late = (name: string) => of(name, 1, ({ ttfbP99 }) => ttfbP99)
  const rows = sides.flatMap(({ name, floor, budget }) =>
    CONNECTIONS.map((connections) => [
      ...[name, String(connections), figure(cost(name, connections))],
      floor === undefined ? '' : figure(cost(name, connections) / cost(floor, connections)),
      budget === undefined ? '' : `≤ ${budget}`,
      figure(of(name, connections, ({ ttfbP50 }) => ttfbP50)),
      figure(of(name, connections, ({ ttfbP99 }) => ttfbP99)),
    ]),
  )
  const verdicts = sides.flatMap(({ name, floor, budget }): Verdict[] => {
    if (floor === undefined || budget === undefined) return []
    const costs = CONNECTIONS.map((connections) => ({
      what: `${name}, ${connections} connections`,
      measured: cost(name, connections) / cost(floor, connections),
      ...{ limit: budget, unit: 'times its floor' },
    }))
    const ttfb = { what: `${name}, TTFB p99 of one request at a time past that in the clear`, unit: 'ms' }
    return [...costs, { ...ttfb, measured: late(name) - late(CLEAR), limit: MAX_TTFB_MS }]
  })
  return {
    title: `protection: segments of 6 s at 3 Mbit/s, encrypted for each request; the server has core ${SERVER_CORE}, the client core ${CLIENT_CORE}; medians`,
    header: ['what', 'connections', 'CPU µs / MB', 'of the floor', 'budget', 'TTFB p50 ms', 'p99 ms'],
    rows,
    notes: [],
    verdicts: isQuick ? [] : verdicts,
    samples,
  }
}
