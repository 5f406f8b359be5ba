import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../src/lib/scope.ts'
import { Child } from './child.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { longFile, plainFile } from './media-source.ts'
import type { ClientOrder, ClientReply, ServerOrder, ServerReply } from './origin-orders.ts'
import { type OriginFormat, segmentPaths } from './origin-paths.ts'
import { interleave, median } from './statistics.ts'
import { figure, type Verdict } from './table.ts'

/** What is measured against what: `floor` is the name of another side. */
type Side = {
  readonly name: string
  readonly server: 'bare' | 'origin' | 'uncached'
  readonly paths: readonly string[]
  readonly floor?: string
  /** At most so many times what the floor costs. */
  readonly budget?: number
  /** Of what: a megabyte of media, or a request for a manifest. */
  readonly unit: 'MB' | 'request'
}

type Sample = {
  readonly side: string
  readonly connections: number
  readonly round: number
  readonly micros: number
  readonly ttfbP50: number
  readonly ttfbP99: number
}

const RECORDED_SECONDS = 48
const CONNECTIONS = [1, 8]
const SERVER_CORE = '0'
const CLIENT_CORE = '1'
/** Of the length of a measurement. */
const WARMUP_SHARE = 0.2
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
    const bench = await Bench.start(file, await plainFile(file), folder, processes)
    const sides = await bench.sides()
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

class Bench {
  readonly #servers: Servers
  readonly #client: Child<ClientOrder, ClientReply>

  private constructor(servers: Servers, client: Child<ClientOrder, ClientReply>) {
    this.#servers = servers
    this.#client = client
  }

  static async start(file: string, mp4: string, folder: string, scope: Scope): Promise<Bench> {
    const client = scope.own('client', new Child<ClientOrder, ClientReply>(scriptOf('origin-client')))
    pin(client.pid, CLIENT_CORE)
    const servers = new Map<Side['server'], { readonly child: ServerChild; readonly port: number }>()
    for (const kind of ['bare', 'origin', 'uncached'] as const) {
      const script = scriptOf(kind === 'bare' ? 'bare-origin-process' : 'origin-process')
      const child: ServerChild = scope.own(kind, new Child<ServerOrder, ServerReply>(script))
      pin(child.pid, SERVER_CORE)
      const cacheBytes = kind === 'uncached' ? 0 : undefined
      const { port } = await child.ask({ kind: 'serve', file, mp4, folder: join(folder, kind), cacheBytes }, 'serving')
      servers.set(kind, { child, port })
    }
    return new Bench(servers, client)
  }

  async sides(): Promise<Side[]> {
    const { port } = this.#server('origin')
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
    return [...sides, ...(await this.#manifestSides(port))]
  }

  async measure(side: Side, connections: number, round: number, seconds: number): Promise<Sample> {
    const { child, port } = this.#server(side.server)
    const order = { kind: 'load', port, paths: side.paths, connections } as const
    await this.#client.ask({ ...order, seconds: seconds * WARMUP_SHARE }, 'loaded')
    const before = await child.ask({ kind: 'cpu' }, 'cpu')
    const loaded = await this.#client.ask({ ...order, seconds }, 'loaded')
    const after = await child.ask({ kind: 'cpu' }, 'cpu')
    const done = side.unit === 'MB' ? loaded.bytes / 1e6 : loaded.requests
    const { ttfbP50, ttfbP99 } = loaded
    return { side: side.name, connections, round, micros: (after.micros - before.micros) / done, ttfbP50, ttfbP99 }
  }

  async #manifestSides(port: number): Promise<Side[]> {
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

  #server(kind: Side['server']): { readonly child: ServerChild; readonly port: number } {
    const server = this.#servers.get(kind)
    if (!server) throw new Error(`no ${kind} server runs`)
    return server
  }
}

type ServerChild = Child<ServerOrder, ServerReply>
type Servers = ReadonlyMap<Side['server'], { readonly child: ServerChild; readonly port: number }>

function scriptOf(name: string): URL {
  return new URL(`./${name}.ts`, import.meta.url)
}

/** All threads of a process on one core; those that it starts later inherit it. */
function pin(pid: number, core: string): void {
  execFileSync('taskset', ['-acp', core, String(pid)], { stdio: 'ignore' })
}

async function sizeOf(port: number, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'accept-encoding': 'gzip' } })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  // As it was sent: `fetch` gives it unzipped.
  return Number(response.headers.get('content-length'))
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
