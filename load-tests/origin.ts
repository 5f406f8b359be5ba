import { floorReport, measureSides } from './floor.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { type Side, sizeOf } from './origin-bench.ts'
import { type OriginFormat, segmentPaths } from './origin-paths.ts'

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
export async function runOrigin(context: LoadContext): Promise<LoadReport> {
  const measured = await measureSides(context, 'bare-origin-process', (bench) => originSides(bench.port('origin')))
  return floorReport('origin: segments of 6 s at 3 Mbit/s', measured, context.options.isQuick)
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
