import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadContext, LoadReport } from './load-report.ts'
import { longFile, plainFile } from './media-source.ts'
import { CLIENT_CORE, OriginBench, type Sample, SERVER_CORE, type Side, sizeOf } from './origin-bench.ts'
import { type OriginFormat, segmentPaths } from './origin-paths.ts'
import { interleave, median } from './statistics.ts'
import { figure, type Verdict } from './table.ts'

const RECORDED_SECONDS = 48
const CONNECTIONS = [1, 8]
/** CPU of uncached packaging against reading the bytes, of the format that is stored and of others, which copy them. */
const PACKAGING_BUDGETS: Readonly<Record<OriginFormat, number>> = { cmaf: 1.25, smooth: 1.4, ts: 2 }
const CACHED_BUDGET = 1.15
/** Half as many requests a second as of a constant body. */
const MANIFEST_BUDGET = 2
const MANIFESTS = {
  master: '/hour/index.m3u8',
  'playlist of 1 h': undefined,
  'MPD of 1 h': '/hour/index.mpd',
} as const

/** What the streaming endpoint costs beside a bare server of the same bytes. */
export async function runOrigin({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const processes = scope()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'headend-load-origin-'))
    processes.add('files', () => rmSync(folder, { recursive: true, force: true }))
    const file = await longFile(RECORDED_SECONDS)
    const media = { file, mp4: await plainFile(file), folder }
    const bench = await OriginBench.start(media, 'bare-origin-process', processes)
    const sides = await originSides(bench.port('origin'))
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

async function originSides(port: number): Promise<Side[]> {
  const sides: Side[] = []
  for (const format of ['cmaf', 'smooth', 'ts'] as const) {
    const paths = await segmentPaths(port, 'span', format)
    const sizes = await Promise.all(paths.map((path) => sizeOf(port, path)))
    const least = (how: string) => sizes.map((size) => `/${how}/${size}`)
    const how = format === 'cmaf' ? 'read' : 'copy'
    const unit = 'MB'
    sides.push(
      { name: `${format}: bare, ${how}`, server: 'bare', paths: least(how), unit },
      ...(how === 'read'
        ? [{ name: `${format}: bare, copy`, server: 'bare', paths: least('copy'), unit } as const]
        : []),
      { name: `${format}: bare, ready`, server: 'bare', paths: least('ready'), unit },
      {
        ...{ name: `${format}: from a span`, server: 'uncached', paths, unit },
        ...{ floor: `${format}: bare, ${how}`, budget: PACKAGING_BUDGETS[format] },
      },
      {
        ...{
          name: `${format}: from an MP4`,
          server: 'uncached',
          paths: await segmentPaths(port, 'mp4', format),
          unit,
        },
        // An MP4 has its samples by turns with sound: they are copied into any format.
        ...{ floor: `${format}: bare, ${how === 'read' ? 'copy' : how}`, budget: PACKAGING_BUDGETS[format] },
      },
      {
        ...{ name: `${format}: from the cache`, server: 'origin', paths, unit },
        ...{ floor: `${format}: bare, ready`, budget: CACHED_BUDGET },
      },
    )
  }
  return [...sides, ...(await manifestSides(port))]
}

async function manifestSides(port: number): Promise<Side[]> {
  const sides: Side[] = []
  for (const [name, known] of Object.entries(MANIFESTS)) {
    const path = known ?? (await firstPlaylist(port))
    const size = await sizeOf(port, path)
    const unit = 'request'
    sides.push(
      { name: `${name}: bare, constant`, server: 'bare', paths: [`/ready/${size}`], unit },
      {
        ...{ name, server: 'origin', paths: [path], unit },
        ...{ floor: `${name}: bare, constant`, budget: MANIFEST_BUDGET },
      },
    )
  }
  return sides
}

async function firstPlaylist(port: number): Promise<string> {
  const master = new URL(`http://127.0.0.1:${port}/hour/index.m3u8`)
  const lines = (await (await fetch(master)).text()).split('\n')
  return new URL(lines.find((line) => line !== '' && !line.startsWith('#')) ?? '', master).pathname
}

function report(sides: readonly Side[], samples: readonly Sample[], isQuick: boolean): LoadReport {
  const of = (name: string, connections: number) =>
    samples.filter((sample) => sample.side === name && sample.connections === connections)
  const cost = (name: string, connections: number) => median(of(name, connections).map(({ micros }) => micros))
  const rows = sides.flatMap(({ name, unit, floor, budget }) =>
    CONNECTIONS.map((connections) => {
      const taken = of(name, connections)
      const ratio = floor === undefined ? '' : figure(cost(name, connections) / cost(floor, connections))
      return [
        ...[name, String(connections), `${figure(cost(name, connections))} / ${unit}`],
        ...[ratio, budget === undefined ? '' : `≤ ${budget}`],
        ...[median(taken.map(({ ttfbP50 }) => ttfbP50)), median(taken.map(({ ttfbP99 }) => ttfbP99))].map(figure),
      ]
    }),
  )
  const judged = sides.flatMap(({ name, floor, budget }) =>
    floor === undefined || budget === undefined
      ? []
      : CONNECTIONS.map(
          (connections): Verdict => ({
            what: `${name}, ${connections} connections`,
            measured: cost(name, connections) / cost(floor, connections),
            limit: budget,
            unit: 'times its floor',
          }),
        ),
  )
  return {
    title: `origin: segments of 6 s at 3 Mbit/s; the server has core ${SERVER_CORE}, the client core ${CLIENT_CORE}; medians`,
    header: ['what', 'connections', 'CPU µs', 'of the floor', 'budget', 'TTFB p50 ms', 'p99 ms'],
    rows,
    notes: [],
    verdicts: isQuick ? [] : judged,
    samples,
  }
}
