import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Scope } from '../src/lib/scope.ts'
import { Child } from './child.ts'
import type { ClientOrder, ClientReply, ServerOrder, ServerReply } from './origin-orders.ts'

/** The servers that are measured: the least that Node can do, the origin as it is, and the origin without caches. */
export type ServerKind = 'bare' | 'origin' | 'uncached'

/** What is measured against what: `floor` is the name of another side. */
export type Side = {
  readonly name: string
  readonly server: ServerKind
  readonly paths: readonly string[]
  readonly floor?: string
  /** At most so many times what the floor costs. */
  readonly budget?: number
  /** Of what: a megabyte of media, or a request for a manifest. */
  readonly unit: 'MB' | 'request'
}

/** One measurement of a side. */
export type Sample = {
  readonly side: string
  readonly connections: number
  readonly round: number
  readonly micros: number
  readonly ttfbP50: number
  readonly ttfbP99: number
}

/** What the servers serve. */
export type BenchMedia = { readonly file: string; readonly mp4: string; readonly folder: string }

type ServerChild = Child<ServerOrder, ServerReply>
type Servers = ReadonlyMap<ServerKind, { readonly child: ServerChild; readonly port: number }>

/** The core that all servers have, one being asked at a time, and that of the client. */
export const SERVER_CORE = '0'
export const CLIENT_CORE = '1'
/** Of the length of a measurement. */
const WARMUP_SHARE = 0.2

/** Servers and a client in processes of their own, each side with its core. */
export class OriginBench {
  readonly #servers: Servers
  readonly #client: Child<ClientOrder, ClientReply>

  private constructor(servers: Servers, client: Child<ClientOrder, ClientReply>) {
    this.#servers = servers
    this.#client = client
  }

  /** `bareScript`: what the bare server runs. */
  static async start(media: BenchMedia, bareScript: string, scope: Scope): Promise<OriginBench> {
    const client = scope.own('client', new Child<ClientOrder, ClientReply>(scriptOf('origin-client')))
    pin(client.pid, CLIENT_CORE)
    const servers = new Map<ServerKind, { readonly child: ServerChild; readonly port: number }>()
    for (const kind of ['bare', 'origin', 'uncached'] as const) {
      const script = scriptOf(kind === 'bare' ? bareScript : 'origin-process')
      const child: ServerChild = scope.own(kind, new Child<ServerOrder, ServerReply>(script))
      pin(child.pid, SERVER_CORE)
      const cacheBytes = kind === 'uncached' ? 0 : undefined
      const folder = join(media.folder, kind)
      const { port } = await child.ask({ ...media, kind: 'serve', folder, cacheBytes }, 'serving')
      servers.set(kind, { child, port })
    }
    return new OriginBench(servers, client)
  }

  port(kind: ServerKind): number {
    return this.#server(kind).port
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

  #server(kind: ServerKind): { readonly child: ServerChild; readonly port: number } {
    const server = this.#servers.get(kind)
    if (!server) throw new Error(`no ${kind} server runs`)
    return server
  }
}

function scriptOf(name: string): URL {
  return new URL(`./${name}.ts`, import.meta.url)
}

/** All threads of a process on one core; those that it starts later inherit it. */
function pin(pid: number, core: string): void {
  execFileSync('taskset', ['-acp', core, String(pid)], { stdio: 'ignore' })
}

/** The size of a body as it is sent. */
export async function sizeOf(port: number, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'accept-encoding': 'gzip' } })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  // As it was sent: `fetch` gives it unzipped.
  return Number(response.headers.get('content-length'))
}
